import type { Answer } from '../control/client.ts';
import { showQuestion } from '../confirm/show.ts';
import type { Question } from '../confirm/question.ts';
import { printable } from '../domain/printable.ts';
import {
  showGranted,
  showGrants,
  showLeases,
  showRevoked,
  type GrantRow,
  type LeaseRow,
} from './show-grants.ts';
import { showPinnedPackage, type PinnedPackage } from './show-packages.ts';
import { showPinned, showPins, type PinnedAnswer, type PinsAnswer } from './show-pins.ts';
import { showRefreshed, showSecrets, type SecretRow } from './show-secrets.ts';
import { showStatus, type StatusAnswer } from './show-status.ts';
import { table } from './table.ts';
import { lines, plural, span, text } from './words.ts';

/** A daemon's answer for a person. Everything in it may come from outside, so everything passes `printable`. */
export function show(command: string, answer: Answer, nowMs: number): string {
  // For an error the runner prints code and hint; complaints and what took effect all the same come before it.
  if (!answer.ok) return lines('complaints' in answer ? answer['complaints'] : []);
  switch (command) {
    case 'status':
      return showStatus(answer as unknown as StatusAnswer);
    case 'tools':
      return tools(answer['servers'] as readonly ToolsRow[]);
    case 'approvals':
      return approvals(answer as unknown as ApprovalsAnswer, nowMs);
    case 'approve':
    case 'deny':
      return decided(answer);
    case 'leases':
      return showLeases(answer['leases'] as readonly LeaseRow[]);
    case 'end-lease':
      return answer['changed'] === true
        ? `The yes ${text(answer['id'])} is good for nothing more.`
        : `No yes ${text(answer['id'])} is good for further calls.`;
    case 'grants':
      return showGrants(answer['grants'] as readonly GrantRow[]);
    case 'grant':
      return showGranted(answer);
    case 'revoke-grant':
      return showRevoked(answer);
    case 'pins':
      return showPins(answer as unknown as PinsAnswer);
    case 'pin':
      return showPinned(answer as unknown as PinnedAnswer);
    case 'pin-package':
      return showPinnedPackage(answer as unknown as PinnedPackage);
    case 'restart':
      return `${text(answer['server'])} was stopped and started afresh; it is ${text(answer['state'])}.`;
    case 'secrets':
      return showSecrets(answer['secrets'] as readonly SecretRow[]);
    case 'refresh-secret':
      return showRefreshed(answer);
    case 'reload':
      return reloaded(answer);
    case 'reload-keys':
      return `The keys were read again; callers known: ${text(answer['keys'])}.`;
    case 'reload-operators':
      return `The operators were looked at again; persons with a token: ${text(answer['operators'])}.`;
    default:
      return switched(command, answer);
  }
}

type ToolsRow = {
  readonly name: string;
  readonly allowed: readonly string[] | null;
  readonly gated: readonly string[] | null;
  readonly hidden: readonly string[] | null;
};

function tools(servers: readonly ToolsRow[]): string {
  const rows = servers.flatMap(({ name, allowed, gated, hidden }) => {
    if (allowed === null || gated === null || hidden === null) return [[name, '-', 'not known yet']];
    const all = [
      ...allowed.map((tool) => [name, `${name}/${tool}`, 'allowed']),
      ...gated.map((tool) => [name, `${name}/${tool}`, 'gated: waits for a yes']),
      ...hidden.map((tool) => [name, `${name}/${tool}`, 'hidden']),
    ];
    return all.length === 0 ? [[name, '-', 'offers no tools']] : all;
  });
  return table(['SERVER', 'TOOL', 'FOR A CALLER WITH A KEY'], rows);
}

type QuestionAnswer = Omit<Question, 'askedAt' | 'expiresAt' | 'effect'> & {
  readonly effect?: string | null;
  readonly askedAt: string;
  readonly expiresAt: string;
  readonly cutBytes?: number;
};

type ApprovalsAnswer = {
  /** Of the one question that was asked for, whole. */
  readonly id?: string;
  readonly approvals: readonly QuestionAnswer[];
  readonly leftOut?: number;
};

function approvals(answer: ApprovalsAnswer, nowMs: number): string {
  const { id, approvals: questions, leftOut = 0 } = answer;
  if (questions.length === 0) return 'No call waits for your yes.';
  const shown = questions.map((question) => {
    const { askedAt, expiresAt, effect, cutBytes = 0 } = question;
    return showQuestion(
      {
        ...question,
        effect: effect ?? undefined,
        askedAt: Date.parse(askedAt),
        expiresAt: Date.parse(expiresAt),
      },
      id === undefined ? { nowMs, cutBytes } : { nowMs, charsMax: Number.POSITIVE_INFINITY },
    );
  });
  const more =
    leftOut === 0 ? [] : [`${plural(leftOut, 'more call waits', 'more calls wait')}: answer these first.`];
  // What was cut may be what matters: whoever answers is told where it stands.
  const isCut =
    shown.some((it) => it.includes('…[CUT: ')) || questions.some(({ cutBytes = 0 }) => cutBytes > 0);
  const whole = isCut ? ['To see one whole: mcpd ctl approvals ID'] : [];
  const answering = 'To answer: mcpd ctl approve ID   or: mcpd ctl deny ID --reason TEXT';
  return [...shown, ...more, ...whole, answering].join('\n');
}

function decided(answer: Answer): string {
  const id = text(answer['id']);
  const { still, leaseMs } = answer as { still?: unknown; leaseMs?: unknown };
  if (typeof still === 'number' && still > 0) {
    const more = `${plural(still, 'more yes', 'more yeses')} of somebody else`;
    return answer['changed'] === true
      ? `Your yes to ${id} is counted; it needs ${more}.`
      : `You have said yes to ${id} already; it needs ${more}.`;
  }
  const ending = text(answer['ending']);
  if (answer['changed'] !== true) return `${id} is ${ending} already.`;
  const alike =
    typeof leaseMs === 'number' && leaseMs > 0 ? ` Good for calls that are alike for ${span(leaseMs)}.` : '';
  return `${id} is ${ending}: the call of ${text(answer['caller'])} to ${text(answer['server'])} (correlation ${text(answer['callId'])}).${alike}`;
}

function reloaded(answer: Answer): string {
  const version = text(answer['ordersVersion']);
  const first =
    answer['changed'] === true
      ? `The policy is in force, version ${version}.`
      : `Nothing has changed; version ${version} stays in force.`;
  const restart = Array.isArray(answer['needsRestart'])
    ? answer['needsRestart'].map((it) => `needs a restart of mcpd: ${text(it)}`)
    : [];
  return [first, ...restart].join('\n');
}

/** `disable-…`, `enable-…`, `lockdown`, `unlock`. */
function switched(command: string, answer: Answer): string {
  const off = command.startsWith('disable-') || command === 'lockdown';
  const already = answer['changed'] !== true;
  const { stopped, known, nearest } = answer as { stopped?: unknown; known?: unknown; nearest?: unknown };
  const lockdown = answer['kind'] === 'lockdown';
  const what = lockdown ? 'mcpd' : `${text(answer['kind'])} ${text(answer['name'])}`;
  const state = off
    ? `is ${lockdown ? 'locked down' : 'switched off'}${already ? ' already' : ''}`
    : already
      ? `was not ${lockdown ? 'locked down' : 'switched off'}`
      : `is ${lockdown ? 'unlocked' : 'switched on again'}, as far as policy and other switches allow`;
  const halted =
    typeof stopped === 'number' && stopped > 0 ? `; ${plural(stopped, 'call')} under way stopped` : '';
  const near = typeof nearest === 'string' ? ` Did you mean ${printable(nearest)}?` : '';
  // First, because at night the first line is what one reads: a misspelt name switches nothing off.
  const unknown = known === false ? `mcpd knows no such ${text(answer['kind'])} at the moment.${near}\n` : '';
  return `${unknown}${what} ${state}${halted}.`;
}
