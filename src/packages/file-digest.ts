import { createHash } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

const partBytes = 256 * 1024;
/** Programs are large, and not endless. */
const bytesMax = 4 * 1024 ** 3;
const filesMax = 1000;
/** Times of files move in steps; two changes within one step look like one. */
const settledMs = 2000;

/**
 * SHA-256 of files, 64 hex digits. A file is read again only when its stat has changed; the time of the last change of its
 * inode is part of that, and only root can set it.
 */
export class FileDigests {
  readonly #known = new Map<string, { readonly stamp: string; readonly digest: string }>();
  /** How often a file was read whole; for tests. */
  reads = 0;
  readonly #wallMs: () => number;

  constructor(wallMs: () => number = Date.now) {
    this.#wallMs = wallMs;
  }

  /** Rejects with what the system says, and on anything but a plain file. Follows links. */
  async of(path: string): Promise<string> {
    // A named pipe in its place would hold a thread until somebody wrote to it, and there are four.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat({ bigint: true });
      if (!stat.isFile()) throw new Error(`${path} is not a plain file`);
      if (stat.size > bytesMax) throw new Error(`${path} is larger than ${bytesMax} bytes`);
      const stamp = stampOf(stat);
      const known = this.#known.get(path);
      if (known?.stamp === stamp) return known.digest;
      const digest = await this.#read(file);
      // Written while it was read: what was hashed may never have been there. The next look reads again.
      if (stampOf(await file.stat({ bigint: true })) !== stamp) throw new Error(`${path} is being changed`);
      if (this.#known.size >= filesMax) this.#known.clear();
      if (this.#wallMs() - Number(stat.ctimeNs / 1_000_000n) > settledMs)
        this.#known.set(path, { stamp, digest });
      return digest;
    } finally {
      await file.close();
    }
  }

  async #read(file: FileHandle): Promise<string> {
    this.reads++;
    const hash = createHash('sha256');
    const part = Buffer.alloc(partBytes);
    for (let at = 0; at < bytesMax;) {
      const { bytesRead } = await file.read(part, 0, partBytes, at);
      if (bytesRead === 0) break;
      hash.update(part.subarray(0, bytesRead));
      at += bytesRead;
    }
    return hash.digest('hex');
  }
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
