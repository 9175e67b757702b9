/** What a command line of mfsmount asks for (spec 12 §11, 13 §13). */

export type CacheMode = 'auto' | 'yes' | 'no' | 'direct';

export interface MountSettings {
  /** Absolute path of the directory to mount on. */
  readonly mountPoint: string;
  readonly foreground: boolean;
  /** Where a mount in the background writes its log (ours: `-o mfslogfile=FILE`). */
  readonly logFile: string;
  /** Verbose log. */
  readonly debug: boolean;

  readonly masterHost: string;
  readonly masterPort: number;
  readonly bindAddress: string | undefined;
  readonly proxyAddress: string;
  /** Folder of the cluster that becomes the root of the mount. */
  readonly subfolder: string;
  /** MD5 of the password. */
  readonly passwordDigest: Buffer | undefined;
  /** The password is asked for on the terminal (`-p`). */
  readonly askPassword: boolean;
  /** False: forgotten after the first registration, so that a lost session is made anew without it. */
  readonly rememberPassword: boolean;
  /** The mount appears at once and registers in the background. */
  readonly delayedInit: boolean;
  readonly meta: boolean;
  readonly flatTrash: boolean;

  readonly cacheMode: CacheMode;
  readonly attributesCacheMs: number;
  readonly xattrCacheMs: number;
  readonly entryCacheMs: number;
  readonly directoryEntryCacheMs: number;
  readonly negativeEntryCacheMs: number;
  readonly symlinkCacheMs: number;
  readonly groupsCacheMs: number;
  /** A file open for a shorter time than this is closed without waiting for its data. */
  readonly fsyncMinMs: number;

  readonly writeCacheBytes: number;
  readonly readAheadBytes: number;
  readonly readAheadLengthBytes: number;
  readonly readAheadTriggerBytes: number;
  /** Undefined: not given, operations wait for the master however long it is away. */
  readonly ioRetries: number | undefined;
  /** 0: no limit. */
  readonly timeoutS: number;
  readonly logRetry: number;
  readonly errorOnLostChunk: boolean;
  readonly errorOnNoSpace: boolean;
  readonly preferredLabels: string | undefined;

  readonly mkdirCopySgid: boolean;
  /** SUGID_CLEAR_MODE_*. */
  readonly sugidClearMode: number;
  readonly xattrs: boolean;
  readonly posixLocks: boolean;
  readonly bsdLocks: boolean;

  readonly openFilesLimit: number;
  readonly nice: number;
  readonly lockMemory: boolean;
  readonly allowOomKiller: boolean;

  readonly nonEmpty: boolean;
  readonly allowOther: boolean;
  readonly defaultPermissions: boolean;
  readonly readOnly: boolean;
  /** Source shown in /proc/mounts. */
  readonly source: string;
  readonly subtype: string | undefined;
  /** Options of mount(8) handed on, such as `nosuid`. */
  readonly kernelOptions: readonly string[];
  /** To be told to the user, such as values that were out of range. */
  readonly notices: readonly string[];
}

/** A command line that cannot be obeyed; `message` is what the user is told. */
export class UsageError extends Error {
  readonly code = 'EUSAGE';

  constructor(
    message: string,
    /** Point to `-h`. */
    readonly seeHelp = false,
  ) {
    super(message);
  }
}
