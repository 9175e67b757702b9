/** Readers of the section bodies (spec 07 §3, checks of §5). A catalogue. */
import {
  MFS_NAME_MAX,
  MFS_PATH_MAX,
  MFS_ROOT_ID,
  MFS_SYMLINK_MAX,
  type Reader,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import { isFileType } from '../store/nodes.js';
import type { MetadataStore } from '../store/store.js';
import { ACL_ACCESS, ACL_DEFAULT, type Acl, SESSION_STATS } from '../store/tables.js';
import type { SectionName } from './frame.js';

export interface SectionReader {
  readonly input: Reader;
  /** Counts the records, for error messages. */
  readonly state: { record: number };
  readonly fail: (reason: string) => never;
  /** Names of the sections read so far, including this one. */
  readonly seen: ReadonlySet<string>;
}
type ReadSection = (store: MetadataStore, section: SectionReader) => void;

const MAX_EXPRESSIONS = 9;
const MASKS = 4;
const LONG_PATH = Buffer.from('... path too long ...');
const MAX_XATTR_BYTES = 65536;
const FIRST_USER_CLASS = 10;
const CHUNK_ID_BYTES = 8;

const readSessions: ReadSection = (store, { input, state, fail }) => {
  const { tables } = store;
  tables.nextSessionId = input.u32();
  const statsCount = input.u16();
  const counters = (): number[] => {
    const values = new Array<number>(SESSION_STATS).fill(0);
    for (let i = 0; i < statsCount; i++) {
      const value = input.u32();
      if (i < SESSION_STATS) values[i] = value;
    }
    return values;
  };
  for (; ; state.record++) {
    const id = input.u32();
    const exportsChecksum = input.u64();
    const infoBytes = input.u32();
    const session = {
      id,
      exportsChecksum,
      peerIp: input.u32(),
      rootInode: input.u32(),
      sesflags: input.u8(),
      umask: input.u16(),
      mingoal: input.u8(),
      maxgoal: input.u8(),
      mintrashtime: input.u32(),
      maxtrashtime: input.u32(),
      rootuid: input.u32(),
      rootgid: input.u32(),
      mapalluid: input.u32(),
      mapallgid: input.u32(),
      disables: input.u32(),
      disconnected: input.u32(),
      current: counters(),
      lastHour: counters(),
      info: Buffer.from(input.bytes(infoBytes)),
    };
    if (id === 0) return;
    if (tables.sessions.has(id)) fail(`session ${id} is repeated`);
    tables.sessions.set(id, session);
  }
};

const readClasses: ReadSection = (store, { input, state, fail }) => {
  const orGroups = input.u8();
  if (orGroups === 0 || orGroups > MASKS) fail(`${orGroups} masks per label expression`);
  const seen = new Set<number>();
  for (; ; state.record++) {
    const id = input.u16();
    const nameBytes = input.u8();
    const adminOnly = input.u8() !== 0;
    const mode = input.u8();
    const archDelayDays = input.u16();
    const counts = [input.u8(), input.u8(), input.u8()] as const;
    if (id === 0 && counts.every((count) => count === 0)) return;
    if (id === 0 || id > 255) fail(`storage class id ${id}`);
    if (counts.some((count) => count === 0 || count > MAX_EXPRESSIONS)) fail('wrong number of label expressions');
    if (seen.has(id)) fail(`storage class ${id} is repeated`);
    seen.add(id);
    const given = Buffer.from(input.bytes(nameBytes));
    const fallback = id < FIRST_USER_CLASS ? String(id) : `sclass_${id - 9}`;
    const expressions = (count: number): number[][] =>
      Array.from({ length: count }, () => {
        const masks = [0, 0, 0, 0];
        for (let i = 0; i < orGroups; i++) masks[i] = input.u32();
        return masks;
      });
    store.tables.sclasses.set(id, {
      id,
      name: nameBytes === 0 ? Buffer.from(fallback) : given,
      adminOnly,
      mode,
      archDelayDays,
      create: expressions(counts[0]),
      keep: expressions(counts[1]),
      arch: expressions(counts[2]),
    });
  }
};

const readNodes: ReadSection = (store, { input, state, fail }) => {
  const { nodes } = store;
  const maxInode = input.u32();
  input.u32();
  for (; ; state.record++) {
    const type = input.u8();
    if (type === 0) break;
    if (type > TYPE_SUSTAINED) fail(`unknown inode type ${type}`);
    const inode = input.u32();
    if (inode === 0 || inode > maxInode) fail(`inode ${inode} is not within 1…${maxInode}`);
    if (nodes.exists(inode)) fail(`inode ${inode} is repeated`);
    nodes.create(inode, type);
    const sclass = input.u8();
    nodes.sclass.set(inode, type === TYPE_DIRECTORY || isFileType(type) ? sclass : 0);
    nodes.eattr.set(inode, input.u8());
    nodes.winattr.set(inode, input.u8());
    nodes.mode.set(inode, input.u16());
    nodes.uid.set(inode, input.u32());
    nodes.gid.set(inode, input.u32());
    nodes.atime.set(inode, input.u32());
    nodes.mtime.set(inode, input.u32());
    nodes.ctime.set(inode, input.u32());
    nodes.trashtime.set(inode, input.u16());
    if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) nodes.setRdev(inode, input.u32());
    else if (type === TYPE_SYMLINK) {
      const target = input.bytes(input.u32());
      nodes.setSymlink(inode, target.length > MFS_SYMLINK_MAX ? LONG_PATH : target);
    } else if (isFileType(type)) {
      nodes.length.set(inode, input.u64n());
      const count = input.u32();
      if (count > input.remaining / CHUNK_ID_BYTES) fail(`list of ${count} chunks does not fit into the file`);
      nodes.resizeChunks(inode, count);
      for (let i = 0; i < count; i++) nodes.setChunkAt(inode, i, input.u64n());
    }
  }
  nodes.maxInode = maxInode;
};

const readEdges: ReadSection = (store, { input, state, fail }) => {
  const { nodes, edges } = store;
  edges.nextEdgeId = input.u64();
  const finished = new Set<number>();
  let current = 0;
  for (; ; state.record++) {
    const parent = input.u32();
    const child = input.u32();
    const id = input.u64();
    const nameBytes = input.u16();
    if (parent === 0 && child === 0) return;
    const whole = input.bytes(nameBytes);
    if (nameBytes === 0) fail(`empty name of inode ${child} in directory ${parent}`);
    const name = whole.subarray(-(parent === 0 ? MFS_PATH_MAX : MFS_NAME_MAX));
    const type = nodes.type.get(child);
    if (type === 0) fail(`loading edge: ${parent}->${child} error: child not found`);
    const detached = type === TYPE_TRASH || type === TYPE_SUSTAINED;
    if (detached !== (parent === 0)) fail(`inode ${child} of type ${type} cannot be in directory ${parent}`);
    if (parent !== 0 && !nodes.isDirectory(parent)) fail(`loading edge: ${parent}->${child} error: no such directory`);
    if (child === MFS_ROOT_ID) fail('the root directory cannot be in a directory');
    if ((detached || type === TYPE_DIRECTORY) && nodes.firstParentEdge.get(child) !== 0)
      fail(`inode ${child} has two names`);
    if (parent !== current && parent !== 0) {
      if (finished.has(parent)) fail(`parent node sequence error (directory ${parent})`);
      if (current !== MFS_ROOT_ID) finished.add(current);
      current = parent;
    }
    // Bucket lists of detached files are rebuilt by putting each in front (spec 08 §5.3).
    edges.add(parent, child, name, id, parent === 0 ? 'head' : 'tail');
  }
};

const readFree: ReadSection = (store, { input, state, fail }) => {
  for (let count = input.u32(); state.record < count; state.record++) {
    const inode = input.u32();
    const time = input.u32();
    if (inode === 0 || store.nodes.exists(inode)) fail(`free inode ${inode} is in use`);
    store.freeInodes.append(inode, time);
  }
};

const readQuotas: ReadSection = (store, { input, state, fail }) => {
  for (let count = input.u32(); state.record < count; state.record++) {
    const inode = input.u32();
    if (!store.nodes.isDirectory(inode)) fail(`quota of inode ${inode}, which is no directory`);
    if (store.tables.quotas.has(inode)) fail(`quota of inode ${inode} is repeated`);
    store.tables.quotas.set(inode, {
      inode,
      graceperiod: input.u32(),
      exceeded: input.u8(),
      flags: input.u8(),
      stimestamp: input.u32(),
      sinodes: input.u32(),
      hinodes: input.u32(),
      slength: input.u64n(),
      hlength: input.u64n(),
      ssize: input.u64n(),
      hsize: input.u64n(),
      srealsize: input.u64n(),
      hrealsize: input.u64n(),
    });
  }
};

const readXattrs: ReadSection = (store, { input, state, fail }) => {
  for (; ; state.record++) {
    const inode = input.u32();
    const nameBytes = input.u8();
    const valueBytes = input.u32();
    if (inode === 0) return;
    if (nameBytes === 0) fail('extended attribute without name');
    if (valueBytes > MAX_XATTR_BYTES) fail(`extended attribute of ${valueBytes} bytes`);
    const name = Buffer.from(input.bytes(nameBytes));
    const value = Buffer.from(input.bytes(valueBytes));
    if (!store.nodes.exists(inode)) continue;
    store.setXattrs(inode, [...(store.tables.xattrs.get(inode) ?? []), { name, value }]);
  }
};

const readAcls: ReadSection = (store, { input, state, fail }) => {
  for (; ; state.record++) {
    const inode = input.u32();
    const type = input.u8();
    const [user, group, other, mask] = [input.u16(), input.u16(), input.u16(), input.u16()];
    const counts = [input.u16(), input.u16()] as const;
    if (inode === 0) return;
    if (type !== ACL_ACCESS && type !== ACL_DEFAULT) fail(`ACL type ${type}`);
    const entries = (count: number): { id: number; perm: number }[] =>
      Array.from({ length: count }, () => ({ id: input.u32(), perm: input.u16() }));
    const acl: Acl = { user, group, other, mask, users: entries(counts[0]), groups: entries(counts[1]) };
    if (!store.nodes.exists(inode)) continue;
    if (store.acl(inode, type) !== undefined) fail(`ACL of inode ${inode} is repeated`);
    store.setAcl(inode, type, acl);
  }
};

const readOpenFiles: ReadSection = (store, { input, state, fail }) => {
  for (; ; state.record++) {
    const sessionId = input.u32();
    const inode = input.u32();
    if (sessionId === 0 && inode === 0) return;
    if (sessionId === 0 || inode === 0) fail(`open file of session ${sessionId}, inode ${inode}`);
    if (store.tables.sessions.has(sessionId)) store.tables.openFiles.add(sessionId, inode);
  }
};

const readFlocks: ReadSection = (store, { input, state, fail }) => {
  const { flocks, openFiles } = store.tables;
  for (; ; state.record++) {
    const inode = input.u32();
    const owner = input.u64();
    const sessionId = input.u32();
    const type = input.u8();
    if (inode === 0 && owner === 0n && sessionId === 0) return;
    if (type > 1) fail(`flock lock of type ${type}`);
    if (!openFiles.has(sessionId, inode)) fail(`lock on inode ${inode}, which session ${sessionId} has not open`);
    const others = flocks.get(inode) ?? [];
    if (others.some((lock) => lock.exclusive || type === 1)) fail(`conflicting flock locks on inode ${inode}`);
    flocks.set(inode, [{ sessionId, owner, exclusive: type === 1 }, ...others]);
  }
};

const readPosixLocks: ReadSection = (store, { input, state, fail }) => {
  const { posixLocks, openFiles } = store.tables;
  for (; ; state.record++) {
    const inode = input.u32();
    const owner = input.u64();
    const sessionId = input.u32();
    const pid = input.u32();
    const range = { start: input.u64(), end: input.u64(), write: false };
    const type = input.u8();
    if (inode === 0 && owner === 0n && sessionId === 0) return;
    if (type !== 1 && type !== 2) fail(`range lock of type ${type}`);
    if (range.start >= range.end) fail(`range lock from ${range.start} to ${range.end}`);
    if (!openFiles.has(sessionId, inode)) fail(`lock on inode ${inode}, which session ${sessionId} has not open`);
    range.write = type === 2;
    const owners = posixLocks.get(inode) ?? [];
    posixLocks.set(inode, owners);
    const holder = owners.find((other) => other.sessionId === sessionId && other.owner === owner);
    const last = holder?.ranges.at(-1);
    if (last !== undefined && (last.end > range.start || (last.end === range.start && last.write === range.write)))
      fail(`range locks of inode ${inode} are not in order`);
    if (holder === undefined) owners.push({ sessionId, owner, pid, ranges: [range] });
    else holder.ranges.push(range);
  }
};

const readChunkservers: ReadSection = (store, { input, state, fail }) => {
  const { chunkservers } = store.tables;
  const addresses = new Set<string>();
  const ids = new Set<number>();
  for (let count = input.u32(); state.record < count; state.record++) {
    const ip = input.u32();
    const port = input.u16();
    const csid = input.u16();
    if (addresses.has(`${ip}:${port}`)) fail(`chunkserver ${ip}:${port} is repeated`);
    if (csid !== 0 && ids.has(csid)) fail(`chunkserver id ${csid} is repeated`);
    addresses.add(`${ip}:${port}`);
    ids.add(csid);
    chunkservers.push({ ip, port, csid, maintenance: input.u8(), maintenanceTimeout: input.u32() });
  }
};

const readChunks: ReadSection = (store, { input, state, fail }) => {
  const { chunks } = store;
  chunks.nextChunkId = input.u64n();
  for (; ; state.record++) {
    const id = input.u64n();
    const version = input.u32();
    const lockedTo = input.u32();
    const archived = input.u8();
    if (id === 0) {
      if (version !== 0 || lockedTo !== 0 || archived !== 0) fail('wrong end of the chunk list');
      return;
    }
    if (chunks.find(id) !== 0) fail(`chunk ${id} is repeated`);
    chunks.add(id, version, lockedTo, archived !== 0);
  }
};

export const SECTION_READERS: Readonly<Record<SectionName, ReadSection>> = {
  SESS: readSessions,
  SCLA: readClasses,
  NODE: readNodes,
  EDGE: readEdges,
  FREE: readFree,
  QUOT: readQuotas,
  XATR: readXattrs,
  PACL: readAcls,
  OPEN: readOpenFiles,
  FLCK: readFlocks,
  PLCK: readPosixLocks,
  CSDB: readChunkservers,
  CHNK: readChunks,
};
