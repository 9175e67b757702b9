/** Open files: contents (spec 13 §4.6, §4.7, §7.2, §8.1). */
import type { InodeData } from '@wapiti-fs/client';
import { type Caller, type Entry, fuseConstants, FuseError, type OpenReply } from '@wapiti-fs/fuse';
import {
  DISABLE_READ,
  DISABLE_WRITE,
  MFS_MAX_FILE_SIZE,
  OPEN_APPENDONLY,
  OPEN_CACHE_CLEARED,
  OPEN_DIRECTMODE,
  OPEN_KEEPCACHE,
  OPEN_READ,
  OPEN_TRUNCATE,
  OPEN_WRITE,
  TRUNCATE_FLAG_OPENED,
  TRUNCATE_FLAG_RESERVE,
  TRUNCATE_FLAG_UPDATE,
} from '@wapiti-fs/protocol';

import type { MountContext } from './context.js';
import { EACCES, EBADF, EFBIG, EPERM } from './errors.js';
import { checkAccess, type LookedUpFile, openFlags } from './looked-up.js';
import type { Names } from './names.js';
import type { OpenFile, OpenFiles } from './open-files.js';
import type { Xattrs } from './xattrs.js';

const O_ACCMODE = 3;
const [O_RDONLY, O_WRONLY] = [0, 1];
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
/** Who reserves room for appended data: the permission was checked when the file was opened. */
const ROOT = { uid: 0, gids: [0] };

const MAX_APPENDED = 100_000;

/** OPEN_READ and OPEN_WRITE bits for the flags of open(2). */
function openMode(flags: number): number {
  const mode = flags & O_ACCMODE;
  return (mode === O_WRONLY ? 0 : OPEN_READ) | (mode === O_RDONLY ? 0 : OPEN_WRITE);
}

export class Files {
  /** Releases that the kernel need not wait for. */
  private readonly closing = new Set<Promise<void>>();
  /**
   * Files appended to since they were opened without their pages: appended data go past the kernel's cache, and kernels before 6.6
   * leave there what was cached of the last page, with zeros behind the old end.
   */
  private readonly appended = new Set<number>();
  /** Files with data not written by appending. */
  private readonly plainWrites = new WeakSet<InodeData>();

  constructor(
    private readonly context: MountContext,
    private readonly files: OpenFiles,
    private readonly names: Names,
    private readonly xattrs: Xattrs,
  ) {}

  open(caller: Caller, inode: number, flags: number): OpenReply | Promise<OpenReply> {
    this.context.counters.add('open');
    const known = flags & O_TRUNC ? undefined : this.context.lookedUp.take(caller, inode);
    return known === undefined ? this.openNow(caller, inode, flags) : this.openAhead(caller, known, flags);
  }

  /** Answers with what the LOOKUP told, while the master is asked (spec 13 §4.6). */
  private openAhead(caller: Caller, known: LookedUpFile, flags: number): OpenReply {
    const { context } = this;
    const { inode, length } = known;
    const wanted = openMode(flags);
    checkAccess(known, wanted);
    const { reply, file } = this.opened(inode, length, flags, openFlags(known));
    const keeps = (reply.flags & fuseConstants.FOPEN_KEEP_CACHE) !== 0;
    const asked = context.client.openAhead(context.who(caller), inode, keeps ? wanted : wanted | OPEN_CACHE_CLEARED);
    file.opening = asked.then(
      ({ oflags, attributes }) => {
        file.opening = undefined;
        // the master keeps in mind which files this session has seen, until another one changes them: LOOKUP made it do so
        if (oflags & OPEN_KEEPCACHE && attributes.length <= file.data.length) return true;
        file.data.setLength(attributes.length);
        file.data.invalidate();
        context.forgetPages(inode);
        return false;
      },
      (error: unknown) => {
        file.refusal = error as Error;
        throw error;
      },
    );
    file.opening.catch(() => undefined); // whoever uses the file is told
    return reply;
  }

  private async openNow(caller: Caller, inode: number, flags: number): Promise<OpenReply> {
    const { context } = this;
    const who = context.who(caller);
    const wanted = openMode(flags) | (flags & O_TRUNC ? OPEN_TRUNCATE : 0);
    const ask = (): ReturnType<MountContext['client']['open']> => context.client.open(who, inode, wanted);
    const known = context.data.find(inode);
    let opened;
    if (flags & O_TRUNC && known !== undefined) {
      // what was written before must not come after the truncation
      await known.truncate(async () => {
        opened = await ask();
        return 0;
      });
    }
    opened ??= await ask();
    if (flags & O_TRUNC) context.openDirectories.inodeChanged(inode);
    const length = flags & O_TRUNC ? 0 : opened.attributes.length;
    return this.opened(inode, length, flags, opened.oflags).reply;
  }

  async create(
    caller: Caller,
    parent: number,
    name: Buffer,
    mode: number,
    flags: number,
    umask: number,
  ): Promise<Entry & { open: OpenReply }> {
    const { context } = this;
    context.checkName(name);
    context.counters.add('create');
    const made = await context.client.create(context.who(caller), parent, name, mode, umask);
    this.names.appeared(parent, name);
    this.xattrs.fileMade(made.inode, caller);
    const open = this.opened(made.inode, made.attributes.length, flags, made.oflags).reply;
    return { ...context.entry(made.inode, made.attributes), open };
  }

  private opened(
    inode: number,
    length: number,
    flags: number,
    oflags: number,
  ): { readonly reply: OpenReply; readonly file: OpenFile } {
    const { context } = this;
    const append = (flags & O_APPEND) !== 0 || (oflags & OPEN_APPENDONLY) !== 0;
    const mode = flags & O_ACCMODE;
    const file = this.files.add({
      inode,
      data: context.data.open(inode, length),
      readable: mode !== O_WRONLY,
      writable: mode !== O_RDONLY,
      append,
      openedMs: context.clock.monotonicMs(),
    });
    return { reply: { handle: file.handle, flags: this.cacheFlags(inode, append, oflags) }, file };
  }

  /** What the kernel may do with cached pages of the file. */
  private cacheFlags(inode: number, append: boolean, oflags: number): number {
    const { disables } = this.context;
    if (append || oflags & OPEN_DIRECTMODE || disables & (DISABLE_READ | DISABLE_WRITE))
      return fuseConstants.FOPEN_DIRECT_IO;
    const keeps = !this.appended.delete(inode);
    switch (this.context.settings.cacheMode) {
      case 'direct':
        return fuseConstants.FOPEN_DIRECT_IO;
      case 'yes':
        return keeps ? fuseConstants.FOPEN_KEEP_CACHE : 0;
      case 'no':
        return 0;
      case 'auto':
        return keeps && oflags & OPEN_KEEPCACHE ? fuseConstants.FOPEN_KEEP_CACHE : 0;
    }
  }

  read(handle: number, offset: number, sizeBytes: number): Promise<readonly Buffer[]> {
    const { session } = this.context.client;
    const file = this.files.get(handle);
    this.context.counters.add('read');
    if (!file.readable) throw new FuseError(EACCES);
    if (this.context.disables & DISABLE_READ) throw new FuseError(EPERM);
    session.times.accessed(file.inode, session.masterNowS());
    return file.opening === undefined
      ? file.data.read(offset, sizeBytes)
      : this.readEarly(file, file.opening, offset, sizeBytes);
  }

  /** Reads before the open is answered; what was read counts only if the file had not changed until then. */
  private async readEarly(
    file: OpenFile,
    opening: Promise<boolean>,
    offset: number,
    sizeBytes: number,
  ): Promise<readonly Buffer[]> {
    const early = file.data.read(offset, sizeBytes);
    early.catch(() => undefined); // it may not be wanted
    return (await opening) ? early : file.data.read(offset, sizeBytes);
  }

  async write(caller: Caller, handle: number, offset: number, data: Buffer): Promise<number> {
    const { context } = this;
    const { session } = context.client;
    const file = this.files.get(handle);
    context.counters.add('write');
    if (!file.writable) throw new FuseError(EACCES);
    if (context.disables & DISABLE_WRITE) throw new FuseError(EPERM);
    if (file.opening !== undefined) await file.opening;
    // the engine copies the data before the promise resolves
    const sizeBytes = data.length;
    const at = file.append ? await this.reserve(file, sizeBytes) : offset;
    if (!file.append) this.plainWrites.add(file.data);
    if (at + sizeBytes >= MFS_MAX_FILE_SIZE) throw new FuseError(EFBIG);
    file.wrote = true;
    session.times.modified(file.inode, session.masterNowS());
    context.writing(file.data);
    await file.data.write(at, data, { superuser: caller.uid === 0 });
    if (file.append) this.noteAppended(file.inode);
    context.openDirectories.inodeChanged(file.inode);
    return sizeBytes;
  }

  private noteAppended(inode: number): void {
    this.appended.add(inode);
    if (this.appended.size <= MAX_APPENDED) return;
    for (const oldest of this.appended) {
      this.appended.delete(oldest);
      this.context.forgetPages(oldest);
      return;
    }
  }

  /** Room at the end of the file, which no other client gets: where the data are to be written. */
  private async reserve(file: OpenFile, sizeBytes: number): Promise<number> {
    // the master must know what other handles of this mount have written, or the data would go into the middle of it
    if (this.plainWrites.has(file.data) && file.data.dirty) await file.data.flush();
    this.plainWrites.delete(file.data);
    const flags = TRUNCATE_FLAG_OPENED | TRUNCATE_FLAG_UPDATE | TRUNCATE_FLAG_RESERVE;
    return (await this.context.client.truncate(ROOT, file.inode, sizeBytes, flags)).prevLength;
  }

  /** close(2): its result tells whether the data have arrived. */
  async flush(
    handle: number,
    lockOwner: bigint,
    unlock: (file: OpenFile, owner: bigint) => Promise<void>,
  ): Promise<void> {
    const { context } = this;
    const file = this.files.get(handle);
    context.counters.add('flush');
    if (file.refusal !== undefined) throw file.refusal;
    if (file.wrote) {
      const young = context.clock.monotonicMs() - file.openedMs < context.settings.fsyncMinMs;
      if (young && file.posixOwners.size === 0) await this.tellLength(file);
      else await this.sync(file);
      context.openDirectories.inodeChanged(file.inode);
    }
    if (file.posixOwners.delete(lockOwner)) await unlock(file, lockOwner);
  }

  /** The length is made known, the data follow (mfsfsyncmintime). */
  private async tellLength(file: OpenFile): Promise<void> {
    const flags = TRUNCATE_FLAG_OPENED | TRUNCATE_FLAG_UPDATE;
    await this.context.client.truncate(ROOT, file.inode, file.data.length, flags);
  }

  async fsync(handle: number): Promise<void> {
    this.context.counters.add('fsync');
    await this.sync(this.files.get(handle));
  }

  async sync(file: OpenFile): Promise<void> {
    if (file.opening !== undefined) await file.opening;
    if (file.wrote) this.context.writing(file.data);
    await file.data.flush();
    file.wrote = false;
  }

  /** The last descriptor of an open(2) is gone. Data written through mmap after the last flush are written still. */
  release(handle: number): OpenFile {
    const file = this.files.take(handle);
    if (file === undefined) throw new FuseError(EBADF, `no open file ${handle}`);
    this.context.counters.add('release');
    const closed = this.close(file)
      .catch((error: unknown) => {
        // close(2) has told it if the program cares
        this.context.log.debug('closing after the last flush failed', { inode: file.inode, error: error as Error });
      })
      .then(() => {
        // refused, it is released already
        if (file.refusal === undefined) this.context.client.release(file.inode);
        this.closing.delete(closed);
      });
    this.closing.add(closed);
    return file;
  }

  private async close(file: OpenFile): Promise<void> {
    if (file.opening !== undefined) await file.opening.catch(() => undefined);
    await file.data.close();
  }

  /** Resolves when everything released is written. */
  async drained(): Promise<void> {
    await Promise.all(this.closing);
  }
}
