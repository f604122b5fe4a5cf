import type { Answer } from '../control/client.ts';
import { showQuestion } from '../confirm/show.ts';
import type { Question } from '../confirm/question.ts';
import { printable } from '../domain/printable.ts';
import type { ServerReport, SwitchesReport } from '../operate/status.ts';
import { table } from './table.ts';

/** A daemon's answer for a person. Everything in it may come from outside, so everything passes `printable`. */
export function show(command: string, answer: Answer, nowMs: number): string {
  // For an error the runner prints code and hint; complaints and what took effect all the same come before it.
  if (!answer.ok) return lines('complaints' in answer ? answer['complaints'] : []);
  switch (command) {
    case 'status':
      return status(answer as unknown as StatusAnswer);
    case 'tools':
      return tools(answer['servers'] as readonly ToolsRow[]);
    case 'approvals':
      return approvals(answer['approvals'] as readonly QuestionAnswer[], nowMs);
    case 'approve':
    case 'deny':
      return decided(answer);
    case 'restart':
      return `${text(answer['server'])} was stopped and started afresh; it is ${text(answer['state'])}.`;
    case 'reload':
      return reloaded(answer);
    case 'reload-keys':
      return `The keys were read again; callers known: ${text(answer['keys'])}.`;
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

type StatusAnswer = {
  readonly status: string;
  readonly because: readonly string[];
  readonly version: string;
  readonly uptimeMs: number;
  readonly ordersVersion: string;
  readonly sessions: number;
  readonly callsInFlight: number;
  readonly waitingApprovals: number;
  readonly servers: readonly ServerReport[];
  readonly switches: SwitchesReport;
};

function status(it: StatusAnswer): string {
  const counts = `sessions ${it.sessions}, calls in flight ${it.callsInFlight}, waiting for a yes ${it.waitingApprovals}`;
  const servers = it.servers.map(
    ({
      name,
      state,
      switchedOff,
      sharing,
      offers,
      children,
      spares,
      idle,
      restarts,
      inFlight,
      waiting,
      pingMs,
    }) => [
      name,
      switchedOff ? `${state}, switched off` : state,
      sharing,
      offers === null ? '-' : String(offers.tools),
      String(children),
      String(spares),
      String(idle),
      String(restarts),
      String(inFlight),
      String(waiting),
      pingMs === null ? '-' : `${pingMs} ms`,
    ],
  );
  return [
    `mcpd ${text(it.version)} is ${text(it.status)}, up ${span(it.uptimeMs)}`,
    ...it.because.map((why) => `  ${printable(why)}`),
    `policy ${text(it.ordersVersion)}, ${counts}`,
    '',
    table(serverColumns, servers),
    ...switches(it.switches),
  ].join('\n');
}

const serverColumns = [
  'SERVER',
  'STATE',
  'SHARING',
  'TOOLS',
  'CHILDREN',
  'SPARE',
  'IDLE',
  'RESTARTS',
  'IN FLIGHT',
  'WAITING',
  'PING',
];

function switches({ lockdown, servers, tools, callers }: SwitchesReport): string[] {
  const rows = [
    ...(lockdown === null ? [] : [['LOCKDOWN', 'everything', lockdown.by, lockdown.at, lockdown.reason]]),
    ...servers.map(({ name, by, at, reason }) => ['server', name, by, at, reason]),
    ...tools.map(({ name, by, at, reason }) => ['tool', name, by, at, reason]),
    ...callers.map(({ name, by, at, reason }) => ['caller', name, by, at, reason]),
  ];
  return rows.length === 0 ? [] : ['', table(['SWITCHED OFF', 'WHAT', 'BY', 'SINCE', 'REASON'], rows)];
}

type QuestionAnswer = Omit<Question, 'askedAt' | 'expiresAt'> & {
  readonly askedAt: string;
  readonly expiresAt: string;
};

function approvals(questions: readonly QuestionAnswer[], nowMs: number): string {
  if (questions.length === 0) return 'No call waits for your yes.';
  const shown = questions.map((question) => {
    const { askedAt, expiresAt } = question;
    return showQuestion(
      { ...question, askedAt: Date.parse(askedAt), expiresAt: Date.parse(expiresAt) },
      { nowMs },
    );
  });
  return [...shown, 'To answer: mcpd ctl approve ID   or: mcpd ctl deny ID --reason TEXT'].join('\n');
}

function decided(answer: Answer): string {
  const id = text(answer['id']);
  const ending = text(answer['ending']);
  return answer['changed'] === true
    ? `${id} is ${ending}: the call of ${text(answer['caller'])} to ${text(answer['server'])} (correlation ${text(answer['callId'])}).`
    : `${id} is ${ending} already.`;
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

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function lines(value: unknown): string {
  return Array.isArray(value) ? value.map(text).join('\n') : '';
}

/** Any plain value on one safe line. */
function text(value: unknown): string {
  return printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
}

function span(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
