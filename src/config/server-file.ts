import type { RuleText, ServerFile } from '../domain/orders.ts';
import { extended } from './extend.ts';
import type { Here } from './here.ts';
import { launchOf, type ServerPlace } from './launch.ts';
import type { WrittenServer } from './schema-server.ts';
import { settled, termsOf, type Terms } from './terms.ts';

/**
 * One server file whose shape is right, turned into what the house works with, with what it extends merged in; whatever does
 * not fit is complained about.
 */
export function serverFile(
  written: WrittenServer,
  place: ServerPlace,
  base: Terms | undefined,
  detectors: readonly string[] | undefined,
  here: Here,
): ServerFile {
  const own = termsOf(written, detectors, here);
  const terms = base === undefined ? own : extended(base, own, here);
  someRules(terms.rules, here);
  return {
    file: place.file,
    spec: launchOf(written, place, here.complaints),
    contract: settled(terms, here),
    tools: terms.tools,
    rules: terms.rules,
    limits: terms.limits,
    redact: terms.redact,
    cases: terms.cases,
    recordPayloads: written.record_payloads,
  };
}

/** Without a rule the answer to everything is no: safe, and hardly what somebody meant who wrote the file. */
function someRules(rules: readonly RuleText[], { complaints }: Here): void {
  if (rules.length > 0) return;
  const expected = 'a rule such as those in filesystem.toml';
  complaints.about([], 'there is no [[rule]], so nothing may be called', expected, 'warning');
}
