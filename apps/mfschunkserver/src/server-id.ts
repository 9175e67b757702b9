/** `chunkserverid.mfs` in DATA_PATH: who we are at the master, and whose data our folders hold (spec 05 §2). */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export class ServerId {
  private constructor(
    private readonly path: string,
    public csid: number,
    /** 0: not known yet. */
    public metaid: bigint,
  ) {}

  /** A missing file means a new server; one of another size than 2 or 10 bytes is an error: it must not be overwritten. */
  static async load(dataPath: string): Promise<ServerId> {
    const path = join(dataPath, 'chunkserverid.mfs');
    let bytes: Buffer;
    try {
      bytes = await readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new ServerId(path, 0, 0n);
      throw new Error(`${path}: cannot be read: ${(error as Error).message}`, { cause: error });
    }
    if (bytes.length === 2) return new ServerId(path, bytes.readUInt16BE(0), 0n);
    if (bytes.length === 10) return new ServerId(path, bytes.readUInt16BE(0), bytes.readBigUInt64BE(2));
    throw new Error(`${path}: has ${bytes.length} bytes, expected 2 or 10; remove it to register as a new server`);
  }

  /** Keeps the non-zero parts; true if something changed (and was written). */
  async update(csid: number, metaid: bigint): Promise<boolean> {
    const newCsid = csid === 0 ? this.csid : csid;
    const newMetaid = metaid === 0n ? this.metaid : metaid;
    if (newCsid === this.csid && newMetaid === this.metaid) return false;
    const bytes = Buffer.alloc(10);
    bytes.writeUInt16BE(newCsid, 0);
    bytes.writeBigUInt64BE(newMetaid, 2);
    await writeFile(`${this.path}.tmp`, bytes, { mode: 0o640 });
    await rename(`${this.path}.tmp`, this.path);
    this.csid = newCsid;
    this.metaid = newMetaid;
    return true;
  }
}
