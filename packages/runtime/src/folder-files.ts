/** Images and changelogs in a data folder, read at once: what is done before a master runs (spec 06 §8, §9). */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readdirSync, readSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** One read call takes at most so much; an image of a big file system is longer. */
const READ_BYTES = 1 << 30;
/** No line of a changelog is longer (spec 06 §9.3). */
export const CHANGELOG_TAIL_BYTES = 200_000;
const LF = 10;
/** Where a master stores its image when its data folder cannot take it (spec 06 §7.3). */
const EMERGENCY_IMAGE = 'metadata.mfs.emergency';
const EMERGENCY_FOLDERS = [
  '/',
  '/tmp',
  '/var',
  '/usr',
  '/usr/share',
  '/usr/local',
  '/usr/local/var',
  '/usr/local/share',
];

/** What should be a changelog has no line end near its end: nothing is cut off. */
export class NoChangelogError extends Error {
  readonly code = 'ENOCHANGELOG';

  constructor(readonly path: string) {
    super(`${path} is not a changelog: no line end near its end`);
    this.name = 'NoChangelogError';
  }
}

export function withFd<T>(path: string, flags: string, use: (fd: number) => T, mode?: number): T {
  const fd = openSync(path, flags, mode);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** The entries of a folder are on the disk. */
export function syncFolder(path: string): void {
  withFd(path, 'r', fsyncSync);
}

/** Files of one folder by name; absolute names are files elsewhere. Errors of the system pass through. */
export class FolderFiles {
  constructor(readonly path: string) {}

  file(name: string): string {
    return isAbsolute(name) ? name : join(this.path, name);
  }

  exists(name: string): boolean {
    return existsSync(this.file(name));
  }

  /** Names of all but folders. */
  list(): string[] {
    return readdirSync(this.path, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name);
  }

  read(name: string): Buffer {
    return withFd(this.file(name), 'r', (fd) => {
      const whole = Buffer.allocUnsafe(fstatSync(fd).size);
      let done = 0;
      while (done < whole.length) {
        const got = readSync(fd, whole, done, Math.min(READ_BYTES, whole.length - done), done);
        if (got === 0) break;
        done += got;
      }
      return whole.subarray(0, done);
    });
  }

  /** Up to `headBytes` from the start and up to `tailBytes` from the end. */
  readEnds(name: string, headBytes: number, tailBytes: number): { head: Buffer; tail: Buffer } {
    return withFd(this.file(name), 'r', (fd) => {
      const { size } = fstatSync(fd);
      const head = Buffer.alloc(Math.min(headBytes, size));
      const tail = Buffer.alloc(Math.min(tailBytes, size));
      readSync(fd, head, 0, head.length, 0);
      readSync(fd, tail, 0, tail.length, size - tail.length);
      return { head, tail };
    });
  }

  /**
   * Takes an incomplete last line out of a changelog that will be appended to; the bytes cut off.
   * @throws NoChangelogError
   */
  cutTornLine(name: string): number {
    if (!this.exists(name)) return 0;
    const { tail } = this.readEnds(name, 0, CHANGELOG_TAIL_BYTES);
    const torn = tail.length - (tail.lastIndexOf(LF) + 1);
    if (torn === 0) return 0;
    if (torn === CHANGELOG_TAIL_BYTES) throw new NoChangelogError(this.file(name));
    withFd(this.file(name), 'r+', (fd) => {
      ftruncateSync(fd, fstatSync(fd).size - torn);
      fsyncSync(fd);
    });
    return torn;
  }
}

/** Images that masters left outside their folders. */
export function emergencyImages(): string[] {
  return [homedir(), ...EMERGENCY_FOLDERS]
    .map((folder) => join(folder, EMERGENCY_IMAGE))
    .filter((path) => existsSync(path));
}
