import { SUSTAINED_BUCKETS, TRASH_BUCKETS, TYPE_BLOCKDEV, TYPE_CHARDEV, TYPE_SYMLINK } from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../src/index.js';

const KINDS = '?-DLFBCSTR';
const hex = (value: number | bigint, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
const ip = (value: number): string =>
  [24, 16, 8, 0].map((shift) => String((value >>> shift) & 255).padStart(3, '0')).join('.');

const group = (mask: number): string => {
  let letters = '';
  for (let bit = 0; bit < 26; bit++) if ((mask & (1 << bit)) !== 0) letters += String.fromCharCode(65 + bit);
  return letters;
};
const expression = (masks: readonly number[]): string =>
  masks[0] === 0
    ? '*'
    : masks
        .filter((mask) => mask !== 0)
        .map(group)
        .join('+');
const labels = (list: readonly (readonly number[])[]): string => list.map(expression).join(':');

function* nodeLines({ nodes }: MetadataStore): Generator<string> {
  yield `# maxinode: ${nodes.maxInode} ; hashelements: ${nodes.count}`;
  for (const inode of nodes.inodes()) {
    const type = nodes.type.get(inode);
    const winattr = nodes.winattr.get(inode);
    let line = `NODE|k:${KINDS[type]}|i: ${inode}|#:${nodes.sclass.get(inode)}|e:0x${hex(nodes.eattr.get(inode), 2)}`;
    if (winattr !== 0) line += `|w:0x${hex(winattr, 1)}`;
    line += `|m:0${octal(nodes.mode.get(inode), 4)}|u: ${nodes.uid.get(inode)}|g: ${nodes.gid.get(inode)}`;
    line += `|a:${nodes.atime.get(inode)},m:${nodes.mtime.get(inode)},c:${nodes.ctime.get(inode)}`;
    line += `|t: ${nodes.trashtime.get(inode)}h`;
    if (type === TYPE_SYMLINK) line += `|p:${nodes.symlink(inode).toString('latin1')}`;
    else if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV)
      line += `|d: ${nodes.rdev(inode) >>> 16}, ${nodes.rdev(inode) & 0xffff}`;
    else if (nodes.isFile(inode)) {
      let count = nodes.chunkCount(inode);
      while (count > 0 && nodes.chunkAt(inode, count - 1) === 0) count--;
      const chunks = Array.from({ length: count }, (_, i) => nodes.chunkAt(inode, i)).map((id) =>
        id === 0 ? 'N' : hex(id, 16),
      );
      line += `|l: ${nodes.length.get(inode)}|c:(${chunks.join(',')})`;
    }
    yield line;
  }
}

function* edgeLines({ nodes, edges }: MetadataStore): Generator<string> {
  yield `# nextedgeid: ${hex(edges.nextEdgeId, 16)}`;
  const line = (edge: number): string => {
    const parent = edges.parent(edge) === 0 ? 'NULL' : edges.parent(edge);
    const name = edges.name(edge).toString('latin1');
    return `EDGE|p: ${parent}|c: ${edges.child(edge)}|i:0x${hex(edges.edgeId(edge), 16)}|n:${name}`;
  };
  for (const inode of nodes.inodes())
    if (nodes.isDirectory(inode)) for (const edge of edges.childEdges(inode)) yield line(edge);
  for (let i = 0; i < TRASH_BUCKETS; i++) for (const edge of edges.detachedEdges('trash', i)) yield line(edge);
  for (let i = 0; i < SUSTAINED_BUCKETS; i++) for (const edge of edges.detachedEdges('sustained', i)) yield line(edge);
}

function* sessionLines({ tables }: MetadataStore): Generator<string> {
  yield `# nextsessionid: ${tables.nextSessionId} ; statscount: 16`;
  for (const s of tables.sessions.values()) {
    const ids = [s.rootuid, s.rootgid, s.mapalluid, s.mapallgid].join(', ');
    yield (
      `SESSION|s: ${s.id}|e:#${s.exportsChecksum}|p:${ip(s.peerIp)}|r: ${s.rootInode}|f:0x${hex(s.sesflags, 2)}` +
      `|u:0${octal(s.umask, 3)}|g:${s.mingoal}-${s.maxgoal}|t: ${s.mintrashtime}-${s.maxtrashtime}|m: ${ids}` +
      `|x:0x${hex(s.disables, 8)}|d: ${s.disconnected}|c:[${s.current.join(',')}]|l:[${s.lastHour.join(',')}]` +
      `|i:${s.info.toString('latin1')}`
    );
  }
}

function* tableLines({ tables, freeInodes }: MetadataStore): Generator<string> {
  for (const c of tables.sclasses.values())
    yield (
      `SCLASS|#: ${c.id}|x:${c.adminOnly ? 1 : 0}|m:${c.mode}|d: ${c.archDelayDays}|c: ${labels(c.create)}` +
      ` |k: ${labels(c.keep)} |a: ${labels(c.arch)} |n:${c.name.toString('latin1')}`
    );
  yield `# free nodes: ${freeInodes.length}`;
  for (const { inode, time } of freeInodes.entries()) yield `FREEID|i: ${inode}|f:${time}`;
  yield `# quota nodes: ${tables.quotas.size}`;
  for (const q of tables.quotas.values()) {
    const limit = (flag: number, value: number): string => ((q.flags & flag) !== 0 ? String(value) : '-');
    yield (
      `QUOTA|i: ${q.inode}|g:${q.graceperiod}|e:${q.exceeded}|f:0x${hex(q.flags, 2)}|s:${q.stimestamp}` +
      `|si: ${limit(1, q.sinodes)}|hi: ${limit(16, q.hinodes)}|sl: ${limit(2, q.slength)}|hl: ${limit(32, q.hlength)}` +
      `|ss: ${limit(4, q.ssize)}|hs: ${limit(64, q.hsize)}|sr: ${limit(8, q.srealsize)}|hr: ${limit(128, q.hrealsize)}`
    );
  }
  for (const [inode, attributes] of tables.xattrs)
    for (const { name, value } of attributes)
      yield `XATTR|i: ${inode}|n:${name.toString('latin1')}|v:${value.toString('hex').toUpperCase()}`;
  for (const [key, a] of tables.acls) {
    const perm = (value: number): string => `0${octal(value, 5)}`;
    const named = [
      ...a.users.map((u) => `u(${u.id}):${perm(u.perm)}`),
      ...a.groups.map((g) => `g(${g.id}):${perm(g.perm)}`),
    ];
    yield (
      `POSIXACL|i: ${Math.floor(key / 4)}|t:${key % 4}|u:${perm(a.user)}|g:${perm(a.group)}|o:${perm(a.other)}` +
      `|m:${perm(a.mask)}|n:(${named.join(',')})`
    );
  }
}

function* lockLines({ tables }: MetadataStore): Generator<string> {
  for (const [session, inodes] of tables.openFiles.bySession)
    for (const inode of inodes) yield `OPENFILE|s: ${session}|i: ${inode}`;
  for (const [inode, locks] of tables.flocks)
    for (const { owner, sessionId, exclusive } of locks) {
      // As printed by mfsmetadump, which shows the 12 bytes of owner and session in the wrong places.
      const [high, low] = [owner >> 32n, owner & 0xffffffffn];
      yield `FLOCK|i: ${inode}|s: ${high}|o:${hex(low, 8)}${hex(sessionId, 8)}|t:${exclusive ? 'W' : 'R'}`;
    }
  for (const [inode, owners] of tables.posixLocks)
    for (const { sessionId, owner, pid, ranges } of owners)
      for (const { start, end, write } of ranges)
        yield `POSIXLOCK|i: ${inode}|s: ${sessionId}|o:0x${hex(owner, 16)}|p: ${pid}|r:< ${start}, ${end})|t:${write ? 'W' : 'R'}`;
}

function* serverLines({ tables, chunks }: MetadataStore): Generator<string> {
  yield `# chunk servers: ${tables.chunkservers.length}`;
  for (const s of tables.chunkservers)
    yield `CHUNKSERVER|i:${ip(s.ip)}|p: ${s.port}|#: ${s.csid}|m: ${['off', 'on', 'temp'][s.maintenance]}|t: ${s.maintenanceTimeout}`;
  yield `# nextchunkid: ${hex(chunks.nextChunkId, 16)}`;
  for (const slot of chunks.entries())
    yield `CHUNK|i:0x${hex(chunks.id(slot), 16)}|v:0x${hex(chunks.version(slot), 8)}|t: ${chunks.lockedTo(slot)}|a:${chunks.archived(slot) ? 1 : 0}`;
}

/** What mfsmetadump prints of the records of an image, blanks of columns reduced to one, in an order of our own. */
export function dump(store: MetadataStore): string[] {
  const parts = [sessionLines, tableLines, nodeLines, edgeLines, lockLines, serverLines];
  return parts.flatMap((part) => [...part(store)]);
}
