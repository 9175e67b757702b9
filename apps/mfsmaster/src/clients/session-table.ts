import type { Ctx, Metadata, SessionParameters } from '@wapiti-fs/metadata';
import { MFS_ROOT_ID, OPERATION_COUNTERS, SESFLAG_MAPALL, TYPE_DIRECTORY } from '@wapiti-fs/protocol';
import type { ClientConnection } from './connection.js';

/** No session is removed so soon after the start: mounts are still coming back (spec 02 §4.4). */
const GRACE_AFTER_START_S = 120;

/** The run-time side of sessions: their connections and counters; the persistent side is in the metadata. */
export class SessionTable {
  private readonly connections = new Map<number, Set<ClientConnection>>();
  /** Sessions closed in order: removed at the next check. */
  private readonly closed = new Set<number>();
  readonly versions = new Map<number, number>();

  constructor(
    private readonly metadata: Metadata,
    private readonly startedS: number,
    private sustainS: number,
  ) {}

  setSustainTime(seconds: number): void {
    this.sustainS = seconds;
  }

  get(sessionId: number): SessionParameters | undefined {
    return this.metadata.store.tables.sessions.get(sessionId);
  }

  attach(sessionId: number, connection: ClientConnection, version: number): void {
    const set = this.connections.get(sessionId) ?? new Set();
    set.add(connection);
    this.connections.set(sessionId, set);
    this.closed.delete(sessionId);
    this.versions.set(sessionId, version);
    const session = this.metadata.store.tables.sessions.get(sessionId);
    if (session !== undefined) session.disconnected = 0;
  }

  detach(sessionId: number, connection: ClientConnection, nowS: number): void {
    const set = this.connections.get(sessionId);
    if (set === undefined || !set.delete(connection) || set.size > 0) return;
    this.connections.delete(sessionId);
    this.metadata.disconnectSession(nowS, sessionId);
  }

  connectionsOf(sessionId: number): ReadonlySet<ClientConnection> {
    return this.connections.get(sessionId) ?? new Set();
  }

  allConnections(): ClientConnection[] {
    return [...this.connections.values()].flatMap((set) => [...set]);
  }

  /** Orderly end: the session goes at the next check if this is its only connection (spec 02 §3.6). */
  markClosed(sessionId: number): void {
    if (this.connectionsOf(sessionId).size === 1) this.closed.add(sessionId);
  }

  count(sessionId: number, operation: (typeof OPERATION_COUNTERS)[number]): void {
    const session = this.metadata.store.tables.sessions.get(sessionId);
    const index = OPERATION_COUNTERS.indexOf(operation);
    if (session !== undefined && index >= 0) session.current[index] = (session.current[index] ?? 0) + 1;
  }

  /** Every 10 s: removes sessions that were closed or are gone for too long (spec 02 §4.4). */
  check(nowS: number): void {
    if (nowS - this.startedS < GRACE_AFTER_START_S && this.closed.size === 0) return;
    for (const [id, session] of [...this.metadata.store.tables.sessions]) {
      if (this.connections.has(id)) continue;
      const expired = nowS - this.startedS >= GRACE_AFTER_START_S && session.disconnected + this.sustainS < nowS;
      if (this.closed.has(id) || expired) {
        this.closed.delete(id);
        this.versions.delete(id);
        this.metadata.removeSession(nowS, id);
      }
    }
  }

  /** Hourly: the counters of this hour become those of the last one. */
  rotateCounters(): void {
    for (const session of this.metadata.store.tables.sessions.values()) {
      session.lastHour = session.current;
      session.current = session.current.map(() => 0);
    }
  }

  /** Seconds until the session is removed; 0xFFFFFFFF while connected (spec 11 §3.6). */
  expireIn(sessionId: number, nowS: number): number {
    const session = this.metadata.store.tables.sessions.get(sessionId);
    if (session === undefined || this.closed.has(sessionId)) return 0;
    return this.connections.has(sessionId) ? 0xffffffff : Math.max(0, session.disconnected + this.sustainS - nowS);
  }

  /** Caller of a request after the session's mapping (spec 02 §5.3). */
  context(sessionId: number, nowS: number, auid: number, agids: readonly number[]): Ctx {
    const session = this.metadata.store.tables.sessions.get(sessionId);
    if (session === undefined) throw new Error(`session ${sessionId} is gone`);
    const agid = agids[0] ?? 0;
    let uid = auid;
    let gid = agid;
    if (auid === 0) [uid, gid] = [session.rootuid, session.rootgid];
    else if ((session.sesflags & SESFLAG_MAPALL) !== 0) [uid, gid] = [session.mapalluid, session.mapallgid];
    return { now: nowS, session, uid, gids: [gid, ...agids.slice(1)], auid, agid };
  }

  /** The directory a path names, from the root: inode, or a status (spec 02 §3.3). */
  resolvePath(path: Buffer): { inode: number } | { missing: 'EINVAL' | 'ENOENT' | 'ENOTDIR' } {
    const { nodes, edges } = this.metadata.store;
    let inode = MFS_ROOT_ID;
    for (const component of splitPath(path)) {
      const text = component.toString('latin1');
      if (text === '.' || text === '..' || component.length > 255) return { missing: 'EINVAL' };
      const edge = edges.find(inode, component);
      if (edge === 0) return { missing: 'ENOENT' };
      inode = edges.child(edge);
      if (nodes.type.get(inode) !== TYPE_DIRECTORY) return { missing: 'ENOTDIR' };
    }
    return { inode };
  }
}

function splitPath(path: Buffer): Buffer[] {
  const components: Buffer[] = [];
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== 0x2f) continue;
    if (at > start) components.push(path.subarray(start, at));
    start = at + 1;
  }
  return components;
}
