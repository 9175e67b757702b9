import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { atomicWriteText } from './atomic-file.js';

export type HostRole = 'master' | 'backup';

const STATE_FILE = 'mfsha.state';
const METADATA_FILE = /^(metadata|changelog)(_ml)?\.[^/]*mfs([^/]*)$/;

/** What this host was last, kept across restarts of the agent. */
export class HostState {
  constructor(
    private readonly stateDir: string,
    private readonly dataDir: string,
    private readonly initialRole: HostRole,
  ) {}

  get role(): HostRole {
    const file = join(this.stateDir, STATE_FILE);
    if (!existsSync(file)) return this.initialRole;
    const { role } = JSON.parse(readFileSync(file, 'utf8')) as { role?: unknown };
    if (role !== 'master' && role !== 'backup')
      throw new Error(`${file}: role is ${JSON.stringify(role)}, expected "master" or "backup"`);
    return role;
  }

  setRole(role: HostRole, nowMs: number): void {
    mkdirSync(this.stateDir, { recursive: true });
    atomicWriteText(
      join(this.stateDir, STATE_FILE),
      `${JSON.stringify({ role, since: new Date(nowMs).toISOString() })}\n`,
    );
  }

  has(file: string): boolean {
    return existsSync(join(this.dataDir, file));
  }

  /**
   * Moves everything this host knows of the metadata to a dated folder: whatever it has beyond the version at which another
   * host took over is never replayed (spec 14 §7). Returns the folder and the files, or undefined if there was nothing.
   */
  setAside(nowMs: number): { folder: string; files: string[] } | undefined {
    const files = readdirSync(this.dataDir).filter((name) => METADATA_FILE.test(name));
    if (files.length === 0) return undefined;
    const folder = join(this.dataDir, `set-aside-${new Date(nowMs).toISOString().replace(/[:.]/g, '')}`);
    mkdirSync(folder);
    for (const file of files) renameSync(join(this.dataDir, file), join(folder, file));
    return { folder, files };
  }
}
