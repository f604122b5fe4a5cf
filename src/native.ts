import { createRequire } from 'node:module';

/**
 * The few questions that Node cannot ask the system, over koffi (an optional dependency). Where koffi is missing, or the
 * system is neither Linux nor macOS, every answer is undefined or false, and whoever asked says what is missing.
 */

/** The part of koffi that is used here. */
type Koffi = { readonly load: (path: string | null) => { readonly func: (signature: string) => Native } };
// What a C function takes and gives is in the signature beside it; koffi checks it at the call.
type Native = (...args: unknown[]) => number;

const platform = process.platform === 'linux' || process.platform === 'darwin' ? process.platform : undefined;
const isLinux = platform === 'linux';

// socket(7) for Linux; sys/un.h and sys/ucred.h for macOS.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SOL_LOCAL = 0;
const LOCAL_PEERCRED = 1;
// prctl(2).
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;
// wait(2).
const WNOHANG = 1;
// setrlimit(2).
const RLIMIT_CORE = 4;

// keyctl(2), which the C library has no function for; the numbers of asm/unistd.h.
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const keyctlNumbers: ReadonlyMap<string, number> = new Map([
  ['x64', 250],
  ['arm64', 219],
  ['riscv64', 219],
  ['loong64', 219],
  ['arm', 311],
  ['ia32', 288],
  ['ppc64', 271],
  ['s390x', 280],
]);

let loaded: ReturnType<typeof bind> | undefined | 'never' = 'never';

/** The user at the other end of a Unix socket, as the kernel knows it; undefined where it cannot be known. */
export function peerUid(fd: number): number | undefined {
  const native = library();
  if (native === undefined || !Number.isInteger(fd) || fd < 0) return undefined;
  // Linux: struct ucred {pid, uid, gid}. macOS: struct xucred {version, uid, short ngroups, gid[16]}, 76 bytes.
  const bytes = Buffer.alloc(isLinux ? 12 : 76);
  const size = [bytes.length];
  const [level, option] = isLinux ? [SOL_SOCKET, SO_PEERCRED] : [SOL_LOCAL, LOCAL_PEERCRED];
  if (native.getsockopt(fd, level, option, bytes, size) !== 0) return undefined;
  // Less than we asked for is another structure than we think.
  if ((size[0] ?? 0) < 12) return undefined;
  const uid = bytes.readUInt32LE(4);
  // (uid_t) -1: a socket without a peer, such as one that listens.
  return uid === 0xffff_ffff ? undefined : uid;
}

/**
 * From now on no other process of this user, unless it has the right to trace everybody, can attach to this one or read
 * its memory and environment in /proc. A program that this process starts can be looked at again. False where it cannot be done.
 */
export function notDumpable(): boolean {
  const native = library();
  if (native?.prctl === undefined) return false;
  return native.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) === 0 && native.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) === 0;
}

/**
 * From now on whoever our children leave behind becomes our own child, and can be found however well it hides
 * (PR_SET_CHILD_SUBREAPER(2const)). Whoever asks for this must `reap` what dies. False where it cannot be done.
 */
export function adoptOrphans(): boolean {
  const native = library();
  if (native?.prctl === undefined || native.waitpid === undefined) return false;
  return native.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0;
}

/** Collects a dead child that nobody else here has started; it does not wait for a living one. */
export function reap(pid: number): void {
  // 0 and negative numbers mean any child, and Node would never hear of the end of its own.
  if (pid > 0) library()?.waitpid?.(pid, null, WNOHANG);
}

/** No core file from now on, whatever ends this process or a program it starts. False where it cannot be done. */
export function noCore(): boolean {
  const native = library();
  if (native === undefined) return false;
  // struct rlimit: two rlim_t of 8 bytes, both 0. With the hard limit at 0, nothing can raise it again.
  return native.setrlimit(RLIMIT_CORE, Buffer.alloc(16)) === 0;
}

/**
 * From now on this process, and what it starts, has a keyring of the kernel's that is empty, in the place of the one of the
 * session it was started in: that may hold keys of a file system or tickets, and no wall hides it (keyrings(7)). False where it
 * cannot be asked for; a container that forbids it to us forbids the use of keyrings to whom we start.
 */
export function ownKeyring(): boolean {
  const native = library();
  const call = keyctlNumbers.get(process.arch);
  if (native?.syscall === undefined || call === undefined) return false;
  native.syscall(call, KEYCTL_JOIN_SESSION_KEYRING, null);
  return true;
}

/** Whether the system can be asked at all. */
export function isAvailable(): boolean {
  return library() !== undefined;
}

function library(): ReturnType<typeof bind> | undefined {
  if (loaded === 'never') loaded = bind();
  return loaded;
}

function bind() {
  if (platform === undefined) return undefined;
  try {
    // Asked for at the first use: most commands never need it, and it may not be installed.
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    const lib = koffi.load(null);
    return {
      getsockopt: lib.func('int getsockopt(int, int, int, void*, _Inout_ uint32_t*)'),
      setrlimit: lib.func('int setrlimit(int, void*)'),
      prctl: isLinux
        ? lib.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
        : undefined,
      waitpid: isLinux ? lib.func('int waitpid(int, void*, int)') : undefined,
      syscall: isLinux ? lib.func('long syscall(long, long, const char*)') : undefined,
    };
  } catch {
    return undefined;
  }
}
