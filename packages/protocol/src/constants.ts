/** Limits, flags and enumerations of the wire (spec 01 §2.1, §3.1, §4, §7), under their wire names. */

// Limits and sizes (spec 01 §4)
export const MFSBLOCKSIZE = 0x10000;
export const MFSBLOCKBITS = 16;
export const MFSBLOCKSINCHUNK = 0x400;
export const MFSCHUNKSIZE = 0x04000000;
export const MFSCHUNKBITS = 26;
export const MFSCHUNKMASK = 0x03ffffff;
export const MFSHDRSIZE = 0x2000;
/** CRC-32 of 65536 zero bytes. */
export const MFSCRCEMPTY = 0xd7978eeb;
export const MFS_ROOT_ID = 1;
export const MFS_NAME_MAX = 255;
export const MFS_SYMLINK_MAX = 4096;
export const MFS_PATH_MAX = 1024;
export const MFS_MAX_FILE_SIZE = 2 ** 57;
export const MFS_MAX_CHUNK_INDEX = 0x7fffffff;
export const MFS_XATTR_NAME_MAX = 255;
export const MFS_XATTR_SIZE_MAX = 65536;
export const MFS_XATTR_LIST_MAX = 65536;
export const MASKORGROUP = 4;
export const MAX_LABELS_PER_SET = 9;
export const TRASH_BUCKETS = 4096;
export const SUSTAINED_BUCKETS = 256;
export const EDGEID_MAX = 0x7fffffffffffffffn;
export const LOCKTIMEOUT_S = 120;
export const DEFAULT_TRASHTIME_HOURS = 24;
export const DEFAULT_SCLASS = 2;
export const ATTR_RECORD_SIZE = 36;

// Largest accepted payload length per receiver (spec 01 §2.1)
export const CSTOMA_MAXPACKETSIZE = 500_000_000;
export const CLTOMA_MAXPACKETSIZE = 50_000_000;
export const ANTOMA_MAXPACKETSIZE = 1_500_000;
export const MATOAN_MAXPACKETSIZE = 1_500_000;
export const MATOCS_MAXPACKETSIZE = 10_000;
export const CSTOCS_MAXPACKETSIZE = 100_000;
export const CLTOCS_MAXPACKETSIZE = 100_000;
export const ANTOCS_MAXPACKETSIZE = 100_000;
export const CSTOCL_MAXPACKETSIZE = 100_000;
/** The reference sets no limit for answers of the master; ours is the largest packet a master accepts itself. */
export const MATOCL_MAXPACKETSIZE = 500_000_000;

// Default ports (spec 01 §2)
export const DEFAULT_MASTER_CONTROL_PORT = 9419;
export const DEFAULT_MASTER_CS_PORT = 9420;
export const DEFAULT_MASTER_CLIENT_PORT = 9421;
export const DEFAULT_CS_DATA_PORT = 9422;
export const DEFAULT_CGI_PORT = 9425;

/** Patience of successive tries to connect to a chunkserver (spec 04 §6.1). */
export const CHUNKSERVER_CONNECT_TIMEOUTS_MS: readonly number[] = [
  200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800,
];

// File types (spec 01 §5.1)
export const TYPE_FILE = 1;
export const TYPE_DIRECTORY = 2;
export const TYPE_SYMLINK = 3;
export const TYPE_FIFO = 4;
export const TYPE_BLOCKDEV = 5;
export const TYPE_CHARDEV = 6;
export const TYPE_SOCKET = 7;
export const TYPE_TRASH = 8;
export const TYPE_SUSTAINED = 9;
/** Display characters by type code; peers may send them in MKNOD. */
export const TYPE_CHARACTERS = '?fdlqbcstr';

// mattr flags (spec 01 §5.3)
export const MATTR_NOACACHE = 0x01;
export const MATTR_NOECACHE = 0x02;
export const MATTR_ALLOWDATACACHE = 0x04;
export const MATTR_NOXATTR = 0x08;
export const MATTR_DIRECTMODE = 0x10;
export const MATTR_UNDELETABLE = 0x20;

// Access mask (spec 01 §7.1)
export const MODE_MASK_R = 4;
export const MODE_MASK_W = 2;
export const MODE_MASK_X = 1;

// LOOKUP lflags (spec 01 §7.2)
export const LOOKUP_ACCESS_MODE_0 = 0x0001;
export const LOOKUP_ACCESS_MODE_X = 0x0002;
export const LOOKUP_ACCESS_MODE_W = 0x0004;
export const LOOKUP_ACCESS_MODE_WX = 0x0008;
export const LOOKUP_ACCESS_MODE_R = 0x0010;
export const LOOKUP_ACCESS_MODE_RX = 0x0020;
export const LOOKUP_ACCESS_MODE_RW = 0x0040;
export const LOOKUP_ACCESS_MODE_RWX = 0x0080;
export const LOOKUP_CHUNK_ZERO_DATA = 0x0100;
export const LOOKUP_RO_FILESYSTEM = 0x0200;
export const LOOKUP_KEEPCACHE = 0x0400;
export const LOOKUP_IMMUTABLE = 0x0800;
export const LOOKUP_DIRECTMODE = 0x1000;
export const LOOKUP_APPENDONLY = 0x2000;
export const LOOKUP_ACCESS_MODES_IO = 0x00fc;
export const LOOKUP_ACCESS_MODES_RO = 0xff33;
export const LOOKUP_ACCESS_BITS = 0x38ff;
/** Low byte of lflags by permission triplet rwx. */
export const LOOKUP_ACCESS_BY_TRIPLET: readonly number[] = [0x01, 0x03, 0x05, 0x0f, 0x11, 0x33, 0x55, 0xff];

// SETATTR setmask (spec 01 §7.3)
export const SET_WINATTR_FLAG = 0x01;
export const SET_MODE_FLAG = 0x02;
export const SET_UID_FLAG = 0x04;
export const SET_GID_FLAG = 0x08;
export const SET_MTIME_NOW_FLAG = 0x10;
export const SET_MTIME_FLAG = 0x20;
export const SET_ATIME_FLAG = 0x40;
export const SET_ATIME_NOW_FLAG = 0x80;
export const SUGID_CLEAR_MODE_NEVER = 0;
export const SUGID_CLEAR_MODE_ALWAYS = 1;
export const SUGID_CLEAR_MODE_OSX = 2;
export const SUGID_CLEAR_MODE_BSD = 3;
export const SUGID_CLEAR_MODE_EXT = 4;
export const SUGID_CLEAR_MODE_XFS = 5;

// OPEN (spec 01 §7.4)
export const OPEN_READ = 0x01;
export const OPEN_WRITE = 0x02;
export const OPEN_AFTER_CREATE = 0x04;
export const OPEN_TRUNCATE = 0x08;
export const OPEN_CACHE_CLEARED = 0x10;
export const OPEN_KEEPCACHE = 0x01;
export const OPEN_DIRECTMODE = 0x02;
export const OPEN_APPENDONLY = 0x04;

// TRUNCATE (spec 01 §7.5)
export const TRUNCATE_FLAG_OPENED = 0x01;
export const TRUNCATE_FLAG_UPDATE = 0x02;
export const TRUNCATE_FLAG_TIMEFIX = 0x04;
export const TRUNCATE_FLAG_RESERVE = 0x08;

// Chunk operations (spec 01 §7.6)
export const CHUNKOPFLAG_CANMODTIME = 0x01;
export const CHUNKOPFLAG_CONTINUEOP = 0x02;
export const CHUNKOPFLAG_CANUSERESERVESPACE = 0x04;

// READDIR (spec 01 §7.7)
export const GETDIR_FLAG_WITHATTR = 0x01;
export const GETDIR_FLAG_ADDTOCACHE = 0x02;

// Session flags (spec 01 §7.8)
export const SESFLAG_READONLY = 0x01;
export const SESFLAG_DYNAMICIP = 0x02;
export const SESFLAG_IGNOREGID = 0x04;
export const SESFLAG_ADMIN = 0x08;
export const SESFLAG_MAPALL = 0x10;
export const SESFLAG_ATTRBIT = 0x40;
export const SESFLAG_METARESTORE = 0x80;

/** Keywords of the exports option `disable=`; index = bit of the disables mask (spec 01 §7.9). */
export const DISABLES: readonly string[] = [
  'chown',
  'chmod',
  'symlink',
  'mkfifo',
  'mkdev',
  'mksock',
  'mkdir',
  'unlink',
  'rmdir',
  'rename',
  'move',
  'link',
  'create',
  'readdir',
  'read',
  'write',
  'truncate',
  'setlength',
  'appendchunks',
  'snapshot',
  'settrash',
  'setsclass',
  'seteattr',
  'setxattr',
  'setfacl',
];
export const DISABLE_CHOWN = 1 << 0;
export const DISABLE_CHMOD = 1 << 1;
export const DISABLE_SYMLINK = 1 << 2;
export const DISABLE_MKFIFO = 1 << 3;
export const DISABLE_MKDEV = 1 << 4;
export const DISABLE_MKSOCK = 1 << 5;
export const DISABLE_MKDIR = 1 << 6;
export const DISABLE_UNLINK = 1 << 7;
export const DISABLE_RMDIR = 1 << 8;
export const DISABLE_RENAME = 1 << 9;
export const DISABLE_MOVE = 1 << 10;
export const DISABLE_LINK = 1 << 11;
export const DISABLE_CREATE = 1 << 12;
export const DISABLE_READDIR = 1 << 13;
export const DISABLE_READ = 1 << 14;
export const DISABLE_WRITE = 1 << 15;
export const DISABLE_TRUNCATE = 1 << 16;
export const DISABLE_SETLENGTH = 1 << 17;
export const DISABLE_APPENDCHUNKS = 1 << 18;
export const DISABLE_SNAPSHOT = 1 << 19;
export const DISABLE_SETTRASH = 1 << 20;
export const DISABLE_SETSCLASS = 1 << 21;
export const DISABLE_SETEATTR = 1 << 22;
export const DISABLE_SETXATTR = 1 << 23;
export const DISABLE_SETFACL = 1 << 24;

// Extra attributes (spec 01 §7.10)
export const EATTR_NOOWNER = 0x01;
export const EATTR_NOACACHE = 0x02;
export const EATTR_NOECACHE = 0x04;
export const EATTR_NODATACACHE = 0x08;
export const EATTR_SNAPSHOT = 0x10;
export const EATTR_UNDELETABLE = 0x20;
export const EATTR_APPENDONLY = 0x40;
export const EATTR_IMMUTABLE = 0x80;

// Recursive set/get modes (spec 01 §7.11)
export const SMODE_SET = 0;
export const SMODE_INCREASE = 1;
export const SMODE_DECREASE = 2;
export const SMODE_EXCHANGE = 3;
export const SMODE_RMASK = 4;
export const SMODE_TMASK = 3;
export const GMODE_NORMAL = 0;
export const GMODE_RECURSIVE = 1;

// Storage classes (spec 01 §7.12)
export const SCLASS_MODE_LOOSE = 0;
export const SCLASS_MODE_STD = 1;
export const SCLASS_MODE_STRICT = 2;
export const SCLASS_CHG_ADMIN_ONLY = 0x0001;
export const SCLASS_CHG_MODE = 0x0002;
export const SCLASS_CHG_CREATE_MASKS = 0x0004;
export const SCLASS_CHG_KEEP_MASKS = 0x0008;
export const SCLASS_CHG_ARCH_MASKS = 0x0010;
export const SCLASS_CHG_ARCH_DELAY = 0x0020;
export const SCLASS_CHG_FORCE = 0x8000;

// Others (spec 01 §7.13)
export const CHECK_VALID = 0;
export const CHECK_MARKEDFORREMOVAL = 1;
export const CHECK_WRONGVERSION = 2;
export const CHECK_WV_AND_MFR = 3;
export const CHECK_INVALID = 4;
export const FLOCK_UNLOCK = 0;
export const FLOCK_TRY_SHARED = 1;
export const FLOCK_LOCK_SHARED = 2;
export const FLOCK_TRY_EXCLUSIVE = 3;
export const FLOCK_LOCK_EXCLUSIVE = 4;
export const FLOCK_INTERRUPT = 5;
export const FLOCK_RELEASE = 6;
export const POSIX_LOCK_CMD_GET = 0;
export const POSIX_LOCK_CMD_SET = 1;
export const POSIX_LOCK_CMD_TRY = 2;
export const POSIX_LOCK_CMD_INT = 3;
export const POSIX_LOCK_UNLCK = 0;
export const POSIX_LOCK_RDLCK = 1;
export const POSIX_LOCK_WRLCK = 2;
export const DTYPE_UNKNOWN = 0;
export const DTYPE_TRASH = 1;
export const DTYPE_SUSTAINED = 2;
export const QUOTA_FLAG_SINODES = 0x01;
export const QUOTA_FLAG_SLENGTH = 0x02;
export const QUOTA_FLAG_SSIZE = 0x04;
export const QUOTA_FLAG_SREALSIZE = 0x08;
export const QUOTA_FLAG_HINODES = 0x10;
export const QUOTA_FLAG_HLENGTH = 0x20;
export const QUOTA_FLAG_HSIZE = 0x40;
export const QUOTA_FLAG_HREALSIZE = 0x80;
export const QUOTA_FLAG_SALL = 0x0f;
export const QUOTA_FLAG_HALL = 0xf0;
export const APPEND_SLICE_FROM_NEG = 0x01;
export const APPEND_SLICE_TO_NEG = 0x02;
export const POSIX_ACL_NONE = 0;
export const POSIX_ACL_ACCESS = 1;
export const POSIX_ACL_DEFAULT = 2;
export const ARCHCTL_CLR = 0;
export const ARCHCTL_SET = 1;
export const ARCHCTL_GET = 2;
export const MFS_XATTR_CREATE_OR_REPLACE = 0;
export const MFS_XATTR_CREATE_ONLY = 1;
export const MFS_XATTR_REPLACE_ONLY = 2;
export const MFS_XATTR_REMOVE = 3;
export const MFS_XATTR_GETA_DATA = 0;
export const MFS_XATTR_LENGTH_ONLY = 1;
export const SNAPSHOT_MODE_CAN_OVERWRITE = 0x01;
export const SNAPSHOT_MODE_CPLIKE_ATTR = 0x02;
export const SNAPSHOT_MODE_FORCE_REMOVAL = 0x04;
export const SNAPSHOT_MODE_PRESERVE_HARDLINKS = 0x08;
export const SNAPSHOT_MODE_DELETE = 0x80;
export const HLSTATUS_DEFAULT = 0;
export const HLSTATUS_OK = 1;
export const HLSTATUS_OVERLOADED = 2;
export const HLSTATUS_REBALANCE = 3;
export const HLSTATUS_GRACEFUL = 4;
export const MFS_CSSERV_COMMAND_REMOVE = 0;
export const MFS_CSSERV_COMMAND_BACKTOWORK = 1;
export const MFS_CSSERV_COMMAND_MAINTENANCEON = 2;
export const MFS_CSSERV_COMMAND_MAINTENANCEOFF = 3;
export const MFS_CSSERV_COMMAND_TMPREMOVE = 4;
export const MFS_SESSION_COMMAND_REMOVE = 0;
export const MODULE_TYPE_UNKNOWN = 0;
export const MODULE_TYPE_MASTER = 1;
export const MODULE_TYPE_CHUNKSERVER = 2;
export const ATIME_ALWAYS = 0;
export const ATIME_FILES_ONLY = 1;
export const ATIME_RELATIVE_ONLY = 2;
export const ATIME_FILES_AND_RELATIVE_ONLY = 3;
export const ATIME_NEVER = 4;
/** Per-session operation counters, index = position in SESSION_LIST. */
export const OPERATION_COUNTERS: readonly string[] = [
  'statfs',
  'getattr',
  'setattr',
  'lookup',
  'mkdir',
  'rmdir',
  'symlink',
  'readlink',
  'mknod',
  'unlink',
  'rename',
  'link',
  'readdir',
  'open',
  'read',
  'write',
];
