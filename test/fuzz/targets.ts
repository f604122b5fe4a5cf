import type { Target } from './engine.ts';
import { envelope } from './target-envelope.ts';
import { events } from './target-events.ts';
import { framer } from './target-framer.ts';
import { journal } from './target-journal.ts';
import { policy } from './target-policy.ts';
import { redactor } from './target-redactor.ts';
import { toml } from './target-toml.ts';

export const targets: readonly Target[] = [framer, envelope, policy, redactor, toml, journal, events];

export function targetNamed(name: string): Target {
  const found = targets.find((it) => it.name === name);
  if (found === undefined)
    throw new Error(`no target "${name}"; there are ${targets.map((it) => it.name).join(', ')}`);
  return found;
}
