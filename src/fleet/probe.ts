import type { Era } from '../domain/era.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Launch } from '../domain/wall.ts';
import { encode } from '../protocol/codec.ts';
import { metaKeys, modernRevisions } from '../protocol/era.ts';
import { speaksModern } from '../protocol/translate.ts';
import type { ChildDeps } from './deps.ts';
import { Instance } from './instance.ts';
import { launchFor } from './launch.ts';

/** What mcpd says about itself in a modern request of its own. */
export function ownMeta(version: string): object {
  return {
    [metaKeys.version]: modernRevisions[0],
    [metaKeys.client]: { name: 'mcpd', version },
    [metaKeys.capabilities]: {},
  };
}

/**
 * Asks a server which era it speaks, in a process of its own that is thrown away: some servers exit on a request before
 * `initialize`, and some settle on one era for the life of a process. Whatever is no proper answer means the legacy era.
 * Rejects with `SECRET_UNAVAILABLE`, with what `admit` says, or when the program cannot be started.
 */
export async function probeEra(deps: ChildDeps, spec: ServerSpec): Promise<Era> {
  const secrets = await deps.secretsFor(spec);
  let launch: Launch;
  try {
    launch = await launchFor(deps, spec);
    await deps.admit?.(spec);
  } catch (reason) {
    deps.secretsBack?.(secrets);
    throw reason;
  }
  let ended: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (ended = resolve));
  const instance = new Instance({
    deps,
    spec,
    secrets,
    launch,
    nextQuestionId: () => 's-0',
    hearing: { question: undefined, notice: () => undefined },
    labels: { server: spec.name, probe: true },
    ended: () => ended(),
  });
  try {
    const params = encode({ _meta: ownMeta(deps.version) });
    const answer = await instance.connection.own('server/discover', params, spec.startWithinMs);
    return answer.kind === 'result' && speaksModern(answer.text) ? 'modern' : 'legacy';
  } catch {
    // It ended, or said nothing in time: neither is how a modern server answers.
    return 'legacy';
  } finally {
    instance.stop('it was only asked which era it speaks');
    await gone;
  }
}
