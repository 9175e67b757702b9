import { MFS_SYMLINK_MAX, TYPE_DIRECTORY, TYPE_FILE } from '@wapiti-fs/protocol';
import { systemClock, systemRandom, tcpNetwork } from '@wapiti-fs/runtime';

import { MfsClient } from '../client/client.js';
import type { AttributeChange, Caller, Entry } from '../client/types.js';
import { createDataEngine } from '../data/data-engine.js';
import type { DataEngine, DataOptions } from '../data/data.js';
import { MfsError } from '../errors.js';
import type { SessionOptions, SessionServices } from '../session/options.js';
import { MasterSession } from '../session/session.js';
import { attachData } from './attach-data.js';
import { FileHandle } from './file-handle.js';
import { openFlags, openMode } from './flags.js';
import { silentLogger } from './silent-logger.js';
import { BLOCK_SIZE, Dirent, Stats, type StatsFs } from './stats.js';
import { type PathLike, resolveParent, resolvePath } from './paths.js';
import { copyTo, makeDirectories, removeTree } from './trees.js';

export interface ConnectSettings extends Omit<SessionOptions, 'host' | 'port'> {
  /** `host` or `host:port` of the master (default port 9421), best its virtual address. */
  readonly master: string;
  /** On whose behalf everything is done. Default: this process's user and groups. */
  readonly uid?: number | undefined;
  readonly gids?: readonly number[] | undefined;
  /** Taken away from the mode of what is made. Default 022. */
  readonly umask?: number | undefined;
  /** Gives the connecting up. */
  readonly signal?: AbortSignal | undefined;
  readonly data?: DataOptions | undefined;
  /** The outside world; default the real one, without logging. */
  readonly services?: Partial<SessionServices> | undefined;
}

/** Gives an operation up: it rejects with the signal's reason, though the master may still execute it. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

export type Encoding = BufferEncoding | 'buffer';

/**
 * A MooseFS file system with the operations of `node:fs/promises`. Paths begin at the directory that was connected to. While the
 * master is away, operations wait. Errors are {@link MfsError}s with the errno name as `code`.
 */
export class WapitiFs implements AsyncDisposable {
  private constructor(
    readonly client: MfsClient,
    private readonly data: DataEngine,
    private readonly caller: Caller,
    private readonly umask: number,
  ) {}

  /** Registers at the master. Rejects when it refuses, or cannot be reached within `startLimitMs` (default 10 s). */
  static async connect(settings: ConnectSettings): Promise<WapitiFs> {
    const { master, uid, gids, umask = 0o022, signal, data, services: given, ...options } = settings;
    const [host = '', port] = master.split(':');
    if (host === '' || (port !== undefined && !/^\d{1,5}$/.test(port)))
      throw new TypeError(`master '${master}' is not host or host:port`);
    const services: SessionServices = {
      clock: systemClock,
      random: systemRandom,
      network: tcpNetwork,
      log: silentLogger,
      ...given,
    };
    const session = new MasterSession(services, {
      host,
      port: port === undefined ? undefined : Number(port),
      ...options,
    });
    await session.start(signal);
    const client = new MfsClient(session);
    const engine = createDataEngine(services, client, {
      localAddress: options.localAddress,
      outageLimitMs: options.outageLimitMs ?? Infinity,
      ...data,
    });
    attachData(session, engine);
    const caller = { uid: uid ?? process.getuid?.() ?? 0, gids: gids ?? processGroups() };
    return new WapitiFs(client, engine, caller, umask);
  }

  /** The same connection on behalf of another user. */
  as(uid: number, gids: readonly number[], umask = this.umask): WapitiFs {
    return new WapitiFs(this.client, this.data, { uid, gids }, umask);
  }

  /** Flushes what was written, releases everything and ends the session. */
  async close(): Promise<void> {
    await this.data.stop();
    await this.client.session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- whole files -----------------------------------------------------------------------------------------------

  /** A Buffer, or with an encoding a string. */
  async readFile(path: PathLike, options: Abortable & { readonly encoding: BufferEncoding }): Promise<string>;
  async readFile(path: PathLike, encoding: BufferEncoding): Promise<string>;
  async readFile(path: PathLike, options?: Abortable): Promise<Buffer>;
  async readFile(
    path: PathLike,
    options: BufferEncoding | (Abortable & { readonly encoding?: BufferEncoding }) = {},
  ): Promise<Buffer | string> {
    const { encoding, signal } = typeof options === 'string' ? { encoding: options, signal: undefined } : options;
    const file = await this.open(path, 'r', undefined, { signal });
    try {
      const bytes = await file.readFile({ signal });
      return encoding === undefined ? bytes : bytes.toString(encoding);
    } finally {
      await file.close();
    }
  }

  /** Replaces (flag `w`, the default), makes (`wx`) or appends to (`a`) a file; resolves when all is stored. */
  async writeFile(
    path: PathLike,
    data: Uint8Array | string | AsyncIterable<Uint8Array | string>,
    options: Abortable & { readonly mode?: number; readonly flag?: string } = {},
  ): Promise<void> {
    const file = await this.open(path, options.flag ?? 'w', options.mode, options);
    try {
      await file.writeFile(data, options);
    } finally {
      await file.close();
    }
  }

  appendFile(
    path: PathLike,
    data: Uint8Array | string,
    options: Abortable & { readonly mode?: number } = {},
  ): Promise<void> {
    return this.writeFile(path, data, { ...options, flag: 'a' });
  }

  /** Through this client. `exclusive`: fails with EEXIST instead of replacing. */
  copyFile(from: PathLike, to: PathLike, options: Abortable & { readonly exclusive?: boolean } = {}): Promise<void> {
    return copyTo(this, from, to, options);
  }

  /** Flags as in `node:fs`. `mode` for a file that is made (default 666, octal). */
  open(path: PathLike, flags: string | number = 'r', mode = 0o666, options: Abortable = {}): Promise<FileHandle> {
    const how = openMode(flags);
    const handle = (inode: number, length: number): FileHandle =>
      new FileHandle(this.client, this.data.open(inode, length), this.caller, how, String(path));
    return this.run('open', path, options, async (caller) => {
      if (how.create) {
        const { parent, name } = await resolveParent(this.client, caller, path);
        try {
          const made = await this.client.create(caller, parent, name, mode, this.umask);
          return handle(made.inode, made.attributes.length);
        } catch (error) {
          if (how.exclusive || (error as MfsError).code !== 'EEXIST') throw error;
        }
      }
      const { inode, attributes } = await resolvePath(this.client, caller, path, true);
      if (attributes.type === TYPE_DIRECTORY) throw new MfsError('Is a directory', { code: 'EISDIR' });
      if (attributes.type !== TYPE_FILE) throw new MfsError('Not a regular file', { code: 'EINVAL' });
      const ask = async (): Promise<number> =>
        (await this.client.open(caller, inode, openFlags(how))).attributes.length;
      const present = this.data.find(inode);
      if (!how.truncate || present === undefined) return handle(inode, await ask());
      await present.truncate(ask);
      return handle(inode, 0);
    });
  }

  // ---- directories -----------------------------------------------------------------------------------------------

  /** Names without `.` and `..`, or {@link Dirent}s. */
  async readdir(path: PathLike, options: Abortable & { readonly withFileTypes: true }): Promise<Dirent[]>;
  async readdir(path: PathLike, options: Abortable & { readonly encoding: 'buffer' }): Promise<Buffer[]>;
  async readdir(path: PathLike, options?: Abortable): Promise<string[]>;
  async readdir(
    path: PathLike,
    options: Abortable & { readonly withFileTypes?: boolean; readonly encoding?: 'buffer' } = {},
  ): Promise<(Dirent | Buffer | string)[]> {
    const entries = await this.run('readdir', path, options, async (caller) => {
      const { inode } = await resolvePath(this.client, caller, path, true);
      return this.client.directories.read(caller, inode);
    });
    const found: (Dirent | Buffer | string)[] = [];
    for (const { name, inode, type } of entries) {
      const text = name.toString();
      if (text === '.' || text === '..') continue;
      if (options.withFileTypes) found.push(new Dirent(text, Buffer.from(name), String(path), inode, type));
      else found.push(options.encoding === 'buffer' ? Buffer.from(name) : text);
    }
    return found;
  }

  async *opendir(path: PathLike, options: Abortable = {}): AsyncGenerator<Dirent, void, undefined> {
    yield* await this.readdir(path, { ...options, withFileTypes: true });
  }

  /** With `recursive`, missing parents are made too and an existing directory is no error; resolves to the first one made. */
  mkdir(
    path: PathLike,
    options: Abortable & { readonly recursive?: boolean; readonly mode?: number } = {},
  ): Promise<string | undefined> {
    const { recursive = false, mode = 0o777 } = options;
    return this.run('mkdir', path, options, async (caller) => {
      if (recursive) return makeDirectories(this.client, caller, path, mode, this.umask);
      const { parent, name } = await resolveParent(this.client, caller, path);
      await this.client.mkdir(caller, parent, name, mode, this.umask);
      return undefined;
    });
  }

  rmdir(path: PathLike, options: Abortable = {}): Promise<void> {
    return this.run('rmdir', path, options, async (caller) => {
      const { parent, name } = await resolveParent(this.client, caller, path);
      await this.client.rmdir(caller, parent, name);
    });
  }

  /** `recursive`: directories with all they hold; `force`: nothing there is no error. */
  rm(
    path: PathLike,
    options: Abortable & { readonly recursive?: boolean; readonly force?: boolean } = {},
  ): Promise<void> {
    return this.run('rm', path, options, async (caller) => {
      try {
        const { parent, name } = await resolveParent(this.client, caller, path);
        await removeTree(this.client, caller, parent, name, options.recursive ?? false);
      } catch (error) {
        if (!options.force || (error as MfsError).code !== 'ENOENT') throw error;
      }
    });
  }

  // ---- names -----------------------------------------------------------------------------------------------------

  unlink(path: PathLike, options: Abortable = {}): Promise<void> {
    return this.run('unlink', path, options, async (caller) => {
      const { parent, name } = await resolveParent(this.client, caller, path);
      await this.client.unlink(caller, parent, name);
    });
  }

  rename(from: PathLike, to: PathLike, options: Abortable = {}): Promise<void> {
    return this.run('rename', from, options, async (caller) => {
      const [source, target] = await Promise.all([
        resolveParent(this.client, caller, from),
        resolveParent(this.client, caller, to),
      ]);
      const moved = await this.client.lookup(caller, source.parent, source.name);
      const replaced = await this.absent(this.client.lookup(caller, target.parent, target.name));
      // The master leaves these tests to the kernel; the reference master does not survive some of what they catch.
      if (moved.inode === replaced?.inode) return;
      if (moved.inode === target.parent) throw new MfsError('into itself', { code: 'EINVAL' });
      if (replaced !== undefined) {
        const [directory, ontoDirectory] = [moved, replaced].map((one) => one.attributes.type === TYPE_DIRECTORY);
        if (directory && !ontoDirectory) throw new MfsError('Not a directory', { code: 'ENOTDIR' });
        if (!directory && ontoDirectory) throw new MfsError('Is a directory', { code: 'EISDIR' });
      }
      await this.client.rename(caller, source.parent, source.name, target.parent, target.name);
    });
  }

  link(existing: PathLike, path: PathLike, options: Abortable = {}): Promise<void> {
    return this.run('link', path, options, async (caller) => {
      const { inode } = await resolvePath(this.client, caller, existing, false);
      const { parent, name } = await resolveParent(this.client, caller, path);
      await this.client.link(caller, inode, parent, name);
    });
  }

  symlink(target: PathLike, path: PathLike, options: Abortable = {}): Promise<void> {
    return this.run('symlink', path, options, async (caller) => {
      const bytes = Buffer.from(target as string);
      if (bytes.length >= MFS_SYMLINK_MAX) throw new MfsError('target too long', { code: 'ENAMETOOLONG' });
      const { parent, name } = await resolveParent(this.client, caller, path);
      await this.client.symlink(caller, parent, name, bytes);
    });
  }

  readlink(path: PathLike, options: Abortable = {}): Promise<string> {
    return this.run('readlink', path, options, async (caller) => {
      const { inode } = await resolvePath(this.client, caller, path, false);
      return (await this.client.readlink(caller, inode)).toString();
    });
  }

  // ---- attributes ------------------------------------------------------------------------------------------------

  stat(path: PathLike, options: Abortable = {}): Promise<Stats> {
    return this.run('stat', path, options, async (caller) =>
      this.statsOf(await resolvePath(this.client, caller, path, true)),
    );
  }

  lstat(path: PathLike, options: Abortable = {}): Promise<Stats> {
    return this.run('lstat', path, options, async (caller) =>
      this.statsOf(await resolvePath(this.client, caller, path, false)),
    );
  }

  async statfs(options: Abortable = {}): Promise<StatsFs> {
    const space = await this.client.statfs(options.signal);
    const blocks = (bytes: number): number => Math.floor(bytes / BLOCK_SIZE);
    return {
      bsize: BLOCK_SIZE,
      blocks: blocks(space.totalSpace),
      bfree: blocks(space.freeSpace),
      bavail: blocks(space.availSpace),
      files: space.inodes,
      trashBytes: space.trashSpace,
      sustainedBytes: space.sustainedSpace,
    };
  }

  /** `mode`: R_OK, W_OK, X_OK of `fs.constants`, or 0: exists. */
  access(path: PathLike, mode = 0, options: Abortable = {}): Promise<void> {
    return this.run('access', path, options, async (caller) => {
      const { inode } = await resolvePath(this.client, caller, path, true);
      if (mode !== 0) await this.client.access(caller, inode, mode & 7);
    });
  }

  truncate(path: PathLike, length = 0, options: Abortable = {}): Promise<void> {
    return this.run('truncate', path, options, async (caller) => {
      const { inode } = await resolvePath(this.client, caller, path, true);
      const perform = async (): Promise<number> =>
        (await this.client.truncate(caller, inode, length)).attributes.length;
      await (this.data.find(inode)?.truncate(perform) ?? perform());
    });
  }

  chmod(path: PathLike, mode: number, options: Abortable = {}): Promise<void> {
    return this.change('chmod', path, { mode }, options);
  }

  chown(path: PathLike, uid: number, gid: number, options: Abortable = {}): Promise<void> {
    return this.change('chown', path, { uid, gid }, options);
  }

  /** Seconds since 1970, or dates. Fractions of seconds are not kept. */
  utimes(path: PathLike, atime: number | Date, mtime: number | Date, options: Abortable = {}): Promise<void> {
    return this.change('utimes', path, { atime: secondsOf(atime), mtime: secondsOf(mtime) }, options);
  }

  // ---- helpers ---------------------------------------------------------------------------------------------------

  private change(operation: string, path: PathLike, change: AttributeChange, options: Abortable): Promise<void> {
    return this.run(operation, path, options, async (caller) => {
      const { inode } = await resolvePath(this.client, caller, path, true);
      await this.client.setattr(caller, inode, change);
    });
  }

  private statsOf({ inode, attributes }: Entry): Stats {
    const data = this.data.find(inode);
    return new Stats(inode, attributes, data?.dirty ? data.length : attributes.length);
  }

  private async absent<T>(promise: Promise<T>): Promise<T | undefined> {
    try {
      return await promise;
    } catch (error) {
      if ((error as MfsError).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Runs an operation, with errors that name it and its whole path. */
  private async run<T>(
    operation: string,
    path: PathLike,
    options: Abortable,
    perform: (caller: Caller) => Promise<T>,
  ): Promise<T> {
    try {
      return await perform(options.signal === undefined ? this.caller : { ...this.caller, signal: options.signal });
    } catch (error) {
      throw error instanceof MfsError ? error.at(operation, String(path)) : error;
    }
  }
}

function processGroups(): number[] {
  const own = process.getgid?.() ?? 0;
  return [own, ...(process.getgroups?.() ?? []).filter((gid) => gid !== own)];
}

function secondsOf(time: number | Date): number {
  return typeof time === 'number' ? time : time.getTime() / 1000;
}
