import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The public test data lives beside the project, not in it; tests that need it say so when it is absent. */
export const corporaDir =
  process.env['MCPD_CORPORA'] ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'corpora');

/** For node:test's `skip`: false when a set is there, else the reason. */
export function absent(set: string): string | false {
  return existsSync(join(corporaDir, set)) ? false : `the test data ${set} is not at hand; set MCPD_CORPORA`;
}

export function corpusFile(path: string): string {
  return join(corporaDir, path);
}

/** The lines of a JSON-lines file. */
export function corpusLines<Line>(path: string): Line[] {
  return readFileSync(corpusFile(path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
