import {
  MFS_ERROR_EEXIST,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOTEMPTY,
  TYPE_DIRECTORY,
  TYPE_FILE,
} from '@wapiti-fs/protocol';
import { applyRecord, type Change, type Ctx, FileOperations, Metadata, MetadataStore } from '../src/index.js';

const session = { id: 1, rootInode: 1, sesflags: 0, umask: 0, disables: 0 };
const at = (now: number): Ctx => ({ now, session, uid: 0, gids: [0], auid: 0, agid: 0 });
const name = (text: string): Buffer => Buffer.from(text);

function fixture(): { metadata: Metadata; files: FileOperations; journal: Change[] } {
  const journal: Change[] = [];
  const metadata = new Metadata(MetadataStore.empty(1000), (_version, change) => journal.push(change));
  return { metadata, files: new FileOperations(metadata), journal };
}

/** Everything observable of a store that these tests change. */
function state(store: MetadataStore): unknown {
  const { nodes, edges, chunks } = store;
  return {
    version: store.version,
    free: [...store.freeInodes.entries()],
    nodes: [...nodes.inodes()].map((inode) => ({
      inode,
      type: nodes.type.get(inode),
      nlink: nodes.nlink.get(inode),
      length: nodes.length.get(inode),
      times: [nodes.atime, nodes.mtime, nodes.ctime].map((column) => column.get(inode)),
      chunks: nodes.isFile(inode) ? [...nodes.chunks(inode)] : [],
      stats: store.stats.of(inode),
      children: nodes.isDirectory(inode)
        ? [...edges.childEdges(inode)].map((e) => [edges.name(e).toString(), edges.edgeId(e)])
        : [],
    })),
    chunks: [...chunks.entries()].map((s) => [
      chunks.id(s),
      chunks.version(s),
      chunks.lockedTo(s),
      chunks.referenceCount(s),
    ]),
  };
}

test('live changes, replayed from the empty file system, give the same state', () => {
  const { metadata, files, journal } = fixture();
  expect(metadata.mknod(at(1001), 1, name('d'), TYPE_DIRECTORY, 0o755, 0).status).toBe(0);
  expect(metadata.mknod(at(1002), 2, name('f'), TYPE_FILE, 0o644, 0)).toMatchObject({ status: 0, inode: 3 });
  expect(metadata.mknod(at(1002), 2, name('f'), TYPE_FILE, 0o644, 0).status).toBe(MFS_ERROR_EEXIST);
  const plan = files.planWrite(at(1003), 3, 0, false);
  if (!('action' in plan)) throw new Error(`refused: ${plan.status}`);
  expect(files.commitWrite(1003, plan, true)).toEqual({ length: 0, version: 1 });
  expect(files.writeEnd(at(1004), plan.chunkId, 3, 10).status).toBe(0);
  expect(metadata.store.stats.of(1)).toMatchObject({
    inodes: 2,
    dirs: 1,
    files: 1,
    chunks: 1,
    length: 10,
    size: 73728,
    realsize: 147456,
  });
  expect(metadata.unlink(at(1005), 1, name('d'), true).status).toBe(MFS_ERROR_ENOTEMPTY);
  expect(metadata.rename(at(1006), 2, name('f'), 1, name('g')).status).toBe(0);
  expect(metadata.lookup(at(1006), 2, name('f')).status).toBe(MFS_ERROR_ENOENT);
  expect(metadata.unlink(at(1007), 1, name('g'), false).status).toBe(0);
  expect(metadata.unlink(at(1008), 1, name('d'), true).status).toBe(0);
  metadata.emptyDetached(1008 + 100 * 3600, 3);
  expect(metadata.store.nodes.count).toBe(1);
  metadata.releaseInodes(1008 + 200 * 3600);
  expect(metadata.store.freeInodes.length).toBe(0);
  expect(metadata.store.stats.of(1).inodes).toBe(0);

  const replayed = MetadataStore.empty(1000);
  for (const change of journal) applyRecord(replayed, change);
  expect(state(replayed)).toEqual(state(metadata.store));
});
