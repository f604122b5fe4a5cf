import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ServerFile } from '../domain/orders.ts';
import { readReference } from '../domain/secret-reference.ts';
import { quote, type Complaint } from './complaint.ts';
import type { PlaceOf } from './exactly.ts';
import type { DaemonFile } from './schema.ts';

/** A file that mcpd itself opens or runs, where that is said, and as what. */
type Taken = {
  readonly path: string;
  readonly file: string;
  readonly at: readonly (string | number)[];
  readonly as: string;
};

/**
 * What mcpd takes from a file must not lie where a server may write: with a link in its place, a server would be given any
 * file of the owner's as its secret, and a program would run outside of every wall.
 */
export function inReach(
  { file, secrets, webhooks }: DaemonFile,
  servers: readonly ServerFile[],
  placeOf: PlaceOf,
): Complaint[] {
  const writers = servers.flatMap(({ spec: { name, wall } }) =>
    wall.write.map((it) => ({ name, folder: realOf(it) })),
  );
  if (writers.length === 0) return [];
  const { vaultKey, commands } = secrets;
  const references = [
    ...servers.flatMap(({ file: at, spec }) =>
      Object.entries(spec.secrets).map(([name, it]) => [at, ['secrets', name], it.reference] as const),
    ),
    ...webhooks.map((it) => [file, ['webhooks', it.name, 'secret'], it.secret] as const),
  ];
  const taken: readonly Taken[] = [
    ...references.flatMap(([from, at, text]) => {
      const read = readReference(text);
      return read?.kind === 'file' ? [{ path: read.path, file: from, at, as: 'a secret' }] : [];
    }),
    ...(vaultKey?.kind === 'file'
      ? [{ path: vaultKey.path, file, at: ['secrets', 'vault', 'key'], as: 'the key of the vault' }]
      : []),
    ...commands.map(({ name, command }) => ({
      path: command,
      file,
      at: ['secrets', 'commands', name, 'run', 0],
      as: 'a program that knows secrets',
    })),
  ];
  return taken.flatMap(({ path, file: from, at, as }) => {
    // As it is written, where its name is, and where that leads: each can be replaced.
    const places = [path, join(realOf(dirname(path)), basename(path)), realOf(path)];
    const writer = writers.find(({ folder }) => places.some((it) => isWithin(it, folder)));
    if (writer === undefined) return [];
    return [
      {
        severity: 'error' as const,
        file: from,
        ...placeOf(from, at),
        what: `${as} lies where the server ${quote(writer.name)} may write: ${path}`,
        expected: 'a place that no server has under write',
      },
    ];
  });
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder === '/' ? '' : folder}/`);
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Not there yet: it is judged again when the policy is read next.
    return path;
  }
}
