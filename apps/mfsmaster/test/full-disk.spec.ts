import { execFileSync } from 'node:child_process';
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
  openSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { writeImage } from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_SUSTAINED_INODES,
  MATOCL_FUSE_GETATTR,
  MFS_ERROR_NOSPACE,
} from '@wapiti-fs/protocol';

import { TestMaster } from './peers.js';

const PAGE_BYTES = 4096;
const OVERLAP_BYTES = 8;

const root = { variant: 'full' as const, inode: 1, opened: 0, uid: 0, gid: 0 };

const inodes = (master: TestMaster): number => [...master.role.context.metadata.store.nodes.inodes()].length;

/** Needs root: a small file system of its own. */
describe('full disk', () => {
  let folder: string;
  let master: TestMaster;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'wapiti-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'wapiti-test', folder]);
    writeFileSync(join(folder, 'metadata.mfs'), 'MFSM NEW');
    master = await TestMaster.start({ folder });
  });

  afterEach(async () => {
    await master.destroy();
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });

  const filler = (): string => join(folder, 'filler');
  function fill(): void {
    const fd = openSync(filler(), 'w');
    try {
      for (;;) writeSync(fd, Buffer.alloc(4096, 1));
    } catch {
      closeSync(fd);
    }
  }

  it('refuses changes while they cannot be recorded, answers reads, and loses nothing', async () => {
    const mount = await master.mounted();
    const other = await master.mounted();
    fill();
    const blocked = master.log.waitFor(/changelog cannot be written/).then(() => 'blocked' as const);
    // the last page of the changelog has some room left: at some point comes a change that does not fit
    let made = 0;
    let pending: Promise<number>;
    for (;;) {
      pending = mount.create(`${'x'.repeat(200)}-${made}`);
      if ((await Promise.race([pending, blocked])) === 'blocked') break;
      made++;
    }
    expect(await other.ask(CLTOMA_FUSE_GETATTR, root, MATOCL_FUSE_GETATTR)).toMatchObject({ variant: 'ok' });
    expect(await other.create('refused')).toBe(-MFS_ERROR_NOSPACE);
    expect(await other.mkdir('refused')).toBe(-MFS_ERROR_NOSPACE);
    // what has no answer has none now either
    other.send(CLTOMA_FUSE_SUSTAINED_INODES.encode({ inodes: [] }));
    expect(await (await master.mount()).newSession()).toEqual({ variant: 'status', status: MFS_ERROR_NOSPACE });
    expect(await other.ask(CLTOMA_FUSE_GETATTR, root, MATOCL_FUSE_GETATTR)).toMatchObject({ variant: 'ok' });

    unlinkSync(filler());
    await master.log.waitFor(/changelog can be written again/);
    expect(await pending).toBeGreaterThan(0);
    expect(await other.mkdir('taken')).toBeGreaterThan(0);

    const numbers = readFileSync(join(folder, 'changelog.0.mfs'), 'latin1')
      .trimEnd()
      .split('\n')
      .map((line) => Number(line.split(':')[0]));
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    expect(inodes(master)).toBe(1 + made + 1 + 1);
  });

  /** Makes files until the image is some bytes longer than whole pages, fewer than the mark at its end. */
  async function overlap(create: (name: string) => Promise<number>): Promise<number> {
    const size = (): number =>
      [...writeImage(master.role.context.metadata.store, 5)].reduce((sum, piece) => sum + piece.length, 0);
    const before = size();
    await create('a');
    const fixed = size() - before - 1;
    for (let i = 0; size() % PAGE_BYTES !== OVERLAP_BYTES; i++) {
      const missing = (PAGE_BYTES + OVERLAP_BYTES - (size() % PAGE_BYTES)) % PAGE_BYTES;
      const fits = missing >= fixed + 10 && missing <= fixed + 255;
      await create(`${i}`.padEnd(fits ? missing - fixed : 100, 'x'));
    }
    return size();
  }

  it('does not take an image for stored whose last bytes did not fit', async () => {
    const mount = await master.mounted();
    const pages = Math.floor((await overlap((name) => mount.create(name))) / PAGE_BYTES);
    fill();
    truncateSync(filler(), statSync(filler()).size - pages * PAGE_BYTES);
    expect(await master.role.context.images.save()).toBe(false);
    expect(readFileSync(join(folder, 'metadata.mfs.back'), 'latin1')).toBe('MFSM NEW');
    unlinkSync(filler());
    expect(await master.role.context.images.save()).toBe(true);
  });

  it('keeps the old image and the changelogs when a new image does not fit', async () => {
    const mount = await master.mounted();
    for (let i = 0; i < 200; i++) await mount.create(`${'y'.repeat(200)}-${i}`);
    fill();
    expect(await master.role.context.images.save()).toBe(false);
    expect(master.log.lines.join('\n')).toMatch(/metadata not stored: .*no space left/i);
    expect(readFileSync(join(folder, 'metadata.mfs.back'), 'latin1')).toBe('MFSM NEW');
    await expect(master.role.stop()).rejects.toThrow(/the next start needs option '-a'/);
    unlinkSync(filler());
    expect(statSync(join(folder, 'changelog.0.mfs')).size).toBeGreaterThan(200 * 200);
    const again = await TestMaster.start({ folder, restore: true });
    expect(inodes(again)).toBe(201);
    await again.stop();
  });
});
