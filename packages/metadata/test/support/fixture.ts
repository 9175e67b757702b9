import { SESFLAG_ADMIN, TYPE_DIRECTORY, TYPE_FILE } from '@wapiti-fs/protocol';
import {
  type Change,
  type Ctx,
  FileOperations,
  formatChange,
  Metadata,
  type MetadataOptions,
  MetadataStore,
  type SessionParameters,
} from '../../src/index.js';

export const NOW = 1795000000;
const parameters: SessionParameters = {
  exportsChecksum: 1n,
  rootInode: 1,
  sesflags: SESFLAG_ADMIN,
  umask: 0,
  rootuid: 0,
  rootgid: 0,
  mapalluid: 999,
  mapallgid: 999,
  mingoal: 1,
  maxgoal: 9,
  mintrashtime: 0,
  maxtrashtime: 0xffffffff,
  disables: 0,
  peerIp: 0x7f000001,
  info: Buffer.from('/mnt'),
};
export const name = (text: string): Buffer => Buffer.from(text);

/** A new file system with one session, and short ways to fill it. */
export class Fixture {
  readonly lines: string[] = [];
  readonly metadata: Metadata;
  readonly files: FileOperations;
  now = NOW;

  constructor(options: Partial<MetadataOptions> = {}) {
    this.metadata = new Metadata(
      MetadataStore.empty(NOW),
      (_version, change: Change) => this.lines.push(formatChange(change).replace(/^\d+\|/, '')),
      options,
    );
    this.files = new FileOperations(this.metadata);
    this.metadata.createSession(NOW, parameters);
    this.metadata.createSession(NOW, parameters);
  }

  /** @param session differences to the session's record, e.g. flags */
  ctx(uid = 0, session: Partial<Ctx['session']> = {}, gids: readonly number[] = [uid]): Ctx {
    const view = { id: 1, ...parameters, ...session };
    return { now: this.now, session: view, uid, gids, auid: uid, agid: gids[0] ?? 0 };
  }

  /** Makes a file (or directory) and returns its inode. */
  make(parent: number, text: string, type = TYPE_FILE, mode = 0o644, ctx = this.ctx()): number {
    const made = this.metadata.mknod(ctx, parent, name(text), type, mode, 0);
    if (!('inode' in made)) throw new Error(`mknod ${text}: status ${made.status}`);
    return made.inode;
  }
  mkdir(parent: number, text: string, mode = 0o755, ctx = this.ctx()): number {
    return this.make(parent, text, TYPE_DIRECTORY, mode, ctx);
  }

  /** Writes to a chunk as a client does; `length` 0 only unlocks. */
  write(inode: number, index: number, length: number): void {
    const plan = this.files.planWrite(this.ctx(), inode, index, false);
    if (!('action' in plan)) throw new Error(`write: status ${plan.status}`);
    this.files.commitWrite(this.now, plan, true);
    this.files.writeEnd(this.ctx(), plan.chunkId, inode, length);
  }

  /** Lines since the last call. */
  takeLines(): string[] {
    return this.lines.splice(0);
  }
}
