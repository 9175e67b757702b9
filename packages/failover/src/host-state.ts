import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { atomicReplaceSync, FolderFiles } from '@wapiti-fs/runtime';

import { MASTER_FILE, METALOGGER_FILE } from './source.js';

export type HostRole = 'master' | 'backup';

interface State {
  readonly role: HostRole;
  /** Decimal; absent: not known yet. */
  readonly metaid?: string;
}

export interface SetAside {
  readonly folder: string;
  readonly files: readonly string[];
  /** Newest change in the changelogs set aside; undefined without any. */
  readonly newestVersion: bigint | undefined;
}

const STATE_FILE = 'mfsha.state';
const TAIL_BYTES = 256 * 1024;

/** What this host was last and which file system it belongs to, kept across restarts of the agent. */
export class HostState {
  constructor(
    private readonly stateDir: string,
    private readonly dataDir: string,
    private readonly initialRole: HostRole,
  ) {}

  get file(): string {
    return join(this.stateDir, STATE_FILE);
  }

  get role(): HostRole {
    return this.load().role;
  }

  get metaid(): bigint | undefined {
    const { metaid } = this.load();
    return metaid === undefined ? undefined : BigInt(metaid);
  }

  setRole(role: HostRole, nowMs: number): void {
    this.save({ ...this.load(), role }, nowMs);
  }

  /** Only the first file system ever seen is accepted. */
  learnMetaid(metaid: bigint, nowMs: number): void {
    const state = this.load();
    if (metaid !== 0n && state.metaid === undefined) this.save({ ...state, metaid: metaid.toString() }, nowMs);
  }

  /**
   * Moves what this host has of the metadata to a dated folder (spec 14 §7): `all` when another host took over,
   * `master` for leftovers of a master in the folder of a backup. Nothing of it is ever replayed by itself.
   */
  setAside(what: 'all' | 'master', nowMs: number): SetAside | undefined {
    const files = readdirSync(this.dataDir).filter(
      (name) => MASTER_FILE.test(name) || (what === 'all' && METALOGGER_FILE.test(name)),
    );
    if (files.length === 0) return undefined;
    const newestVersion = this.newestChange(files);
    const folder = join(this.dataDir, `set-aside-${new Date(nowMs).toISOString().replace(/[:.]/g, '')}`);
    mkdirSync(folder);
    for (const file of files) renameSync(join(this.dataDir, file), join(folder, file));
    return { folder, files, newestVersion };
  }

  private newestChange(files: readonly string[]): bigint | undefined {
    const folder = new FolderFiles(this.dataDir);
    let newest: bigint | undefined;
    for (const file of files.filter((name) => name.startsWith('changelog'))) {
      const version = lastVersion(folder, file);
      if (version !== undefined && (newest === undefined || version > newest)) newest = version;
    }
    return newest;
  }

  private load(): State {
    if (!existsSync(this.file)) return { role: this.initialRole };
    const wrong = (what: string): Error => new Error(`${this.file}: ${what}; correct it or remove the file`);
    let state: { role?: unknown; metaid?: unknown };
    try {
      state = JSON.parse(readFileSync(this.file, 'utf8')) as typeof state;
    } catch (error) {
      throw wrong((error as Error).message);
    }
    const { role, metaid } = state;
    if (role !== 'master' && role !== 'backup')
      throw wrong(`role is ${JSON.stringify(role)}, expected "master" or "backup"`);
    if (metaid === undefined) return { role };
    if (typeof metaid !== 'string' || !/^\d+$/.test(metaid)) throw wrong(`metaid is ${JSON.stringify(metaid)}`);
    return { role, metaid };
  }

  private save(state: State, nowMs: number): void {
    mkdirSync(this.stateDir, { recursive: true });
    const text = `${JSON.stringify({ ...state, since: new Date(nowMs).toISOString() })}\n`;
    atomicReplaceSync(this.file, [Buffer.from(text)], 0o644);
  }
}

/** Number of the last line of a changelog; undefined if there is none. */
function lastVersion(folder: FolderFiles, name: string): bigint | undefined {
  const lines = folder.readEnds(name, 0, TAIL_BYTES).tail.toString('latin1').split('\n');
  for (const line of lines.reverse()) {
    const match = /^(\d+): /.exec(line);
    if (match !== null) return BigInt(match[1] as string);
  }
  return undefined;
}
