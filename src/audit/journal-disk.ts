import {
  close,
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  open,
  openSync,
  unlink,
  writeSync,
  constants,
} from 'node:fs';
import { promisify } from 'node:util';

/** Everything that the journal does to the disk. The real one unless a test wants a disk that fails at a certain step. */
export type Disk = {
  /** Appends some of `bytes` from `offset` on and says how many. */
  readonly append: (fd: number, bytes: Buffer, offset: number) => number;
  /** Writes all of `bytes` at `position`. */
  readonly put: (fd: number, bytes: Buffer, position: number) => void;
  readonly cut: (fd: number, bytes: number) => void;
  /** Opens a file that must not be there yet, to append to it. */
  readonly create: (path: string) => number;
  readonly sync: (fd: number) => Promise<void>;
  /** The same, and nothing else goes on meanwhile: for once in the life of a daemon. */
  readonly syncNow: (fd: number) => void;
  /** The names in a directory: without it a power cut takes a new file away, however well its bytes were synced. */
  readonly syncDir: (dir: string) => Promise<void>;
  /** The same, and nothing else goes on meanwhile: for once in the life of a state directory. */
  readonly syncDirNow: (dir: string) => void;
  readonly remove: (path: string) => Promise<void>;
};

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR } = constants;

export const realDisk: Disk = {
  append: (fd, bytes, offset) => writeSync(fd, bytes, offset),
  put: (fd, bytes, position) => {
    let done = 0;
    while (done < bytes.length) {
      const wrote = writeSync(fd, bytes, done, bytes.length - done, position + done);
      if (wrote <= 0) throw new Error('the file takes no more bytes');
      done += wrote;
    }
  },
  cut: (fd, bytes) => ftruncateSync(fd, bytes),
  create: (path) => openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
  sync: promisify(fdatasync),
  syncNow: fdatasyncSync,
  syncDir: async (dir) => {
    const fd = await promisify(open)(dir, O_RDONLY | O_DIRECTORY);
    try {
      await promisify(fsync)(fd);
    } catch (reason) {
      if (!cannotSync(reason)) throw reason;
    } finally {
      await promisify(close)(fd);
    }
  },
  syncDirNow: (dir) => {
    const fd = openSync(dir, O_RDONLY | O_DIRECTORY);
    try {
      fsyncSync(fd);
    } catch (reason) {
      if (!cannotSync(reason)) throw reason;
    } finally {
      closeSync(fd);
    }
  },
  remove: promisify(unlink),
};

/** Some file systems cannot sync a directory, and say so. */
function cannotSync(reason: unknown): boolean {
  return ['EINVAL', 'ENOTSUP'].includes((reason as NodeJS.ErrnoException).code ?? '');
}
