import { resolve } from 'node:path';
import { readReference } from '../domain/secret-reference.ts';

/** A secret reference with an absolute path, so that it means the same wherever it is resolved; undefined when it is none. */
export function fromHere(written: string, folder: string): string | undefined {
  const read = readReference(written);
  if (read === undefined) return undefined;
  return read.kind === 'file' ? `file:${resolve(folder, read.path)}` : written;
}
