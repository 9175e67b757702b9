/** Requests on the content of files (spec 02 §6.6, §8). */
import { open as openFile } from '@wapiti-fs/metadata';
import {
  CHUNKOPFLAG_CANUSERESERVESPACE,
  CHUNKOPFLAG_CONTINUEOP,
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_OPEN,
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  EATTR_APPENDONLY,
  EATTR_NODATACACHE,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_OPEN,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_TRUNCATE,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  OPEN_APPENDONLY,
  OPEN_CACHE_CLEARED,
  OPEN_DIRECTMODE,
  OPEN_KEEPCACHE,
  TYPE_FILE,
} from '@wapiti-fs/protocol';

import { type ChunkReply, withoutCache } from '../file-service.js';
import { truncate as truncateFile } from '../truncate.js';
import { attributesAfter, type Request, type Requests } from './request.js';

const open: Request = (client, payload) => {
  const { msgid, inode, uid, gids, flags } = CLTOMA_FUSE_OPEN.decode(payload);
  const { metadata, sessions } = client.service.master;
  const { files } = client.service;
  sessions.count(client.sessionId, 'open');
  const ctx = client.context(uid, gids);
  const done = openFile(metadata, ctx, inode, flags);
  const result = attributesAfter(done, () => metadata.getattr(ctx, inode, true));
  if (!('attributes' in result)) return MATOCL_FUSE_OPEN.encode({ variant: 'status', msgid, status: result.status });
  if ((flags & OPEN_CACHE_CLEARED) !== 0) files.cache.access(inode, client.sessionId);
  const eattr = metadata.store.nodes.eattr.get(inode);
  let oflags = (eattr & EATTR_APPENDONLY) !== 0 ? OPEN_APPENDONLY : 0;
  let { attributes } = result;
  if ((eattr & EATTR_NODATACACHE) !== 0) oflags |= OPEN_DIRECTMODE;
  else if (files.cache.open(inode, client.sessionId)) oflags |= OPEN_KEEPCACHE;
  else attributes = withoutCache(attributes);
  return MATOCL_FUSE_OPEN.encode({ variant: 'ok', msgid, oflags, attributes });
};

const create: Request = (client, payload) => {
  const { msgid, parent, name, mode, cumask, uid, gids } = CLTOMA_FUSE_CREATE.decode(payload);
  const { metadata, sessions, nowS } = client.service.master;
  sessions.count(client.sessionId, 'mknod');
  sessions.count(client.sessionId, 'open');
  const made = metadata.mknod(client.context(uid, gids), parent, name, TYPE_FILE, mode, cumask);
  if (!('inode' in made)) return MATOCL_FUSE_CREATE.encode({ variant: 'status', msgid, status: made.status });
  const { inode } = made;
  metadata.acquire(nowS(), client.sessionId, inode);
  const direct = (metadata.store.nodes.eattr.get(inode) & EATTR_NODATACACHE) !== 0;
  const attributes = direct ? made.attributes : withoutCache(made.attributes);
  return MATOCL_FUSE_CREATE.encode({ variant: 'ok', msgid, oflags: direct ? OPEN_DIRECTMODE : 0, inode, attributes });
};

const readChunk: Request = (client, payload) => {
  const { msgid, inode, chunkIndex } = CLTOMA_FUSE_READ_CHUNK.decode(payload);
  const reply: ChunkReply = (result) => {
    if (typeof result === 'number')
      return client.send(MATOCL_FUSE_READ_CHUNK.encode({ variant: 'status', msgid, status: result }));
    client.service.master.sessions.count(client.sessionId, 'read');
    client.send(MATOCL_FUSE_READ_CHUNK.encode({ variant: 'ok', msgid, protocol: 2, ...result }));
  };
  client.service.files.read(client, inode, chunkIndex, reply);
  return undefined;
};

const writeChunk: Request = (client, payload) => {
  const { msgid, inode, chunkIndex, flags } = CLTOMA_FUSE_WRITE_CHUNK.decode(payload);
  const reply: ChunkReply = (result) => {
    if (typeof result === 'number')
      return client.send(MATOCL_FUSE_WRITE_CHUNK.encode({ variant: 'status', msgid, status: result }));
    client.service.master.sessions.count(client.sessionId, 'write');
    client.send(MATOCL_FUSE_WRITE_CHUNK.encode({ variant: 'ok', msgid, protocol: 2, ...result }));
  };
  const options = {
    continues: (flags & CHUNKOPFLAG_CONTINUEOP) !== 0,
    mayUseReserve: (flags & CHUNKOPFLAG_CANUSERESERVESPACE) !== 0,
  };
  client.service.files.write(client, inode, chunkIndex, options, reply);
  return undefined;
};

const writeChunkEnd: Request = (client, payload) => {
  const { msgid, chunkId, inode, chunkIndex, length } = CLTOMA_FUSE_WRITE_CHUNK_END.decode(payload);
  const status = client.service.files.writeEnd(client, inode, chunkIndex, chunkId, length);
  return MATOCL_FUSE_WRITE_CHUNK_END.encode({ msgid, status });
};

const truncate: Request = (client, payload) => {
  const { msgid, inode, flags, uid, gids, length } = CLTOMA_FUSE_TRUNCATE.decode(payload);
  client.service.master.sessions.count(client.sessionId, 'setattr');
  truncateFile(client, { inode, flags, uid, gids, length }, (result) =>
    client.send(
      'attributes' in result
        ? MATOCL_FUSE_TRUNCATE.encode({
            variant: 'ok',
            msgid,
            prevLength: result.previousLength,
            attributes: result.attributes,
          })
        : MATOCL_FUSE_TRUNCATE.encode({ variant: 'status', msgid, status: result.status }),
    ),
  );
  return undefined;
};

export const fileRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_OPEN.type, open],
  [CLTOMA_FUSE_CREATE.type, create],
  [CLTOMA_FUSE_READ_CHUNK.type, readChunk],
  [CLTOMA_FUSE_WRITE_CHUNK.type, writeChunk],
  [CLTOMA_FUSE_WRITE_CHUNK_END.type, writeChunkEnd],
  [CLTOMA_FUSE_TRUNCATE.type, truncate],
]);
