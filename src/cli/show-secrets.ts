import type { Answer } from '../control/client.ts';
import { table } from './table.ts';
import { span, text } from './words.ts';

/** A row of `mcpd ctl secrets`. */
export type SecretRow = {
  readonly server: string;
  readonly variable: string;
  readonly reference: string;
  readonly ttlMs: number | null;
  readonly state: string;
  readonly because: string | null;
};

/** `mcpd ctl secrets` for a person. */
export function showSecrets(rows: readonly SecretRow[]): string {
  if (rows.length === 0) return 'No server needs a secret.';
  const cells = rows.map(({ server, variable, reference, ttlMs, state }) => [
    server,
    variable,
    reference,
    ttlMs === null ? '-' : span(ttlMs),
    state,
  ]);
  const lacks = [...new Set(rows.flatMap(({ because }) => (because === null ? [] : [because])))];
  return [table(['SERVER', 'VARIABLE', 'SECRET', 'TTL', 'STATE'], cells), ...lacks.map(text)].join('\n');
}

/** `mcpd ctl refresh-secret` for a person. */
export function showRefreshed(answer: Answer): string {
  const names = (key: string) => {
    const value = answer[key];
    return Array.isArray(value) && value.length > 0 ? value.map(text).join(', ') : undefined;
  };
  const [restarted, retried, untouched] = [names('restarted'), names('retried'), names('untouched')];
  const says = [
    restarted === undefined ? [] : `Started anew with the new value: ${restarted}.`,
    retried === undefined ? [] : `Had waited for it and start now: ${retried}.`,
    untouched === undefined ? [] : `Go on with the value they have: ${untouched}.`,
  ].flat();
  if (says.length > 0) return says.join('\n');
  return answer['used'] === true
    ? `No server that runs holds ${text(answer['reference'])}.`
    : `No server of the policy names ${text(answer['reference'])}.`;
}
