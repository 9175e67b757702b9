import { join } from 'node:path';

import { crc32, MATOAN_DOWNLOAD_DATA, ProtocolError } from '@wapiti-fs/protocol';
import { type Disk, DiskError, type DiskFile } from '@wapiti-fs/runtime';

/** The answer must fit into the peer's limit of 1 500 000 bytes. */
const MAX_BLOCK_BYTES = 1_500_000 - 16;
const TAIL_BYTES = 256 * 1024;
const LF = 10;

const IMAGE = 1;
/** Of masters before 3.0: it does not exist. */
const SESSIONS = 2;
const CHANGELOG_0 = 11;
const CHANGELOG_1 = 12;

/**
 * The files one peer may download (spec 06 §3.4). Asking for the image opens the two newest changelogs too, so that the three belong
 * together whatever is rotated meanwhile.
 */
export class OfferedFiles {
  private current: DiskFile | undefined;
  private readonly kept = new Map<number, DiskFile>();

  /** @param rotations counts rotations of the changelog, so that one between two opens is seen */
  constructor(
    private readonly disk: Disk,
    private readonly folder: string,
    private readonly rotations: () => number,
  ) {}

  /** Size of the file, now open; undefined when it cannot be opened. */
  async start(filenum: number): Promise<number | undefined> {
    switch (filenum) {
      case IMAGE:
        return this.startImage();
      case SESSIONS:
        await this.close();
        return undefined;
      case CHANGELOG_0:
      case CHANGELOG_1:
        return this.startChangelog(filenum);
      default:
        throw new ProtocolError(`unknown file ${filenum}`, 'ANTOMA_DOWNLOAD_START', 'filenum');
    }
  }

  /** The parts of a MATOAN_DOWNLOAD_DATA frame. */
  async block(offset: number, lengthBytes: number): Promise<Buffer[]> {
    const request = 'ANTOMA_DOWNLOAD_REQUEST';
    if (this.current === undefined) throw new ProtocolError('file not opened', request);
    if (lengthBytes > MAX_BLOCK_BYTES)
      throw new ProtocolError(`${lengthBytes} bytes, at most ${MAX_BLOCK_BYTES} can be sent`, request, 'length');
    const data = Buffer.allocUnsafe(lengthBytes);
    const got = await this.current.read(data, offset);
    if (got !== lengthBytes)
      throw new ProtocolError(`error reading metafile: ${lengthBytes} bytes at ${offset}, ${got} are there`, request);
    return MATOAN_DOWNLOAD_DATA.encodeParts({ offset, size: lengthBytes, crc: crc32(data), data });
  }

  async end(): Promise<void> {
    const { current } = this;
    this.current = undefined;
    await current?.close();
  }

  async close(): Promise<void> {
    await this.end();
    const files = [...this.kept.values()];
    this.kept.clear();
    for (const file of files) await file.close();
  }

  private async startImage(): Promise<number | undefined> {
    for (;;) {
      await this.close();
      const before = this.rotations();
      this.current = await this.open('metadata.mfs.back');
      for (const [filenum, name] of [
        [CHANGELOG_0, 'changelog.0.mfs'],
        [CHANGELOG_1, 'changelog.1.mfs'],
      ] as const) {
        const file = await this.open(name);
        if (file !== undefined) this.kept.set(filenum, file);
      }
      if (this.rotations() === before) break;
    }
    return this.current === undefined ? undefined : (await this.current.stat()).sizeBytes;
  }

  private async startChangelog(filenum: number): Promise<number> {
    await this.end();
    this.current = this.kept.get(filenum);
    this.kept.delete(filenum);
    return this.current === undefined ? 0 : wholeLinesBytes(this.current);
  }

  private async open(name: string): Promise<DiskFile | undefined> {
    try {
      return await this.disk.open(join(this.folder, name), 'r');
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** A line may be in the middle of being written, and a C restore ignores a whole file whose last line is not complete. */
async function wholeLinesBytes(file: DiskFile): Promise<number> {
  const { sizeBytes } = await file.stat();
  const tail = Buffer.alloc(Math.min(TAIL_BYTES, sizeBytes));
  await file.read(tail, sizeBytes - tail.length);
  return sizeBytes - tail.length + tail.lastIndexOf(LF) + 1;
}
