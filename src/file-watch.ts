import { stat } from 'node:fs/promises';

/**
 * Looks at files again and again, and says when one of them is another than before. Asked of the file system rather than told
 * by it: certificates and keys come over links, mounts and renames of whole folders, where notices are lost. The first look
 * counts as a change, because a file may have been replaced since somebody read it. Gives the way to end it.
 */
export function watchFiles(paths: readonly string[], everyMs: number, changed: () => void): () => void {
  let before: string | undefined;
  let looking = false;
  let ended = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    const now = (await Promise.all(paths.map(signOf))).join('\n');
    looking = false;
    if (now === before || ended) return;
    before = now;
    changed();
  };
  void look();
  const timer = setInterval(() => void look(), everyMs).unref();
  return () => {
    ended = true;
    clearInterval(timer);
  };
}

/** What changes when a file is written or replaced. */
async function signOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (reason) {
    return (reason as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
