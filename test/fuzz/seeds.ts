import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/daemon.ts';

const corpora = join(projectRoot, '..', 'shared', 'corpora');
const filesMax = 400;
const fileBytesMax = 64 * 1024;

/** Small files of a public corpus beside the repository, which is never part of it; none where it is not there. */
export function filesOf(folder: string, ending: RegExp): readonly Buffer[] {
  const root = join(corpora, folder);
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .toSorted()
    .map((name) => join(root, name))
    .filter((path) => statSync(path).size <= fileBytesMax && statSync(path).isFile())
    .slice(0, filesMax)
    .map((path) => readFileSync(path));
}

/** The lines of such files. */
export function linesOf(folder: string, ending: RegExp): readonly Buffer[] {
  return filesOf(folder, ending)
    .flatMap((file) => file.toString('latin1').split('\n'))
    .filter((line) => line !== '')
    .slice(0, filesMax)
    .map((line) => Buffer.from(line, 'latin1'));
}

export function texts(...all: readonly string[]): readonly Buffer[] {
  return all.map((text) => Buffer.from(text));
}
