import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chooseSource, HostState, readImageHeader } from '../src/index.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wapiti-source-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function image(name: string, version: bigint, metaid: bigint, complete = true): void {
  const head = Buffer.alloc(24);
  head.write('MFSM 2.0');
  head.writeBigUInt64BE(version, 8);
  head.writeBigUInt64BE(metaid, 16);
  writeFileSync(
    join(folder, name),
    Buffer.concat([head, Buffer.alloc(100), Buffer.from(complete ? '[MFS EOF MARKER]' : '')]),
  );
}

describe('source of a promotion', () => {
  it('reads the header of a complete image only', () => {
    image('metadata_ml.mfs.back', 7n, 5n);
    image('metadata_ml.tmp', 9n, 5n, false);
    writeFileSync(join(folder, 'metadata.x'), 'MFSM');
    expect(readImageHeader(folder, 'metadata_ml.mfs.back')).toEqual({
      file: 'metadata_ml.mfs.back',
      version: 7n,
      metaid: 5n,
    });
    expect(readImageHeader(folder, 'metadata_ml.tmp')).toBeUndefined();
    expect(readImageHeader(folder, 'metadata.x')).toBeUndefined();
    expect(readImageHeader(folder, 'absent')).toBeUndefined();
  });

  it('backup: the newest image of the metalogger, never one of a master', () => {
    image('metadata.mfs.back', 900n, 5n);
    image('metadata_ml.mfs.back', 7n, 5n);
    image('metadata_ml.mfs.back.1', 6n, 5n);
    expect(chooseSource(folder, 'backup', undefined)).toEqual({
      image: 'metadata_ml.mfs.back',
      version: 7n,
      metaid: 5n,
      restore: true,
    });
  });

  it('backup of a file system that never was saved: its empty image and the changelogs', () => {
    writeFileSync(join(folder, 'metadata_ml.tmp'), 'MFSM NEW');
    expect(chooseSource(folder, 'backup', 5n)).toMatchObject({ image: 'metadata_ml.tmp', restore: true });
  });

  it('master: after a clean stop nothing is to be restored, after a crash it is', () => {
    image('metadata.mfs', 7n, 5n);
    expect(chooseSource(folder, 'master', 5n)).toMatchObject({ image: 'metadata.mfs', restore: false });
    image('metadata.mfs.back', 8n, 5n);
    expect(chooseSource(folder, 'master', 5n)).toMatchObject({ image: 'metadata.mfs.back', restore: true });
  });

  it.each(['master', 'backup'] as const)('%s without a complete image: refused', (role) => {
    image('metadata_ml.mfs.back', 7n, 5n, false);
    expect(() => chooseSource(folder, role, undefined)).toThrow(/complete image/);
  });

  it('another file system: refused', () => {
    image('metadata_ml.mfs.back', 7n, 6n);
    expect(() => chooseSource(folder, 'backup', 5n)).toThrow(
      'metadata_ml.mfs.back belongs to another file system: metadata id 0x0000000000000006, expected 0x0000000000000005',
    );
  });
});

describe('state of a host', () => {
  const files = (): string[] =>
    readdirSync(folder).filter((name) => !name.startsWith('set-aside') && name !== 'mfsha.state');

  it('keeps role and file system', () => {
    const state = new HostState(folder, folder, 'backup');
    expect([state.role, state.metaid]).toEqual(['backup', undefined]);
    state.learnMetaid(0n, 0);
    expect(state.metaid).toBeUndefined();
    state.learnMetaid(5n, 0);
    state.learnMetaid(6n, 0);
    state.setRole('master', 0);
    const again = new HostState(folder, folder, 'backup');
    expect([again.role, again.metaid]).toEqual(['master', 5n]);
  });

  it.each(['{', '{"role":"king"}', '{"role":"master","metaid":7}'])('says what is wrong with %s', (text) => {
    writeFileSync(join(folder, 'mfsha.state'), text);
    expect(() => new HostState(folder, folder, 'backup').role).toThrow(join(folder, 'mfsha.state'));
  });

  it('sets everything aside under a date, and nothing else', () => {
    for (const name of [
      'metadata.mfs.back',
      'metadata.crc',
      'metadata_ml.tmp',
      'changelog_ml_back.0.mfs',
      'chunkserverid.mfs',
      'metadata.mfs.empty',
      '.mfsmaster.lock',
      'stats.mfs',
    ])
      writeFileSync(join(folder, name), '');
    writeFileSync(join(folder, 'changelog.0.mfs'), '41: 1|ACCESS(1)\n42: 1|ACCESS(1)\n43: 1|AC');
    writeFileSync(join(folder, 'changelog_ml.0.mfs'), '7: 1|ACCESS(1)\n');
    const aside = new HostState(folder, folder, 'master').setAside('all', Date.UTC(2026, 10, 24, 20, 15, 3, 7));
    expect(aside?.folder).toBe(join(folder, 'set-aside-2026-11-24T201503007Z'));
    expect(aside?.newestVersion).toBe(43n);
    expect(files().sort()).toEqual(['.mfsmaster.lock', 'chunkserverid.mfs', 'metadata.mfs.empty', 'stats.mfs']);
    expect(readdirSync(aside?.folder as string)).toHaveLength(6);
    expect(new HostState(folder, folder, 'master').setAside('all', 0)).toBeUndefined();
  });

  it('leftovers of a master: those of the metalogger stay', () => {
    for (const name of ['metadata.mfs.back', 'changelog.0.mfs', 'metadata_ml.mfs.back', 'changelog_ml.0.mfs'])
      writeFileSync(join(folder, name), '');
    new HostState(folder, folder, 'backup').setAside('master', 0);
    expect(files().sort()).toEqual(['changelog_ml.0.mfs', 'metadata_ml.mfs.back']);
  });
});
