/** Copying trees between this machine and the cluster, in either direction, several files at a time. */
import { constants, createReadStream } from 'node:fs';
import * as local from 'node:fs/promises';
import { basename, join, posix } from 'node:path';

import type { WapitiFs } from '@wapiti-fs/client';

export interface TransferOptions {
  readonly recursive?: boolean | undefined;
  /** Times of last change are kept; modes always are. */
  readonly preserve?: boolean | undefined;
  readonly signal: AbortSignal;
}

export interface TransferEvents {
  /** A file or link of so many bytes will be copied. */
  found(bytes: number): void;
  copied(bytes: number): void;
  done(path: string): void;
  /** Something could not be copied; the rest goes on. */
  failed(path: string, error: Error): void;
}

/** The two sides behind one interface. */
export interface Side {
  stat(path: string): Promise<Node | undefined>;
  /** As {@link stat}, of a symlink itself. */
  lstat(path: string): Promise<Node | undefined>;
  list(path: string): Promise<string[]>;
  readlink(path: string): Promise<string>;
  symlink(target: string, path: string): Promise<void>;
  makeDirectory(path: string, mode: number): Promise<void>;
  /** The pieces belong to the reader. */
  read(path: string, signal: AbortSignal): AsyncIterable<Buffer>;
  write(path: string, mode: number, data: AsyncIterable<Buffer>): Promise<void>;
  touch(path: string, node: Node): Promise<void>;
  join(...parts: string[]): string;
}

export interface Node {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly size: number;
  readonly mode: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
}

const FILES_AT_ONCE = 8;
const PIECE_BYTES = 1024 * 1024;

interface Job {
  readonly from: string;
  readonly to: string;
  readonly node: Node;
}

/**
 * Copies `sources` into the directory `target`, or a single one to the name `target` when there is no such directory. Resolves to
 * whether all went well.
 */
export async function transfer(
  from: Side,
  to: Side,
  sources: readonly string[],
  target: string,
  options: TransferOptions,
  events: TransferEvents,
): Promise<boolean> {
  let ok = true;
  const failed = (path: string, error: unknown): void => {
    if (options.signal.aborted) throw options.signal.reason;
    ok = false;
    events.failed(path, error as Error);
  };
  const targetNode = await to.stat(target);
  const into = targetNode?.kind === 'directory';
  if (!into && (sources.length > 1 || target.endsWith('/')))
    throw new Error(`'${target}' is not a directory${targetNode === undefined ? ' (there is nothing)' : ''}`);
  const files: Job[] = [];
  const directories: Job[] = [];
  const scan = async (source: string, destination: string): Promise<void> => {
    options.signal.throwIfAborted();
    try {
      const node = await from.lstat(source);
      if (node === undefined) throw new Error('no such file or directory');
      if (node.kind === 'directory') {
        if (!options.recursive) throw new Error('is a directory (copied with -r only)');
        await to.makeDirectory(destination, node.mode);
        directories.push({ from: source, to: destination, node });
        for (const name of await from.list(source)) await scan(from.join(source, name), to.join(destination, name));
      } else if (node.kind === 'other') {
        throw new Error('is neither file, directory nor symbolic link: left out');
      } else {
        files.push({ from: source, to: destination, node });
        events.found(node.size);
      }
    } catch (error) {
      failed(source, error);
    }
  };
  for (const source of sources) {
    const name = basename(source.replace(/\/+$/, ''));
    await scan(source, into && name !== '' ? to.join(target, name) : target);
  }
  files.reverse();
  const copySome = async (): Promise<void> => {
    for (let job = files.pop(); job !== undefined; job = files.pop()) {
      try {
        await copyOne(from, to, job, options, events);
        events.done(job.to);
      } catch (error) {
        failed(job.from, error);
      }
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, copySome));
  if (options.preserve) {
    for (const { to: path, node } of directories.reverse()) {
      await to.touch(path, node).catch((error: unknown) => failed(path, error));
    }
  }
  return ok;
}

async function copyOne(
  from: Side,
  to: Side,
  { from: source, to: destination, node }: Job,
  { preserve, signal }: TransferOptions,
  events: TransferEvents,
): Promise<void> {
  signal.throwIfAborted();
  if (node.kind === 'symlink') {
    await to.symlink(await from.readlink(source), destination);
    return events.copied(node.size);
  }
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of from.read(source, signal)) {
      yield piece;
      events.copied(piece.length);
      signal.throwIfAborted();
    }
  }
  await to.write(destination, node.mode, counted());
  if (preserve) await to.touch(destination, node);
}

interface AnyStats {
  readonly mode: number;
  readonly size: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function nodeOf(stats: AnyStats): Node {
  const kind = stats.isFile()
    ? 'file'
    : stats.isDirectory()
      ? 'directory'
      : stats.isSymbolicLink()
        ? 'symlink'
        : 'other';
  const size = kind === 'directory' ? 0 : stats.size;
  return { kind, size, mode: stats.mode & 0o7777, atimeMs: stats.atimeMs, mtimeMs: stats.mtimeMs };
}

async function absent<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function nodeFrom(promise: Promise<AnyStats>): Promise<Node | undefined> {
  return absent(promise.then(nodeOf));
}

/** Owner may always go into a directory while it is filled. */
const DIRECTORY_MODE = 0o700;

export function remoteSide(fs: WapitiFs): Side {
  return {
    join: (...parts) => posix.join(...parts),
    stat: (path) => nodeFrom(fs.stat(path)),
    lstat: (path) => nodeFrom(fs.lstat(path)),
    list: (path) => fs.readdir(path),
    readlink: (path) => fs.readlink(path),
    symlink: async (target, path) => {
      await fs.rm(path, { force: true });
      await fs.symlink(target, path);
    },
    makeDirectory: async (path, mode) => void (await fs.mkdir(path, { recursive: true, mode: mode | DIRECTORY_MODE })),
    read: async function* (path, signal) {
      const file = await fs.open(path, 'r', undefined, { signal });
      try {
        yield* file.createReadStream({ autoClose: false, signal }) as AsyncIterable<Buffer>;
      } finally {
        await file.close();
      }
    },
    write: async (path, mode, data) => {
      const file = await fs.open(path, 'w', mode);
      try {
        for await (const piece of data) await file.writeOwned(piece);
      } finally {
        await file.close();
      }
    },
    touch: (path, node) => fs.utimes(path, node.atimeMs / 1000, node.mtimeMs / 1000),
  };
}

/** A file appears under its name only when it is complete. */
export function localSide(): Side {
  return {
    join: (...parts) => join(...parts),
    stat: (path) => nodeFrom(local.stat(path)),
    lstat: (path) => nodeFrom(local.lstat(path)),
    list: (path) => local.readdir(path),
    readlink: (path) => local.readlink(path),
    symlink: async (target, path) => {
      await local.rm(path, { force: true });
      await local.symlink(target, path);
    },
    makeDirectory: async (path, mode) => {
      await local.mkdir(path, { recursive: true, mode: mode | DIRECTORY_MODE });
    },
    read: (path, signal) => createReadStream(path, { highWaterMark: PIECE_BYTES, signal }) as AsyncIterable<Buffer>,
    write: async (path, mode, data) => {
      // A special file (such as /dev/null) is written as it is.
      const present = await nodeFrom(local.stat(path));
      const partial = present?.kind === 'other' ? path : `${path}.part-${process.pid}`;
      const file = await local.open(partial, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, mode);
      try {
        for await (const piece of data) await file.writeFile(piece);
        await file.close();
        if (partial !== path) await local.rename(partial, path);
      } catch (error) {
        await file.close().catch(() => undefined);
        if (partial !== path) await local.rm(partial, { force: true });
        throw error;
      }
    },
    touch: (path, node) => local.utimes(path, node.atimeMs / 1000, node.mtimeMs / 1000),
  };
}
