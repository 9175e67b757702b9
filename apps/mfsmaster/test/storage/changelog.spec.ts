import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { memoryLogger } from '@wapiti-fs/runtime';

import { Changelog, ChangelogBlockedError, type ChangelogIo } from '../../src/storage/changelog.js';

const idle = (ts: number) => ({ op: 'IDLE', ts }) as const;

describe('changelog files', () => {
  let folder: string;
  /** Number of the next change, as the metadata have it. */
  let next: number;
  const read = (number = 0): string => readFileSync(join(folder, `changelog.${number}.mfs`), 'latin1');
  const open = (io?: ChangelogIo, backLogs = 3, sync = false): Changelog =>
    new Changelog(folder, memoryLogger(), { backLogs, sync }, () => next, io);

  beforeEach(() => {
    next = 1000;
    folder = mkdtempSync(join(tmpdir(), 'wapiti-changelog-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('writes the records of a turn with one write and goes on in a file that is there', () => {
    writeFileSync(join(folder, 'changelog.0.mfs'), '4: 9|IDLE()\n');
    let writes = 0;
    const changelog = open({
      write: (fd, buffer, offset, position) => (
        writes++,
        writeSync(fd, buffer, offset, buffer.length - offset, position)
      ),
      sync: () => undefined,
    });
    changelog.journal(5, idle(10));
    changelog.journal(6, idle(11));
    expect(changelog.flush()).toBe(true);
    expect(writes).toBe(1);
    expect(read()).toBe('4: 9|IDLE()\n5: 10|IDLE()\n6: 11|IDLE()\n');
    expect(changelog.takeWritten()).toEqual([
      { version: 5, text: '10|IDLE()' },
      { version: 6, text: '11|IDLE()' },
    ]);
    expect(changelog.takeWritten()).toEqual([]);
    changelog.close();
  });

  it('keeps what a full disk does not take, leaves no half line, and makes no hole', () => {
    let room = 20;
    const changelog = open({
      write: (fd, buffer, offset, position) => {
        const count = Math.min(room, buffer.length - offset);
        if (count === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        room -= count;
        return writeSync(fd, buffer, offset, count, position);
      },
      sync: () => undefined,
    });
    changelog.journal(1, idle(10));
    expect(changelog.flush()).toBe(true);
    changelog.journal(2, idle(11));
    expect(changelog.flush()).toBe(false);
    expect(changelog.blocked).toBe(true);
    expect(read()).toBe('1: 10|IDLE()\n');
    // a client's changes are refused before anything is changed, the master's own are kept
    expect(() => changelog.guard(() => changelog.journal(3, idle(12)))).toThrow(ChangelogBlockedError);
    changelog.journal(3, idle(12));
    expect(changelog.flush()).toBe(false);
    expect(changelog.rotate()).toBe(false);
    room = 1000;
    expect(changelog.flush()).toBe(true);
    expect(changelog.blocked).toBe(false);
    expect(read()).toBe('1: 10|IDLE()\n2: 11|IDLE()\n3: 12|IDLE()\n');
    changelog.close();
  });

  it('syncs each batch if asked to, and again after a sync that failed', () => {
    let fails = true;
    let syncs = 0;
    const io = {
      write: (fd: number, buffer: Buffer, offset: number, position: number) =>
        writeSync(fd, buffer, offset, buffer.length - offset, position),
      sync: () => {
        syncs++;
        if (fails) throw new Error('input/output error');
      },
    };
    const changelog = open(io, 3, true);
    changelog.journal(1, idle(10));
    expect(changelog.flush()).toBe(false);
    fails = false;
    expect(changelog.flush()).toBe(true);
    expect(syncs).toBe(2);
    expect(read()).toBe('1: 10|IDLE()\n');
    changelog.close();
  });

  it('forgets records whose change was not carried out', () => {
    const changelog = open();
    changelog.journal(1, idle(10));
    changelog.journal(2, idle(11));
    changelog.journal(2, idle(12));
    changelog.journal(3, idle(13));
    next = 3;
    changelog.flush();
    expect(read()).toBe('1: 10|IDLE()\n2: 12|IDLE()\n');
    changelog.close();
  });

  it('rotates, dropping the oldest', () => {
    const changelog = open(undefined, 2);
    for (let version = 1; version <= 4; version++) {
      changelog.journal(version, idle(version));
      expect(changelog.rotate()).toBe(true);
    }
    expect(readdirSync(folder).sort()).toEqual(['changelog.1.mfs', 'changelog.2.mfs']);
    expect(read(1)).toBe('4: 4|IDLE()\n');
    changelog.options.backLogs = 0;
    changelog.journal(5, idle(5));
    changelog.rotate();
    expect(readdirSync(folder)).not.toContain('changelog.0.mfs');
  });
});
