/** Hex examples of the specification: payloads without header. `value`: some members of what they decode to. */
export interface Vector {
  readonly message: string;
  readonly about: string;
  readonly payload: string;
  readonly value: object;
}

const BLOB =
  '446a49314741514455 4c49356432596a413236797063336f766b686a7668636954515678334353346e596774426f556373 6c6a69567073 45724a454e486177 30';
const ATTR_DIR = '0c21ed 00000000 00000000 6b028b83 6b028b83 6b028b83 00000002 0000000000000001 00';

export const vectors: Vector[] = [
  // 01 §13
  { message: 'ANTOAN_NOP', about: '01 §13, on 9421', payload: '00000000', value: { variant: 'client', msgid: 0 } },
  { message: 'ANTOAN_NOP', about: '01 §13, other links', payload: '', value: { variant: 'plain' } },
  {
    message: 'ANTOAN_VERSION',
    about: '01 §13',
    payload: '0000007b 000300ea 332e302e3131372d31',
    value: { variant: 'msgid', msgid: 0x7b, version: 0x000300ea, text: Buffer.from('3.0.117-1') },
  },
  {
    message: 'ANTOAN_VERSION',
    about: 'without msgid',
    payload: '000300ea 332e302e3131372d31',
    value: { variant: 'plain', version: 0x000300ea },
  },
  {
    message: 'ANTOCL_MODULE_INFO',
    about: '01 §13',
    payload: '01 000300ea 0000 6b028b5f8bf82ee3 00000000 0000',
    value: { variant: 'plain', moduleType: 1, metaid: 0x6b028b5f8bf82ee3n },
  },
  {
    message: 'MATOCL_FUSE_GETATTR',
    about: '01 §13, file',
    payload: '00000001 0c 1180 000003e8 000003e9 5e0be100 5e0be100 6b028b84 00000002 0000000000000006 00',
    value: {
      variant: 'ok',
      attributes: { flags: 12, type: 1, mode: 0o600, uid: 1000, gid: 1001, atime: 0x5e0be100, nlink: 2, length: 6 },
    },
  },
  {
    message: 'MATOCL_FUSE_GETATTR',
    about: '01 §13, character device',
    payload: '00000001 0c 61a4 00000000 00000000 5e0be100 5e0be100 6b028b84 00000001 00000801 00000000 00',
    value: { attributes: { type: 6, mode: 0o644, rdev: 0x801, length: 0 } },
  },
  {
    message: 'MATOCL_FUSE_GETATTR',
    about: '01 §13, symlink',
    payload: '00000001 0c 31ff 00000000 00000000 5e0be100 5e0be100 6b028b84 00000001 00000000 00000009 00',
    value: { attributes: { type: 3, mode: 0o777, length: 9 } },
  },
  // 02 §17
  {
    message: 'CLTOMA_FUSE_REGISTER',
    about: '02 §17, new session',
    payload: `${BLOB} 02 000300ea 00000005 2f6d6e7400 00000002 2f00`,
    value: {
      variant: 'newSession',
      version: 0x000300ea,
      info: Buffer.from('/mnt\0'),
      path: Buffer.from('/'),
      tail: {},
    },
  },
  {
    message: 'CLTOMA_FUSE_REGISTER',
    about: '02 §17, take-over',
    payload: `${BLOB} 02 000300ea 00000005 2f6d6e7400 00000002 2f00 0000000d 6b028b5f8bf82ee3`,
    value: { tail: { sessionId: 13, metaid: 0x6b028b5f8bf82ee3n } },
  },
  {
    message: 'CLTOMA_FUSE_REGISTER',
    about: '02 §17, reconnect',
    payload: `${BLOB} 03 0000000d 000300ea 6b028b5f8bf82ee3`,
    value: { variant: 'reconnect', sessionId: 13, version: 0x000300ea, metaid: 0x6b028b5f8bf82ee3n },
  },
  {
    message: 'CLTOMA_FUSE_REGISTER',
    about: '02 §17, close',
    payload: `${BLOB} 06 00000003 6b028b5f8bf82ee3`,
    value: { variant: 'closeSession', sessionId: 3 },
  },
  {
    message: 'MATOCL_FUSE_REGISTER',
    about: '02 §17, session',
    payload:
      '000300ea 00000003 6b028b5f8bf82ee3 08 0000 00000000 00000000 000003e7 000003e7 01 09 00000000 ffffffff 00000000',
    value: {
      variant: 'session',
      sessionId: 3,
      sesflags: 8,
      mapallUid: 999,
      minGoal: 1,
      maxGoal: 9,
      maxTrashtimeS: 0xffffffff,
    },
  },
  {
    message: 'MATOCL_FUSE_REGISTER',
    about: '02 §17, reconnect refused',
    payload: '000300ea 23',
    value: { variant: 'reconnected', status: 35 },
  },
  {
    message: 'CLTOMA_FUSE_MKDIR',
    about: '02 §17',
    payload: '00000001 00000001 02 6431 01ed 0012 00000000 00000001 00000000 01',
    value: { parent: 1, name: Buffer.from('d1'), mode: 0o755, cumask: 0o22, uid: 0, gids: [0], copySgid: 1 },
  },
  {
    message: 'MATOCL_FUSE_MKDIR',
    about: '02 §17',
    payload: `00000001 00000002 ${ATTR_DIR}`,
    value: { variant: 'ok', inode: 2 },
  },
  {
    message: 'CLTOMA_FUSE_CREATE',
    about: '02 §17',
    payload: '00000002 00000002 02 6631 01b6 0012 00000000 00000001 00000000',
    value: { parent: 2, mode: 0o666, cumask: 0o22 },
  },
  {
    message: 'CLTOMA_FUSE_WRITE_CHUNK',
    about: '02 §17',
    payload: '00000003 00000003 00000000 04',
    value: { inode: 3, chunkIndex: 0, flags: 4 },
  },
  {
    message: 'MATOCL_FUSE_WRITE_CHUNK',
    about: '02 §17',
    payload:
      '00000003 02 0000000000000000 0000000000000001 00000001 | 0a010174 24ce 000300ea 00000000 | 0a010168 24ce 000300ea 00000000',
    value: {
      variant: 'ok',
      chunkId: 1,
      version: 1,
      locations: [
        { ip: 0x0a010174, port: 9422, csVersion: 0x000300ea, labelMask: 0 },
        { ip: 0x0a010168, port: 9422, csVersion: 0x000300ea, labelMask: 0 },
      ],
    },
  },
  {
    message: 'CLTOMA_FUSE_WRITE_CHUNK_END',
    about: '02 §17',
    payload: '00000003 0000000000000001 00000003 00000000 0000000000000006 00',
    value: { chunkId: 1, inode: 3, length: 6 },
  },
  { message: 'MATOCL_FUSE_WRITE_CHUNK_END', about: '02 §17', payload: '00000003 00', value: { status: 0 } },
  {
    message: 'CLTOMA_FUSE_READDIR',
    about: '02 §17',
    payload: '00000003 00000001 00000000 00000001 00000000 01 ffffffff 0000000000000000',
    value: { inode: 1, flags: 1, maxEntries: 0xffffffff, nextEdgeId: 0n },
  },
  {
    message: 'MATOCL_FUSE_LOOKUP',
    about: '02 §17, with chunk data',
    payload: `00000001 00000003 ${ATTR_DIR} 01ff 02 0000000000000001 00000001 0a010174 24ce 000300ea 00000000`,
    value: { inode: 3, lflags: 0x1ff, chunkZero: { chunkId: 1, version: 1, locations: [{ ip: 0x0a010174 }] } },
  },
  {
    message: 'MATOCL_FUSE_LOOKUP',
    about: '02 §17, ENOENT',
    payload: '00000002 03',
    value: { variant: 'status', status: 3 },
  },
  {
    message: 'CLTOMA_FUSE_SETATTR',
    about: '02 §17, chown',
    payload: '00000004 00000003 00 00000000 00000001 00000000 0c 0000 000003e8 000003e9 00000000 00000000 00 04',
    value: { setmask: 12, attrUid: 1000, attrGid: 1001, sugidClearMode: 4 },
  },
  {
    message: 'CLTOMA_FUSE_TRUNCATE',
    about: '02 §17',
    payload: '00000001 00000003 01 00000000 00000001 00000000 0000000000000064',
    value: { flags: 1, length: 100 },
  },
  {
    message: 'CLTOMA_FUSE_UNLINK',
    about: '02 §17',
    payload: '00000001 00000002 03 686c32 00000000 00000001 00000000',
    value: { parent: 2 },
  },
  { message: 'MATOCL_FUSE_UNLINK', about: '02 §17', payload: '00000001 00000003', value: { variant: 'ok', inode: 3 } },
  {
    message: 'CLTOMA_FUSE_FLOCK',
    about: '02 §17',
    payload: '00000002 0000000e 00000003 3b7be89c55aa8804 02',
    value: { inode: 14, reqid: 3, owner: 0x3b7be89c55aa8804n, cmd: 2 },
  },
  {
    message: 'CLTOMA_FUSE_POSIX_LOCK',
    about: '02 §17',
    payload: '00000002 0000000e 00000003 fe85a4f2e32e1304 0000173b 02 02 0000000000000005 000000000000000f',
    value: { pid: 0x173b, cmd: 2, type: 2, start: 5n, end: 15n },
  },
  {
    message: 'CLTOMA_FUSE_SETFACL',
    about: '02 §17',
    payload: '00000002 0000000e 00000000 01 0007 0000 0000 0007 0001 0000 000004d2 0007',
    value: { aclType: 1, mask: 7, namedUsers: [{ id: 1234, perm: 7 }], namedGroups: [] },
  },
  {
    message: 'MATOCL_FUSE_CHUNK_HAS_CHANGED',
    about: '02 §17',
    payload: '00000000 0000000f 00000000 0000000000000004 00000001 00000000000004d2 00',
    value: { inode: 15, chunkId: 4, version: 1, length: 1234, truncateFlag: 0 },
  },
  {
    message: 'MATOCL_FUSE_FLENG_HAS_CHANGED',
    about: '02 §17',
    payload: '00000000 0000000f 0000000005f5e100',
    value: { length: 100_000_000 },
  },
  {
    message: 'MATOCL_FUSE_GETTRASHTIME',
    about: '02 §17',
    payload: '00000006 00000001 00000001 00015180 00000002 00015180 00000001',
    value: { lists: { files: [{ seconds: 86400, count: 2 }], dirs: [{ seconds: 86400, count: 1 }] } },
  },
  // 03 §20
  {
    message: 'CSTOMA_REGISTER',
    about: '03 §20, begin',
    payload:
      '3c 000300ea 00000000 24ce 0000 0002 0000000000000000 0000000000000000 00000000 0000000000000000 0000000000000000 00000000',
    value: { variant: 'begin', version: 0x000300ea, port: 9422, timeoutS: 0, csid: 2 },
  },
  {
    message: 'CSTOMA_REGISTER',
    about: '03 §20, chunks',
    payload: '3d 0000000000000001 00000001 0000000000000002 00000002',
    value: {
      variant: 'chunks',
      chunkList: [
        { chunkId: 1, version: 1 },
        { chunkId: 2, version: 2 },
      ],
    },
  },
  { message: 'CSTOMA_REGISTER', about: '03 §20, end', payload: '3e', value: { variant: 'end' } },
  { message: 'CSTOMA_REGISTER', about: '03 §20, leave', payload: '3f', value: { variant: 'leave' } },
  {
    message: 'MATOCS_MASTER_ACK',
    about: '03 §20',
    payload: '00 000300ea 000a 0002 6b028b2318516653',
    value: { variant: 'accepted', timeoutS: 10, csid: 2, metaid: 0x6b028b2318516653n },
  },
  { message: 'MATOCS_MASTER_ACK', about: '03 §20, go on', payload: '00', value: { variant: 'next' } },
  { message: 'CSTOMA_LABELS', about: '03 §20', payload: '00000000', value: { labelMask: 0 } },
  {
    message: 'CSTOMA_SPACE',
    about: '03 §20',
    payload: '00000005a3a3f000 000000195d960000 00000001 0000000000000000 0000000000000000 00000000',
    value: { usedSpace: 0x5a3a3f000, totalSpace: 0x195d960000, chunks: 1 },
  },
  { message: 'CSTOMA_CURRENT_LOAD', about: '03 §20', payload: '00000000 01', value: { load: 0, hlstatus: 1 } },
  {
    message: 'MATOCS_CREATE',
    about: '03 §20',
    payload: '0000000000000001 00000001',
    value: { chunkId: 1, version: 1 },
  },
  { message: 'CSTOMA_CREATE', about: '03 §20', payload: '0000000000000001 00', value: { chunkId: 1, status: 0 } },
  {
    message: 'MATOCS_DUPLICATE',
    about: '03 §20',
    payload: '0000000000000003 00000001 0000000000000002 00000001',
    value: { newChunkId: 3, newVersion: 1, oldChunkId: 2, oldVersion: 1 },
  },
  {
    message: 'MATOCS_TRUNCATE',
    about: '03 §20',
    payload: '0000000000000002 000101d0 00000002 00000001',
    value: { length: 66000, newVersion: 2, oldVersion: 1 },
  },
  {
    message: 'MATOCS_DUPTRUNC',
    about: '03 §20',
    payload: '0000000000000004 00000001 0000000000000002 00000002 000003e8',
    value: { newChunkId: 4, length: 1000 },
  },
  {
    message: 'MATOCS_SET_VERSION',
    about: '03 §20',
    payload: '0000000000000101 00000002 00000001',
    value: { newVersion: 2, oldVersion: 1 },
  },
  {
    message: 'MATOCS_REPLICATE',
    about: '03 §20',
    payload: '0000000000000101 00000002 0a010168 24ce',
    value: { variant: 'simple', sourceIp: 0x0a010168, sourcePort: 9422 },
  },
  {
    message: 'CSTOMA_REPLICATE',
    about: '03 §20',
    payload: '0000000000000101 00000002 00',
    value: { version: 2, status: 0 },
  },
  // 04 §15
  {
    message: 'CLTOCS_WRITE',
    about: '04 §15',
    payload: '01 0000000000000001 00000001 0a010168 24ce',
    value: { variant: 'protocol', protocol: 1, chunkId: 1, version: 1, chain: [{ ip: 0x0a010168, port: 9422 }] },
  },
  {
    message: 'CLTOCS_WRITE',
    about: '04 §15, last of the chain',
    payload: '01 0000000000000001 00000001',
    value: { chain: [] },
  },
  {
    message: 'CSTOCL_WRITE_STATUS',
    about: '04 §15',
    payload: '0000000000000001 00000000 00',
    value: { writeId: 0, status: 0 },
  },
  {
    message: 'CLTOCS_WRITE_DATA',
    about: '04 §15',
    payload: '0000000000000001 00000001 0000 0000 0000000c af083b2d 68656c6c6f20776f726c640a',
    value: { writeId: 1, blocknum: 0, offset: 0, size: 12, crc: 0xaf083b2d, data: Buffer.from('hello world\n') },
  },
  {
    message: 'CLTOCS_WRITE_FINISH',
    about: '04 §15',
    payload: '0000000000000001 00000001',
    value: { chunkId: 1, version: 1 },
  },
  {
    message: 'CLTOCS_READ',
    about: '04 §15',
    payload: '01 0000000000000001 00000001 00000000 0000000c',
    value: { variant: 'protocol', size: 12 },
  },
  {
    message: 'CLTOCS_READ',
    about: '04 §15, replicator',
    payload: '0000000000000101 00000002 00000000 00410000',
    value: { variant: 'plain', size: 65 * 65536 },
  },
  {
    message: 'CSTOCL_READ_DATA',
    about: '04 §15',
    payload: '0000000000000001 0000 0000 0000000c af083b2d 68656c6c6f20776f726c640a',
    value: { blocknum: 0, size: 12 },
  },
  { message: 'CSTOCL_READ_STATUS', about: '04 §15', payload: '0000000000000001 00', value: { status: 0 } },
  {
    message: 'CSTOAN_CHUNK_BLOCKS',
    about: '04 §15',
    payload: '0000000000000101 00000002 0041 00',
    value: { blocks: 65, status: 0 },
  },
  {
    message: 'ANTOCL_MODULE_INFO',
    about: '04 §15',
    payload: '02 000300ea 0001 6b028b2318516653 0a010169 24cc',
    value: { moduleType: 2, leaderPort: 9420 },
  },
  // 11 §3
  {
    message: 'MATOCL_INFO',
    about: '11 §3.1',
    payload: `000300ea 000000001d55e000 0000000000094ab8 000000000050fdf3 00000032bb2c0000 000000252ab73000 000000252ab73000
      0000000000000001 00000001 0000000000000000 00000000 0000000b 00000003 00000006 00000004 00000008 00000008
      00000000 00000000 00 ffffffff 00000000 00000000 0000000000000070 ffccfd8adefbe2de 000660d7d2d3cd78 00000000`,
    value: { memUsage: 492167168, allNodes: 11, metaVersion: 112, exportsChecksum: 0xffccfd8adefbe2den, state: 255 },
  },
  {
    message: 'MATOCL_CSERV_LIST',
    about: '11 §3.3',
    payload: `00 0300ea 0a010168 24ce 0001 00000006c83aa000 000000195d960000 00000004 ${'0'.repeat(16 + 16 + 8 + 8 + 8 + 8 + 8 + 2)}`,
    value: { servers: [{ flags: 0, version: 0x0300ea, port: 9422, csid: 1, chunks: 4 }] },
  },
  {
    message: 'MATOCL_MLOG_LIST',
    about: '11 §3.4',
    payload: '000300ea 0a010168',
    value: { metaloggers: [{ version: 0x000300ea, ip: 0x0a010168 }] },
  },
  {
    message: 'MATOCL_NODE_INFO',
    about: '11 §3.17, directory',
    payload: '00000000 0001 0000000000000000 00000008 00000005 00000004 00000003',
    value: { variant: 'directory', children: [8, 5, 4, 3] },
  },
  {
    message: 'MATOCL_NODE_INFO',
    about: '11 §3.17, file',
    payload: '00000000 0002 0000000000000000 0000000000000006 0000000000000001 00012000 02',
    value: { variant: 'file', length: 6, chunks: [{ chunkId: 1, size: 0x12000, copies: 2 }] },
  },
  {
    message: 'MATOCL_MASS_RESOLVE_PATHS',
    about: '11 §3.13',
    payload: '00000004 00000008 00000004 64312f61',
    value: { inodes: [{ inode: 4, paths: Buffer.from('\0\0\0\x04d1/a') }] },
  },
];
