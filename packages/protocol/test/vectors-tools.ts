/** Hex examples of spec 06 and 11: metaloggers, monitoring and tools. */
import type { Vector } from './vectors.js';

const zeros = (bytes: number): string => '00'.repeat(bytes);
const text = (value: string): Buffer => Buffer.from(value);
const MAPPING = '00000000 00000000 000003e7 000003e7 01 09 00000000 ffffffff 00000000';

export const toolVectors: Vector[] = [
  // 06 §11
  {
    message: 'ANTOMA_REGISTER',
    about: '06 §11.1',
    payload: '01 000300ea 000a',
    value: { variant: 'fresh', version: 0x000300ea, timeoutS: 10 },
  },
  {
    message: 'ANTOMA_REGISTER',
    about: '06 §11.3',
    payload: '02 000300ea 000a 000000000000000c',
    value: { variant: 'resume', firstVersion: 12 },
  },
  { message: 'ANTOMA_DOWNLOAD_START', about: '06 §11.1', payload: '01', value: { filenum: 1 } },
  { message: 'ANTOMA_DOWNLOAD_START', about: '06 §11.1', payload: '0b', value: { filenum: 11 } },
  {
    message: 'MATOAN_DOWNLOAD_INFO',
    about: '06 §11.1',
    payload: '0000000000000008',
    value: { variant: 'size', size: 8 },
  },
  { message: 'MATOAN_DOWNLOAD_INFO', about: '06 §11.6', payload: 'ff', value: { variant: 'status', status: 255 } },
  {
    message: 'ANTOMA_DOWNLOAD_REQUEST',
    about: '06 §11.4',
    payload: '00000000001e8480 0007a120',
    value: { offset: 2_000_000, length: 500_000 },
  },
  {
    message: 'MATOAN_DOWNLOAD_DATA',
    about: '06 §11.1',
    payload: '0000000000000000 00000008 782fde54 4d46534d204e4557',
    value: { offset: 0, size: 8, crc: 0x782fde54, data: text('MFSM NEW') },
  },
  { message: 'ANTOMA_DOWNLOAD_END', about: '06 §11.1', payload: '', value: {} },
  {
    message: 'MATOAN_METACHANGES_LOG',
    about: '06 §11.2',
    payload:
      'ff 0000000000000007 313739353332393233317c43524541544528312c6469722c322c3531312c31382c302c302c30293a32 00',
    value: { variant: 'change', version: 7, text: text('1795329231|CREATE(1,dir,2,511,18,0,0,0):2\0') },
  },
  { message: 'MATOAN_METACHANGES_LOG', about: '06 §11.2, rotation', payload: '55', value: { variant: 'rotate' } },
  { message: 'ANTOAN_GET_VERSION', about: '06 §11.5', payload: '', value: { variant: 'plain' } },
  { message: 'ANTOAN_GET_VERSION', about: '06 §11.5', payload: '00000007', value: { variant: 'msgid', msgid: 7 } },
  // 11 §2
  {
    message: 'ANTOAN_VERSION',
    about: '11 §2.1',
    payload: '00000007 000300ea 332e302e3131372d31',
    value: { variant: 'msgid', msgid: 7, text: text('3.0.117-1') },
  },
  {
    message: 'ANTOAN_GET_CONFIG',
    about: '11 §2.2',
    payload: '00000005 09 444154415f50415448',
    value: { msgid: 5, name: text('DATA_PATH') },
  },
  {
    message: 'ANTOAN_CONFIG_VALUE',
    about: '11 §2.2',
    payload: '00000005 0c 2f7661722f6c69622f6d6673',
    value: { msgid: 5, value: text('/var/lib/mfs') },
  },
  { message: 'ANTOAN_CONFIG_VALUE', about: '11 §2.2, not set', payload: '00000005 00', value: { value: text('') } },
  {
    message: 'ANTOCL_MODULE_INFO',
    about: '11 §2.3, master',
    payload: '01 000300ea 0000 6b0289d2b6615213 00000000 0000',
    value: { moduleType: 1, moduleId: 0 },
  },
  // 11 §3
  {
    message: 'MATOCL_CSERV_LIST',
    about: '11 §3.3, in temporary maintenance',
    payload: `07 000000 0a010174 24ce 0002 ${zeros(57)}`,
    value: { servers: [{ flags: 7, version: 0, ip: 0x0a010174, csid: 2 }] },
  },
  {
    message: 'MATOCL_EXPORTS_INFO',
    about: '11 §3.5',
    payload: `00000000 ffffffff 00000001 2f 00000000 01 08 0000 ${MAPPING}`,
    value: {},
  },
  {
    message: 'MATOCL_SESSION_LIST',
    about: '11 §3.6',
    payload: `0010 00000001 0a01016f 000300ea 00000005 01 ffffffff 0000000f 2f${'61'.repeat(14)} 00000001 2f 08 0000 ${MAPPING} ${zeros(128)}`,
    value: { statsCount: 16 },
  },
  {
    message: 'MATOCL_FSTEST_INFO',
    about: '11 §3.8',
    payload: `00000000 6b028d57 ${zeros(28)}`,
    value: { variant: 'plain', loopStart: 0, loopEnd: 0x6b028d57 },
  },
  {
    message: 'MATOCL_CHUNKSTEST_INFO',
    about: '11 §3.9',
    payload: `6b028d3c 6b028e6b ${zeros(32)} 00000000 00000004 ${zeros(24)}`,
    value: { loopStart: 0x6b028d3c, copyUndergoal: 0, nocopyUndergoal: 4 },
  },
  {
    message: 'MATOCL_QUOTA_INFO',
    about: '11 §3.10',
    payload: `00000002 00000003 2f6431 00015180 00 96 00014e7f
      00000000 0000000040000000 0000000000a037a0 0000000000000000
      000000c8 0000000000000000 0000000000000000 0000040000000000
      00000004 0000000004600007 0000000004616000 0000000008c2c000`,
    value: {
      quotas: [
        {
          inode: 2,
          path: text('/d1'),
          gracePeriodS: 86_400,
          flags: 0x96,
          soft: { inodes: 0, length: 2 ** 30, size: 10_500_000, realsize: 0 },
          hard: { inodes: 200, length: 0, size: 0, realsize: 2 ** 42 },
          current: { inodes: 4, length: 73_400_327, size: 73_490_432, realsize: 146_980_864 },
        },
      ],
    },
  },
  // 11 §4, §5
  {
    message: 'CSTOCL_HDD_LIST',
    about: '11 §4.1, 04 §15',
    payload: `00f1 0f ${'2f'.repeat(15)} 00 0000000000000000 00000000 00000006afc96000 000000195d960000 00000004
      ${zeros(64)} 0000000000000000 0000000004600007 0000000000000000 000000000003215a 0000000000000000
      00000000 00000462 00000000 00000000 00002495 00000000 ${zeros(64)}`,
    value: { disks: [{ flags: 0, chunks: 4, hour: { usecWrite: 205_146, writeOps: 1122 } }] },
  },
  {
    message: 'CSTOAN_CHUNK_BLOCKS',
    about: '11 §4.2',
    payload: '0000000000000001 00000001 0001 00',
    value: { blocks: 1, status: 0 },
  },
  {
    message: 'CSTOAN_CHUNK_CHECKSUM',
    about: '11 §4.2',
    payload: '0000000000000001 00000001 ad840284',
    value: { variant: 'ok', checksum: 0xad840284 },
  },
  {
    message: 'CSTOAN_CHUNK_CHECKSUM',
    about: '11 §4.2, no such chunk',
    payload: '0000000000000063 00000001 0d',
    value: { variant: 'status', status: 13 },
  },
  {
    message: 'ANTOCL_CHART_DATA',
    about: '11 §5.4',
    payload: '6b028f30 00000003 000000000004dc09 0000000000043bef 0000000000049772',
    value: {},
  },
  // 11 §7
  {
    message: 'CLTOMA_SCLASS_CREATE',
    about: '11 §7',
    payload: `00000000 03 736331 00 01 02 0000 02 02 02 ${`00000001 ${zeros(12)} 00000002 ${zeros(12)}`.repeat(3)}`,
    value: {
      name: text('sc1'),
      adminOnly: 1,
      mode: 2,
      createLabels: [
        [1, 0, 0, 0],
        [2, 0, 0, 0],
      ],
    },
  },
  {
    message: 'CLTOMA_SCLASS_CHANGE',
    about: '11 §7',
    payload: `00000000 03 736333 00 0030 00 01 000a 00 00 02 ${zeros(32)}`,
    value: { chgmask: 0x30, mode: 1, archDelay: 10, archCount: 2 },
  },
  {
    message: 'MATOCL_SCLASS_CHANGE',
    about: '11 §7',
    payload: `00000000 00 00 01 000a 01 02 02 ${zeros(80)}`,
    value: { variant: 'ok', archDelay: 10, createCount: 1 },
  },
  {
    message: 'CLTOMA_SCLASS_DUPLICATE',
    about: '11 §7',
    payload: '00000000 03 736333 03 736335',
    value: { source: text('sc3'), target: text('sc5') },
  },
  { message: 'MATOCL_SCLASS_DELETE', about: '11 §7, unknown', payload: '00000000 34', value: { status: 52 } },
  // 11 §8
  {
    message: 'MATOCL_FUSE_GETSCLASS',
    about: '11 §8, a file',
    payload: '00000000 01 00 02 00000001',
    value: { lists: { files: [{ id: 2, count: 1 }], dirs: [] } },
  },
  {
    message: 'MATOCL_FUSE_GETSCLASS',
    about: '11 §8, a directory',
    payload: '00000000 00 01 02 00000001',
    value: { lists: { files: [], dirs: [{ id: 2, count: 1 }] } },
  },
  {
    message: 'MATOCL_FUSE_GETSCLASS',
    about: '11 §8, named class',
    payload: '00000000 01 00 ff 03 736331 00000001',
    value: { lists: { files: [{ id: 255, name: text('sc1'), count: 1 }] } },
  },
  {
    message: 'MATOCL_FUSE_GETSCLASS',
    about: '11 §8, recursive',
    payload: '00000000 02 01 02 00000001 ff 03 736331 00000001 02 00000002',
    value: { lists: { dirs: [{ id: 2, count: 2 }] } },
  },
  {
    message: 'MATOCL_FUSE_GETTRASHTIME',
    about: '11 §8',
    payload: '00000000 00000001 00000001 00015180 00000002 00015180 00000002',
    value: { lists: { files: [{ seconds: 86_400, count: 2 }] } },
  },
  {
    message: 'MATOCL_FUSE_GETEATTR',
    about: '11 §8',
    payload: '00000000 02 01 00 00000002 09 00000001 00 00000002',
    value: { lists: { files: [{ eattr: 0 }, { eattr: 9, count: 1 }] } },
  },
  { message: 'CLTOMA_FUSE_GETSCLASS', about: '11 §8', payload: '00000000 00000004 00', value: { inode: 4, gmode: 0 } },
  {
    message: 'CLTOMA_FUSE_SETSCLASS',
    about: '11 §8, setgoal 2-',
    payload: '00000000 00000004 00000000 02 02',
    value: { id: 2, smode: 2 },
  },
  {
    message: 'CLTOMA_FUSE_SETSCLASS',
    about: '11 §8, setsclass',
    payload: '00000000 00000004 00000000 ff 00 03 736331',
    value: { id: 255, smode: 0, name: text('sc1') },
  },
  {
    message: 'CLTOMA_FUSE_SETSCLASS',
    about: '11 §8, xchgsclass',
    payload: '00000000 00000002 00000000 ff 07 03 736332 01 32',
    value: { smode: 7, oldName: text('sc2'), name: text('2') },
  },
  {
    message: 'CLTOMA_FUSE_SETTRASHTIME',
    about: '11 §8',
    payload: '00000000 00000004 00000000 00001c20 01',
    value: { seconds: 7200, smode: 1 },
  },
  {
    message: 'CLTOMA_FUSE_SETEATTR',
    about: '11 §8',
    payload: '00000000 00000004 00000000 09 01',
    value: { eattr: 9, smode: 1 },
  },
  {
    message: 'CLTOMA_FUSE_ARCHCTL',
    about: '11 §8, set',
    payload: '00000000 00000004 01 00000000',
    value: { cmd: 1, uid: 0 },
  },
  {
    message: 'CLTOMA_FUSE_APPEND_SLICE',
    about: '11 §8',
    payload: '00000000 01 00000010 00000005 00000001 80000000 00000000 00000001 00000000',
    value: { variant: 'slice', flags: 1, inode: 16, sourceInode: 5, sliceFrom: 1, sliceTo: 0x80000000 },
  },
  {
    message: 'CLTOMA_FUSE_SNAPSHOT',
    about: '11 §8, make',
    payload: '00000000 00000004 00000001 05 736e617061 00000000 00000001 00000000 01 0012',
    value: { inode: 4, parentDst: 1, nameDst: text('snapa'), smode: 1, requmask: 0o22 },
  },
  {
    message: 'CLTOMA_FUSE_SNAPSHOT',
    about: '11 §8, remove',
    payload: '00000000 00000000 00000001 05 736e617064 00000000 00000001 00000000 80 0012',
    value: { inode: 0, smode: 0x80 },
  },
  {
    message: 'CLTOMA_FUSE_REPAIR',
    about: '11 §8',
    payload: '00000000 00000004 00000000 00000001 00000000',
    value: { inode: 4, gids: [0] },
  },
  {
    message: 'CLTOMA_FUSE_QUOTACONTROL',
    about: '11 §8, set',
    payload: `00000000 00000002 33 00015180 00000064 0000000040000000 ${zeros(16)} 000000c8 0000000077359400 ${zeros(16)}`,
    value: { variant: 'set', flags: 0x33, gracePeriodS: 86_400, softInodes: 100, hardLength: 2_000_000_000 },
  },
  {
    message: 'CLTOMA_FUSE_QUOTACONTROL',
    about: '11 §8, delete',
    payload: '00000000 00000002 21',
    value: { variant: 'delete', flags: 0x21 },
  },
  {
    message: 'MATOCL_FUSE_SETSCLASS',
    about: '11 §8',
    payload: '00000000 00000001 00000003 00000000',
    value: { changed: 1, notChanged: 3, notPermitted: 0 },
  },
  {
    message: 'MATOCL_FUSE_REPAIR',
    about: '11 §8',
    payload: '00000000 00000003 00000000 00000000',
    value: { notChanged: 3 },
  },
  {
    message: 'MATOCL_FUSE_CHECK',
    about: '11 §8, one chunk',
    payload: '00000000 0000000000000001 00000001 0a010168 24ce 00 0a010174 24ce 00',
    value: { variant: 'chunk', copies: [{ ip: 0x0a010168, port: 9422, type: 0 }, { ip: 0x0a010174 }] },
  },
  {
    message: 'MATOCL_FUSE_CHECK',
    about: '11 §8, a file of two chunks',
    payload: `00000000 ${zeros(8)} 00000002 ${zeros(36)}`,
    value: { variant: 'file', counters: [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
  },
  {
    message: 'MATOCL_FUSE_ARCHCTL',
    about: '11 §8',
    payload: '00000000 0000000000000000 0000000000000003 00000000 00000000 00000002',
    value: { variant: 'get', notArchChunks: 3, notArchInodes: 2 },
  },
  {
    message: 'MATOCL_FUSE_GETDIRSTATS',
    about: '11 §8',
    payload: `00000000 00000005 00000002 00000002 ${zeros(8)} 00000003 ${zeros(8)} 0000000004600007 0000000004616000
      0000000008c2c000`,
    value: { variant: 'mount', inodes: 5, chunks: 3, realsize: 146_980_864 },
  },
  // 02 §17, 03 §20, 10 §24: what the other table has not
  {
    message: 'CSTOMA_CHUNK_NEW',
    about: '03 §20, marked for removal',
    payload: '0000000000000001 80000005',
    value: { chunkList: [{ chunkId: 1, version: 0x80000005 }] },
  },
  {
    message: 'CSTOMA_SPACE',
    about: '03 §20, marked disk',
    payload: `${zeros(16)} 00000000 00000006be53e000 000000195d960000 0000000c`,
    value: { totalSpace: 0, tdChunks: 12 },
  },
  { message: 'MATOCS_DELETE', about: '03 §20', payload: '0000000000000101 00000000', value: { version: 0 } },
  { message: 'CSTOMA_DELETE', about: '03 §20', payload: '0000000000000101 00', value: { chunkId: 0x101, status: 0 } },
  { message: 'CSTOMA_SET_VERSION', about: '10 §24.10', payload: '0000000000000779 10', value: { status: 16 } },
  { message: 'CSTOCL_READ_STATUS', about: '04 §15, damaged', payload: '0000000000000002 1d', value: { status: 29 } },
  { message: 'ANTOCS_GET_CHUNK_BLOCKS', about: '04 §15', payload: '0000000000000101 00000002', value: { version: 2 } },
  {
    message: 'MATOCL_FUSE_READ_CHUNK',
    about: '10 §24.9, no copy',
    payload: '00000006 02 0000000000000002 0000000000000779 00000003',
    value: { variant: 'ok', chunkId: 0x779, version: 3, locations: [] },
  },
  {
    message: 'MATOCL_FUSE_READ_CHUNK',
    about: '10 §24.8',
    payload: '0000000b 0b',
    value: { variant: 'status', status: 11 },
  },
  {
    message: 'CLTOMA_CSSERV_COMMAND',
    about: '10 §24.9',
    payload: '00 0a010179 251c',
    value: { command: 0, ip: 0x0a010179, port: 9500 },
  },
];
