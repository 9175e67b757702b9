import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, write as writeDescriptor, writeSync, writevSync } from 'node:fs';

import { readDevice, RequestBuffers } from './device.js';
import type { InodeFileSystem } from './filesystem.js';
import { FuseSession, type SessionOptions } from './session.js';

export interface MountOptions extends SessionOptions {
  readonly mountPoint: string;
  /** Shown as the source of the mount, such as `mfs#10.1.1.103:9421`. */
  readonly source: string;
  /** Type after `fuse.` in /proc/mounts. */
  readonly subtype?: string | undefined;
  /** Other users than the one who mounts may use it. Default true. */
  readonly allowOther?: boolean;
  /** The kernel itself checks mode bits. Default false: the master checks. */
  readonly defaultPermissions?: boolean;
  readonly readOnly?: boolean;
  /** More options of mount(8), such as `nosuid`, `nodev`, `noatime`. */
  readonly extra?: readonly string[];
  /** Threads of libuv's pool that read /dev/fuse. Default: the event loop reads, or 2 where it cannot. */
  readonly readers?: number | undefined;
  /** Called for failures that are defects or kernel errors; the mount goes on. */
  readonly onDefect?: (error: unknown, opcode: number) => void;
}

/** A live mount. */
export interface Mounted {
  readonly mountPoint: string;
  readonly session: FuseSession;
  /** Resolves when the kernel has ended the mount (unmounted by anyone), with an error if reading failed otherwise. */
  readonly ended: Promise<Error | undefined>;
  /** Unmounts; rejects with a MountError while files are open. */
  unmount(): Promise<void>;
  /** Ends the mount although files are open: whoever uses them gets ENOTCONN. */
  abort(): Promise<void>;
  /** Drops the kernel's cached attributes and data of an inode. */
  invalidateInode(inode: number, offset?: number, lengthBytes?: number): void;
  invalidateEntry(parent: number, name: Buffer): void;
}

/** Mounting was refused; the message carries what mount(8) said. */
export class MountError extends Error {
  readonly code = 'EMOUNT';
}

const DEFAULT_MAX_WRITE_BYTES = 1 << 20;
/** Room for the head of a request beside the data of a WRITE. */
const REQUEST_HEADS_BYTES = 8192;

/**
 * Mounts a file system by speaking the kernel's FUSE protocol on /dev/fuse directly. Needs root. With `readers` the process must run
 * with UV_THREADPOOL_SIZE larger than those, since each waiting read holds a thread.
 */
export async function mountDevFuse(fs: InodeFileSystem, options: MountOptions): Promise<Mounted> {
  const fd = openSync('/dev/fuse', 'r+');
  try {
    await runMount(fd, options);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const defect = options.onDefect ?? ((): void => undefined);
  const session = new FuseSession(fs, (parts) => sendToKernel(fd, parts, defect), options, defect);
  const notifier = new Notifier(fd);
  const buffers = new RequestBuffers((options.maxWriteBytes ?? DEFAULT_MAX_WRITE_BYTES) + REQUEST_HEADS_BYTES);
  const take = (buffer: Buffer, sizeBytes: number): Promise<void> | undefined => {
    try {
      return session.handle(buffer.subarray(0, sizeBytes));
    } catch (failure) {
      defect(failure, 0);
      return undefined;
    }
  };
  const reading = readDevice(fd, buffers, take, options.readers);
  const ended = reading.finally(() => notifier.stop());
  await Promise.race([session.ready, ended]);
  let unmounting: Promise<void> | undefined;
  return {
    mountPoint: options.mountPoint,
    session,
    ended,
    async unmount() {
      unmounting ??= runUmount(options.mountPoint, []).finally(() => (unmounting = undefined));
      await unmounting;
      await ended;
    },
    async abort() {
      // force alone ends the connection, but leaves a dead mount point while it is in use
      await runUmount(options.mountPoint, ['-f', '-l']);
      await ended;
    },
    invalidateInode: (inode, offset, lengthBytes) =>
      notifier.send(FuseSession.invalidateInode(inode, offset, lengthBytes)),
    invalidateEntry: (parent, name) => notifier.send(FuseSession.invalidateEntry(parent, name)),
  };
}

function mountFlags(options: MountOptions): string {
  return [
    'fd=3',
    'rootmode=40000',
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
    ...(options.subtype === undefined ? [] : [`subtype=${options.subtype}`]),
    `max_read=${options.maxWriteBytes ?? 1 << 20}`,
    ...(options.allowOther === false ? [] : ['allow_other']),
    ...(options.defaultPermissions ? ['default_permissions'] : []),
    ...(options.readOnly ? ['ro'] : []),
    ...(options.extra ?? []),
  ].join(',');
}

async function runMount(fd: number, options: MountOptions): Promise<void> {
  const args = ['-i', '-t', 'fuse', '-o', mountFlags(options), options.source, options.mountPoint];
  await runTool('mount', args, ['ignore', 'ignore', 'pipe', fd]);
}

async function runUmount(mountPoint: string, flags: string[]): Promise<void> {
  await runTool('umount', ['-i', ...flags, mountPoint], ['ignore', 'ignore', 'pipe']);
}

async function runTool(command: string, args: string[], stdio: ('ignore' | 'pipe' | number)[]): Promise<void> {
  const child = spawn(command, args, { stdio });
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await Promise.race([
    once(child, 'close'),
    once(child, 'error').then(([error]) => Promise.reject(error as Error)),
  ])) as [number | null];
  if (code !== 0) throw new MountError(`${command} ${args.at(-1)}: ${text.trim() || `exit code ${code}`}`);
}

function sendToKernel(fd: number, parts: Buffer[], defect: (error: unknown, opcode: number) => void): void {
  try {
    if (parts.length === 1) writeSync(fd, parts[0] as Buffer);
    else writevSync(fd, parts);
  } catch (error) {
    // ENOENT: the caller was interrupted and is gone; ENODEV: the mount has ended
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'ENODEV') defect(error, 0);
  }
}

/**
 * Notifications may wait for locks that a request in progress holds: never on the event loop's own thread, and one after the
 * other, so that they never take all threads of the pool.
 */
class Notifier {
  private readonly queue: Buffer[] = [];
  private busy = false;

  constructor(private readonly fd: number) {}

  send(message: Buffer): void {
    this.queue.push(message);
    if (!this.busy) this.next();
  }

  stop(): void {
    this.queue.length = 0;
    this.busy = true;
  }

  private next(): void {
    const message = this.queue.shift();
    this.busy = message !== undefined;
    if (message === undefined) return;
    writeDescriptor(this.fd, message, () => this.next()); // ENOENT: nothing was cached
  }
}
