import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * A small file that a child may have written, whole; undefined where there is none. Rejects with an `Error` that says why on
 * anything else than a plain file: a pipe in its place would hold us up, a link would lead us elsewhere.
 */
export async function readSmall(path: string, bytesMax: number): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((reason: NodeJS.ErrnoException) => {
    if (reason.code === 'ENOENT' || reason.code === 'ENOTDIR') return undefined;
    throw new Error(
      reason.code === 'ELOOP' ? `${path} is a link` : `${path}: ${reason.code ?? 'cannot be read'}`,
    );
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat().then((stat) => {
      if (!stat.isFile()) throw new Error(`${path} is not a plain file`);
      return stat;
    });
    if (size > bytesMax) throw new Error(`${path} is larger than ${bytesMax} bytes`);
    const bytes = Buffer.alloc(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await file.read(bytes, at, size - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.toString('utf8', 0, at);
  } finally {
    await file.close();
  }
}
