/**
 * The one place that calls libc. koffi is loaded by the first call, so that programs which need none of this do not need it.
 * Linux with 64-bit `off_t` (x86-64, arm64), little-endian.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';

/** What is used of koffi (its own declarations are those of an ES module). */
interface Koffi {
  load(path: string): { func(prototype: string): unknown };
  struct(members: Readonly<Record<string, string>>): unknown;
  decode(pointer: unknown, type: unknown): unknown;
  errno(): number;
}

/** The functions of libc that Wapiti uses. Structures are passed as buffers laid out by the callers. */
export interface Libc {
  readonly fcntlLock: (fd: number, command: number, flock: Buffer) => number;
  readonly dup2: (from: number, to: number) => number;
  readonly close: (fd: number) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Buffer, length: number) => number;
  readonly setsockopt: (fd: number, level: number, option: number, value: Buffer, length: number) => number;
  readonly sendto: (
    fd: number,
    data: Buffer,
    length: number,
    flags: number,
    address: Buffer,
    addressLength: number,
  ) => number;
  readonly ifNameToIndex: (name: string) => number;
  readonly getrlimit: (resource: number, limit: Buffer) => number;
  readonly setrlimit: (resource: number, limit: Buffer) => number;
  readonly mlockall: (flags: number) => number;
  readonly schedSetscheduler: (tid: number, policy: number, parameters: Buffer) => number;
  readonly getpwnam: (name: string) => unknown;
  readonly getpwuid: (uid: number) => unknown;
  readonly getgrnam: (name: string) => unknown;
  readonly decodePasswd: (pointer: unknown) => { name: string; uid: number; gid: number };
  readonly decodeGroup: (pointer: unknown) => { name: string; gid: number };
  readonly errno: () => number;
}

/** A failed call of libc. `code` is the name of the errno, such as `EACCES`. */
export class LibcError extends Error {
  readonly code: string;

  constructor(
    readonly syscall: string,
    readonly errno: number,
    what = '',
  ) {
    const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
    super(`${what === '' ? '' : `${what}: `}${syscall}: ${code}`);
    this.name = 'LibcError';
    this.code = code;
  }
}

let loaded: Libc | undefined;

/** @throws Error when koffi or libc cannot be loaded. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

/** @throws LibcError when `result` is negative. */
export function check(result: number, syscall: string, what = ''): number {
  if (result < 0) throw new LibcError(syscall, libc().errno(), what);
  return result;
}

function load(): Libc {
  const koffi = createRequire(__filename)('koffi') as Koffi;
  const lib = openLibc(koffi);
  const func = <T>(prototype: string): T => lib.func(prototype) as T;
  const passwd = koffi.struct({
    name: 'str',
    password: 'str',
    uid: 'uint32_t',
    gid: 'uint32_t',
    gecos: 'str',
    dir: 'str',
    shell: 'str',
  });
  const group = koffi.struct({ name: 'str', password: 'str', gid: 'uint32_t', members: 'void *' });
  const fcntl = func<(...args: unknown[]) => number>('int fcntl(int fd, int cmd, ...)');
  return {
    fcntlLock: (fd, command, flock) => fcntl(fd, command, 'void *', flock),
    dup2: func('int dup2(int from, int to)'),
    close: func('int close(int fd)'),
    socket: func('int socket(int domain, int type, int protocol)'),
    bind: func('int bind(int fd, void *address, uint32_t length)'),
    setsockopt: func('int setsockopt(int fd, int level, int option, void *value, uint32_t length)'),
    sendto: func('int64_t sendto(int fd, void *data, size_t length, int flags, void *address, uint32_t addressLength)'),
    ifNameToIndex: func('unsigned int if_nametoindex(const char *name)'),
    getrlimit: func('int getrlimit(int resource, void *limit)'),
    setrlimit: func('int setrlimit(int resource, void *limit)'),
    mlockall: func('int mlockall(int flags)'),
    schedSetscheduler: func('int sched_setscheduler(int tid, int policy, void *parameters)'),
    getpwnam: func('void *getpwnam(const char *name)'),
    getpwuid: func('void *getpwuid(uint32_t uid)'),
    getgrnam: func('void *getgrnam(const char *name)'),
    decodePasswd: (pointer) => koffi.decode(pointer, passwd) as { name: string; uid: number; gid: number },
    decodeGroup: (pointer) => koffi.decode(pointer, group) as { name: string; gid: number },
    errno: () => koffi.errno(),
  };
}

function openLibc(koffi: Koffi): { func(prototype: string): unknown } {
  try {
    return koffi.load('libc.so.6');
  } catch {
    return koffi.load('libc.so'); // musl
  }
}
