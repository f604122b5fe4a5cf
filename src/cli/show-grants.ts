import type { Answer } from '../control/client.ts';
import { table } from './table.ts';
import { span, text } from './words.ts';

export type GrantRow = {
  readonly id: string;
  readonly caller: string;
  readonly server: string;
  readonly tool: string;
  readonly until: string;
  readonly leftMs: number;
  readonly by: string;
  readonly reason: string;
};

/** `mcpd ctl grants` for a person. */
export function showGrants(rows: readonly GrantRow[]): string {
  if (rows.length === 0) return 'Nothing is granted beyond the policy.';
  const cells = rows.map(({ id, caller, server, tool, leftMs, by, reason }) => [
    id,
    caller,
    `${server}/${tool}`,
    span(leftMs),
    by,
    reason,
  ]);
  return table(['GRANT', 'CALLER', 'TOOL', 'LEFT', 'BY', 'REASON'], cells);
}

/** `mcpd ctl grant`. What is misspelt comes first, because at night the first line is what one reads. */
export function showGranted(answer: Answer): string {
  const { id, caller, server, tool, until } = answer['grant'] as GrantRow;
  const unknown = [
    ...(answer['callerKnown'] === false ? [noSuch('caller', answer['nearestCaller'])] : []),
    ...(answer['toolKnown'] === false ? [noSuch('tool', answer['nearestTool'])] : []),
  ];
  const old = answer['replaced'];
  const instead = typeof old === 'string' ? ` It takes the place of ${text(old)}.` : '';
  return [
    ...unknown,
    `${text(caller)} may use ${text(`${server}/${tool}`)} until ${text(until)}, where no rule denies it or asks (${text(id)}).${instead}`,
  ].join('\n');
}

/** `mcpd ctl revoke-grant`. */
export function showRevoked(answer: Answer): string {
  const grant = answer['grant'] as GrantRow | null;
  if (grant === null) return 'There is no such grant: mcpd ctl grants lists them.';
  const { id, caller, server, tool } = grant;
  return `${text(caller)} has no grant for ${text(`${server}/${tool}`)} any more (${text(id)}).`;
}

export type LeaseRow = {
  readonly id: string;
  readonly caller: string;
  readonly server: string;
  readonly target: string;
  readonly same: readonly { readonly path: string; readonly value: string | null }[];
  readonly by: string;
  readonly expiresInMs: number;
};

/** `mcpd ctl leases` for a person. */
export function showLeases(rows: readonly LeaseRow[]): string {
  if (rows.length === 0) return 'No yes is good for further calls.';
  const cells = rows.map(({ id, caller, server, target, same, by, expiresInMs }) => [
    id,
    caller,
    server,
    target,
    same.map(({ path, value }) => `${path} = ${value ?? 'absent'}`).join(', '),
    span(expiresInMs),
    by,
  ]);
  return table(['YES', 'CALLER', 'SERVER', 'TARGET', 'WHERE', 'LEFT', 'BY'], cells);
}

function noSuch(what: string, nearest: unknown): string {
  const near = typeof nearest === 'string' ? ` Did you mean ${text(nearest)}?` : '';
  return `mcpd knows no such ${what} at the moment.${near}`;
}
