import { detectors } from './detectors.ts';
import { nationalIds, personalDetectors } from './personal.ts';

/** The values that were given to children. */
export const injected = 'secret';

const secrets = [...new Set([injected, ...detectors.map(({ name }) => name)])];
const personal = personalDetectors.map(({ name }) => name);

/** Group → the detectors in it. */
export const groups: ReadonlyMap<string, readonly string[]> = new Map([
  ['secrets', secrets],
  ['pii', personal],
  ['national-id', nationalIds],
]);

/** Everything that may stand in `what` of a [[redact]]. */
export const redactNames: ReadonlySet<string> = new Set([...groups.keys(), ...secrets, ...personal]);

/** Names of detectors and groups → names of detectors. What is no name finds nothing; the config refuses it. */
export function detectorsOf(what: readonly string[]): ReadonlySet<string> {
  return new Set(what.flatMap((name) => groups.get(name) ?? [name]));
}
