import type { ServerSpec } from '../domain/orders.ts';
import type { Launch } from '../domain/wall.ts';
import type { ChildDeps } from './deps.ts';

/** How a child is started: behind its wall, where the daemon builds walls. Rejects where it may not be started so. */
export async function launchFor({ wall }: ChildDeps, spec: ServerSpec): Promise<Launch> {
  if (wall !== undefined) return wall.launchOf(spec);
  const { command, args, cwd } = spec;
  return { command, args, cwd, env: {}, walled: false };
}
