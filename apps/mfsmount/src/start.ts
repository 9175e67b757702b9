/** A mount as a role: session, engines and kernel wired together (spec 13 §2). */
import { createDataEngine, type DataEngine, MasterSession, MfsClient } from '@wapiti-fs/client';
import { mountDevFuse, type Mounted } from '@wapiti-fs/fuse';
import { MFSCHUNKSIZE } from '@wapiti-fs/protocol';
import type { RunningRole, Services, StartRole, Timer } from '@wapiti-fs/runtime';

import { errnoOf } from './fs/errors.js';
import { MountFileSystem } from './fs/mount-file-system.js';
import { acceptedText } from './messages.js';
import type { MountSettings } from './options/settings.js';
import { raiseReadAhead } from './read-ahead.js';

/** While a delayed mount waits for its first registration. */
const FOR_EVER_MS = 0x7fff_ffff;
const MAX_WRITE_BYTES = 1 << 20;
/** Time for data still on their way when the mount ends. */
const FLUSH_LIMIT_MS = 120_000;
const UNMOUNT_LIMIT_MS = 3000;

/** Registers, mounts, and runs until it is unmounted by anyone. Rejects when master or kernel refuse. */
export const startMount: StartRole<MountSettings, RunningMount> = async (settings, services) => {
  const mount = new RunningMount(settings, services);
  await mount.start();
  return mount;
};

export class RunningMount implements RunningRole<MountSettings> {
  readonly session: MasterSession;
  readonly data: DataEngine;
  readonly fs: MountFileSystem;
  readonly ended: Promise<Error | undefined>;
  private end: (error?: Error) => void = () => undefined;
  private mounted: Mounted | undefined;
  private closing: Promise<void> | undefined;
  /** Why it ends, if not because it was unmounted. */
  private failure: Error | undefined;

  constructor(
    private readonly settings: MountSettings,
    private readonly services: Services,
  ) {
    this.ended = new Promise((resolve) => (this.end = resolve));
    const { log, clock } = services;
    const outageLimitMs = outageLimit(settings);
    this.session = new MasterSession(services, {
      host: settings.masterHost,
      port: settings.masterPort,
      localAddress: settings.bindAddress,
      path: settings.subfolder,
      info: settings.mountPoint,
      passwordMd5: settings.passwordDigest,
      outageLimitMs,
      startLimitMs: settings.delayedInit ? FOR_EVER_MS : undefined,
    });
    const client = new MfsClient(this.session);
    this.data = createDataEngine(services, client, {
      localAddress: settings.bindAddress,
      writeCacheBytes: settings.writeCacheBytes,
      readAheadBytes: settings.readAheadBytes,
      ...(outageLimitMs === undefined ? {} : { outageLimitMs, refusalLimitMs: outageLimitMs }),
    });
    this.fs = new MountFileSystem({ client, data: this.data, settings, clock, log: log.child('fs') });
    this.listen();
  }

  /** What happens at the master reaches caches of ours and of the kernel (spec 13 §2.9). */
  private listen(): void {
    const { data, fs } = this;
    fs.context.forgetPages = (inode) => this.mounted?.invalidateInode(inode);
    this.session.listen({
      connected: (info) => {
        const again = fs.context.session !== undefined;
        fs.context.session = info;
        data.masterBack();
        if (again) for (const inode of fs.forgetContents()) this.mounted?.invalidateInode(inode);
      },
      disconnected: () => data.masterLost(),
      serversChanged: () => data.serversChanged(),
      chunkChanged: (change) => {
        data.chunkChanged(change);
        fs.context.openDirectories.inodeChanged(change.inode);
        const offset = change.chunkIndex * MFSCHUNKSIZE;
        this.mounted?.invalidateInode(change.inode, offset, change.truncateFlag ? 0 : MFSCHUNKSIZE);
      },
      lengthChanged: (inode, length) => {
        data.lengthChanged(inode, length);
        fs.context.openDirectories.inodeChanged(inode);
        this.mounted?.invalidateInode(inode, length, 0);
      },
    });
  }

  async start(): Promise<void> {
    const { settings, services, fs } = this;
    const { log } = services;
    const registered = this.session.start().then((info) => log.notice(acceptedText(info)));
    try {
      if (settings.delayedInit) {
        registered.catch((error: unknown) => this.refused(error as Error));
      } else {
        await registered;
      }
      this.mounted = await mountDevFuse(fs, {
        mountPoint: settings.mountPoint,
        source: settings.source,
        subtype: settings.subtype,
        allowOther: settings.allowOther,
        defaultPermissions: settings.defaultPermissions,
        readOnly: settings.readOnly,
        extra: settings.kernelOptions,
        posixLocks: settings.posixLocks,
        flock: settings.bsdLocks,
        maxWriteBytes: MAX_WRITE_BYTES,
        errnoOf,
        onDefect: (error, opcode) => log.error('defect in a request of the kernel', { opcode, error: error as Error }),
      });
    } catch (error) {
      await this.data.stop(0);
      await this.session.close();
      throw error;
    }
    raiseReadAhead(settings.mountPoint, MAX_WRITE_BYTES, log);
    void this.mounted.ended.then((error) => this.close(error));
    if (this.failure !== undefined) await this.mounted.abort();
  }

  /** A delayed mount that the master will not have is of no use to anybody. */
  private refused(error: Error): void {
    if (this.closing !== undefined) return;
    this.services.log.error(`the master refuses this mount: ${error.message}`);
    this.failure = error;
    this.mounted
      ?.abort()
      .catch((cause: unknown) => this.services.log.error('unmounting failed', { error: cause as Error }));
  }

  /** Nothing can be changed while it runs. */
  async reload(): Promise<void> {}

  /** Unmounts, even while files are open or the master is away; what was written reaches the cluster first, if it can. */
  async stop(): Promise<void> {
    const { mounted } = this;
    if (mounted !== undefined && this.closing === undefined) {
      try {
        await this.within(UNMOUNT_LIMIT_MS, mounted.unmount());
      } catch (error) {
        this.services.log.notice('in use: ending the mount all the same', { error: error as Error });
        await this.data.stop(FLUSH_LIMIT_MS);
        await mounted.abort();
      }
    }
    await this.close(undefined);
  }

  /** Ends the mount at once; data that have not reached the cluster are lost. */
  async abort(): Promise<void> {
    this.failure = new Error('ended without waiting for data');
    await this.mounted?.abort();
    this.session.abandon();
    this.end(this.failure);
  }

  /** umount(8) asks for attributes of the mount point, and so may wait for the master. */
  private async within(limitMs: number, unmounted: Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.services.clock.after(limitMs, () => reject(new Error(`umount does not end within ${limitMs} ms`)));
    });
    // it fails after it was given up
    unmounted.catch(() => undefined);
    try {
      await Promise.race([unmounted, late]);
    } finally {
      timer?.cancel();
    }
  }

  private close(error: Error | undefined): Promise<void> {
    this.closing ??= (async () => {
      await this.data.stop(FLUSH_LIMIT_MS);
      await this.session.close();
      this.end(this.failure ?? error);
    })();
    return this.closing;
  }
}

/** How long programs wait for a master or chunkservers that are away: for ever, unless the user has set limits (spec 13 §2.5). */
function outageLimit({ ioRetries, timeoutS }: MountSettings): number | undefined {
  const limits = timeoutS > 0 ? [timeoutS * 1000] : [];
  if (ioRetries !== undefined) {
    let sumMs = 0;
    for (let tried = 1; tried <= ioRetries; tried++) sumMs += tried < 30 ? 1 + (tried - 1) * 300 : 10_001;
    limits.push(sumMs);
  }
  return limits.length === 0 ? undefined : Math.min(...limits);
}
