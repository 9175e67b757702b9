import fc from 'fast-check';

import { IN_HEADER_SIZE, Opcode, OUT_HEADER_SIZE } from '../src/constants.js';
import { FuseError, FuseSession, type InodeFileSystem, type Lock } from '../src/index.js';
import { MemoryFileSystem } from './memory-fs.js';

function request(opcode: number, body: Buffer, unique = 7n, inode = 1n): Buffer {
  const header = Buffer.alloc(IN_HEADER_SIZE);
  header.writeUInt32LE(IN_HEADER_SIZE + body.length, 0);
  header.writeUInt32LE(opcode, 4);
  header.writeBigUInt64LE(unique, 8);
  header.writeBigUInt64LE(inode, 16);
  return Buffer.concat([header, body]);
}

function init(minor: number, flags = 0xffffffff): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(7, 0);
  body.writeUInt32LE(minor, 4);
  body.writeUInt32LE(131072, 8);
  body.writeUInt32LE(flags, 12);
  return request(Opcode.INIT, body);
}

function session(
  fs: InodeFileSystem = new MemoryFileSystem(),
  options = {},
): { session: FuseSession; sent: Buffer[]; defects: unknown[] } {
  const sent: Buffer[] = [];
  const defects: unknown[] = [];
  return {
    sent,
    defects,
    session: new FuseSession(
      fs,
      (parts) => sent.push(Buffer.concat(parts)),
      options,
      (error) => defects.push(error),
    ),
  };
}

describe('FuseSession', () => {
  it('negotiates: the smaller minor version, only offered flags', () => {
    const { session: s, sent } = session(undefined, { writebackCache: true });
    s.handle(init(45, 0x20 | 0x10000));
    const body = (sent[0] as Buffer).subarray(OUT_HEADER_SIZE);
    expect([body.readUInt32LE(0), body.readUInt32LE(4)]).toEqual([7, 31]);
    expect(body.readUInt32LE(12)).toBe(0x20 | 0x10000);
    expect(body.readUInt32LE(20)).toBe(1 << 20);
    expect(body.readUInt16LE(28)).toBe(256);
  });

  it('refuses a kernel that is too old', () => {
    const { session: s, sent, defects } = session();
    s.handle(init(9));
    expect((sent[0] as Buffer).readInt32LE(4)).toBe(-71);
    expect(defects).toHaveLength(1);
  });

  it('answers an unknown opcode with ENOSYS', () => {
    const { session: s, sent } = session();
    s.handle(request(4095, Buffer.alloc(0), 99n));
    expect((sent[0] as Buffer).readInt32LE(4)).toBe(-38);
    expect((sent[0] as Buffer).readBigUInt64LE(8)).toBe(99n);
  });

  it('interrupts a waiting lock', async () => {
    const fs = new MemoryFileSystem() as InodeFileSystem;
    fs.setlk = (caller, _inode, _handle, _owner, lock: Lock) =>
      new Promise((_resolve, reject) => {
        expect(lock).toEqual({ start: 5n, endInclusive: 9n, type: 'write', pid: 3 });
        caller.signal?.addEventListener('abort', () => reject(caller.signal?.reason as Error));
      });
    const { session: s, sent } = session(fs);
    const body = Buffer.alloc(48);
    body.writeBigUInt64LE(5n, 16);
    body.writeBigUInt64LE(9n, 24);
    body.writeUInt32LE(1, 32);
    body.writeUInt32LE(3, 36);
    s.handle(request(Opcode.SETLKW, body, 11n));
    expect(s.pending).toBe(1);
    const target = Buffer.alloc(8);
    target.writeBigUInt64LE(11n);
    s.handle(request(Opcode.INTERRUPT, target, 12n));
    await new Promise(setImmediate);
    expect((sent[0] as Buffer).readInt32LE(4)).toBe(-4);
    expect(s.pending).toBe(0);
  });

  describe('a signal for a thread that waits', () => {
    /** An open that is answered when told, and what happens when a signal comes before. */
    async function interruptedOpen(killed: boolean): Promise<{ errnos: number[]; released: number[] }> {
      const fs = new MemoryFileSystem() as InodeFileSystem;
      let answer: (reply: { handle: number; flags: number }) => void = () => undefined;
      const released: number[] = [];
      fs.open = () => new Promise((resolve) => (answer = resolve));
      fs.release = (_caller, _inode, handle) => void released.push(handle);
      const { session: s, sent } = session(fs, { isBeingKilled: () => killed });
      s.handle(request(Opcode.OPEN, Buffer.alloc(8), 20n));
      const target = Buffer.alloc(8);
      target.writeBigUInt64LE(20n);
      s.handle(request(Opcode.INTERRUPT, target, 21n));
      answer({ handle: 77, flags: 0 });
      await new Promise(setImmediate);
      expect(s.pending).toBe(0);
      return { errnos: sent.map((one) => one.readInt32LE(4)), released };
    }

    it('changes nothing while it lives', async () => {
      expect(await interruptedOpen(false)).toEqual({ errnos: [0], released: [] });
    });

    it('lets it go when it is being killed, and closes what it opened', async () => {
      expect(await interruptedOpen(true)).toEqual({ errnos: [-4], released: [77] });
    });

    it('is asked for again when it has overtaken its request', () => {
      const { session: s, sent } = session();
      const target = Buffer.alloc(8);
      target.writeBigUInt64LE(30n);
      s.handle(request(Opcode.INTERRUPT, target, 31n));
      expect(sent.map((one) => [one.readInt32LE(4), one.readBigUInt64LE(8)])).toEqual([[-11, 31n]]);
    });
  });

  it('takes errnos of errors that only the file system knows', () => {
    const fs = new MemoryFileSystem();
    fs.statfs = () => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    const {
      session: s,
      sent,
      defects,
    } = session(fs, {
      errnoOf: (error: unknown) => ((error as { code?: string }).code === 'ENOSPC' ? 28 : undefined),
    });
    s.handle(request(Opcode.STATFS, Buffer.alloc(0)));
    expect((sent[0] as Buffer).readInt32LE(4)).toBe(-28);
    expect(defects).toEqual([]);
  });

  it('passes a refusal of the file system on as its errno', () => {
    const fs = new MemoryFileSystem();
    fs.statfs = () => {
      throw new FuseError(30);
    };
    const { session: s, sent, defects } = session(fs);
    s.handle(request(Opcode.STATFS, Buffer.alloc(0)));
    expect((sent[0] as Buffer).readInt32LE(4)).toBe(-30);
    expect(defects).toEqual([]);
  });

  it('fits directory entries into the size asked for', () => {
    const fs = new MemoryFileSystem();
    const caller = { uid: 0, gid: 0, pid: 0, unique: 0n };
    for (let i = 0; i < 100; i++) fs.mkdir(caller, 1, Buffer.from(`name-${i}`), 0o755, 0);
    const { session: s, sent } = session(fs);
    const body = Buffer.alloc(40);
    body.writeUInt32LE(200, 16);
    s.handle(request(Opcode.READDIR, body));
    const answer = sent[0] as Buffer;
    expect(answer.length).toBeLessThanOrEqual(OUT_HEADER_SIZE + 200);
    expect(answer.readUInt32LE(OUT_HEADER_SIZE + 16)).toBe(1); // "."
  });

  it('any message gets at most one answer and never throws', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.uint8Array({ maxLength: 200 }), (opcode, body) => {
        const { session: s, sent } = session();
        s.handle(request(opcode, Buffer.from(body), 5n));
        expect(sent.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 2000 },
    );
  });
});
