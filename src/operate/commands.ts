import type { AdminPlane } from './admin-plane.ts';
import { readArgs, type Args, type Shape } from './args.ts';
import { nearest } from './nearest.ts';
import { errorOf, Refused, refusal, type Reply } from './reply.ts';
import { grant, grants, revokeGrant } from './grant-commands.ts';
import { reload, reloadKeys, reloadOperators, restart, status, tools } from './house-commands.ts';
import type { Knock } from './knocks.ts';
import { mayDo, type Operator, type Role, type Visitor } from './operators.ts';
import { pinPackage } from './package-commands.ts';
import { pin, pins } from './pin-commands.ts';
import { answer, approvals, endLease, leases } from './question-commands.ts';
import { refreshSecret, secrets } from './secret-commands.ts';
import { plainTarget, switchOff, switchOn, toolTarget } from './switch-commands.ts';

/** One thing an operator can ask for. */
export type Command = {
  /**
   * What it can do to safety. A command that loosens is written to the journal before it is done, or not done; one that
   * restricts is done even when the journal is full.
   */
  readonly kind: 'reads' | 'restricts' | 'loosens';
  readonly args: Shape;
  /** Where an approver may do it too. What reads, everybody may; the rest is for operators. */
  readonly for?: 'approvers';
  /** `by` is the name of `operator`. */
  readonly does: (plane: AdminPlane, args: Args, by: string, operator: Operator) => Reply | Promise<Reply>;
};

/** The least that somebody must be to give a command. */
export function roleFor(command: Pick<Command, 'kind' | 'for'>): Role {
  if (command.kind === 'reads') return 'viewer';
  return command.for === 'approvers' ? 'approver' : 'operator';
}

/** A name that is no command is shown and recorded, but not at any length. */
const nameCharsMax = 64;

const switching = { reason: 'text?', now: 'flag' } as const;
const how = (args: Args, by: string) => ({ by, reason: args.text('reason'), now: args.flag('now') });

/** Every command, by name. A Map, because the name comes from outside. */
export const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['status', { kind: 'reads', args: {}, does: status }],
  ['tools', { kind: 'reads', args: {}, does: tools }],
  ['approvals', { kind: 'reads', args: { id: 'text?' }, does: approvals }],
  [
    'approve',
    {
      kind: 'loosens',
      for: 'approvers',
      args: { id: 'text', for: 'text?' },
      does: (plane, args, _by, operator) => answer(plane, args, operator, 'approve'),
    },
  ],
  [
    'deny',
    {
      kind: 'restricts',
      for: 'approvers',
      args: { id: 'text', reason: 'text?' },
      does: (plane, args, _by, operator) => answer(plane, args, operator, 'deny'),
    },
  ],
  ['leases', { kind: 'reads', args: {}, does: leases }],
  ['end-lease', { kind: 'restricts', for: 'approvers', args: { id: 'text' }, does: endLease }],
  ['grants', { kind: 'reads', args: {}, does: grants }],
  [
    'grant',
    { kind: 'loosens', args: { caller: 'text', tool: 'text', for: 'text', reason: 'text?' }, does: grant },
  ],
  // `grant` is an id, or a caller, and then `tool` says which of their grants.
  ['revoke-grant', { kind: 'restricts', args: { grant: 'text', tool: 'text?' }, does: revokeGrant }],
  // `what` is a server, or a tool of one: SERVER/TOOL.
  ['pins', { kind: 'reads', args: { what: 'text?' }, does: pins }],
  ['pin', { kind: 'loosens', args: { what: 'text', digest: 'text?' }, does: pin }],
  ['pin-package', { kind: 'loosens', args: { server: 'text' }, does: pinPackage }],
  [
    'disable-tool',
    {
      kind: 'restricts',
      args: { tool: 'text', ...switching },
      does: (plane, args, by) =>
        switchOff(plane, 'disable-tool', toolTarget(args.need('tool')), how(args, by)),
    },
  ],
  [
    'enable-tool',
    {
      kind: 'loosens',
      args: { tool: 'text' },
      does: (plane, args) => switchOn(plane, 'enable-tool', toolTarget(args.need('tool'))),
    },
  ],
  [
    'disable-server',
    {
      kind: 'restricts',
      args: { server: 'text', ...switching },
      does: (plane, args, by) =>
        switchOff(plane, 'disable-server', plainTarget('server', args.need('server')), how(args, by)),
    },
  ],
  [
    'enable-server',
    {
      kind: 'loosens',
      args: { server: 'text' },
      does: (plane, args) => switchOn(plane, 'enable-server', plainTarget('server', args.need('server'))),
    },
  ],
  [
    'disable-caller',
    {
      kind: 'restricts',
      args: { caller: 'text', ...switching },
      does: (plane, args, by) =>
        switchOff(plane, 'disable-caller', plainTarget('caller', args.need('caller')), how(args, by)),
    },
  ],
  [
    'enable-caller',
    {
      kind: 'loosens',
      args: { caller: 'text' },
      does: (plane, args) => switchOn(plane, 'enable-caller', plainTarget('caller', args.need('caller'))),
    },
  ],
  [
    'lockdown',
    {
      kind: 'restricts',
      args: switching,
      does: (plane, args, by) => switchOff(plane, 'lockdown', { kind: 'lockdown' }, how(args, by)),
    },
  ],
  ['unlock', { kind: 'loosens', args: {}, does: (plane) => switchOn(plane, 'unlock', { kind: 'lockdown' }) }],
  ['restart', { kind: 'restricts', args: { server: 'text' }, does: restart }],
  ['secrets', { kind: 'reads', args: {}, does: secrets }],
  // As `restart`: whoever may start a server anew may do so with another secret.
  ['refresh-secret', { kind: 'restricts', args: { reference: 'text', keep: 'flag' }, does: refreshSecret }],
  ['reload', { kind: 'loosens', args: {}, does: reload }],
  // `after` says what changed the persons, for the journal: `operator revoke ana`.
  ['reload-operators', { kind: 'restricts', args: { after: 'text?' }, does: reloadOperators }],
  // `after` says what changed the keys, for the journal: `key revoke ana`.
  ['reload-keys', { kind: 'restricts', args: { after: 'text?' }, does: reloadKeys }],
]);

/** What came through the control socket. */
export type Order = {
  readonly command: string;
  readonly args: unknown;
  readonly visitor: Visitor & { readonly knock?: Knock };
};

/** Carries out one operator command and puts it on the journal. Never throws: a refusal is a reply too. */
export async function carryOut(plane: AdminPlane, order: Order): Promise<Reply> {
  const { command: name, visitor } = order;
  if (visitor.kind === 'stranger') return turnAway(plane, order, visitor);
  const { operator } = visitor;
  let args: Args | undefined;
  let reply: Reply;
  let kind: Command['kind'] = 'reads';
  const record = (result: string) =>
    plane.audit.command(
      {
        by: operator.name,
        as: operator.as,
        role: operator.role,
        command: name.slice(0, nameCharsMax),
        args: spell(args),
        result,
      },
      // Whoever looks at what is wrong with a slow disk does not wait for it.
      kind === 'reads' ? 'os' : 'disk',
    );
  try {
    const command = commands.get(name);
    if (command === undefined) throw unknownCommand(name);
    const needed = roleFor(command);
    if (!mayDo(operator.role, needed)) throw notForThem(name, operator, needed);
    kind = command.kind;
    args = readArgs(command.args, order.args);
    // Write it down, then do it: what loosens must not happen without leaving a trace.
    if (kind === 'loosens') await record('begun');
    reply = await command.does(plane, args, operator.name, operator);
  } catch (reason) {
    reply = refusal(reason);
  }
  try {
    await record(reply.ok ? 'done' : `refused: ${reply.error.code}`);
    return reply;
  } catch (reason) {
    return kind === 'reads' ? reply : notRecorded(reply, reason);
  }
}

/** A stranger is told the same whatever they asked for, and nothing of it is looked at. */
async function turnAway(
  plane: AdminPlane,
  { command, visitor: { knock } }: Order,
  { seems, why, hint }: Visitor & { readonly kind: 'stranger' },
): Promise<Reply> {
  const refused = refusal(new Refused('NOT_PERMITTED', why, hint));
  if (knock?.record === false) return refused;
  const before =
    knock === undefined || knock.unrecorded === 0 ? [] : [`unrecorded=${String(knock.unrecorded)}`];
  try {
    await plane.audit.command({
      by: `stranger: ${seems}`,
      command: command.slice(0, nameCharsMax),
      args: before,
      result: 'refused: NOT_PERMITTED',
    });
  } catch {
    // Nothing was done, and the journal keeps the record until it works again.
  }
  return refused;
}

/** Arguments as the journal has them. */
function spell(args: Args | undefined): string[] {
  return Object.entries(args?.given ?? {}).flatMap(([name, value]) =>
    value === true ? [name] : value === false ? [] : [`${name}=${value}`],
  );
}

/** It was done, and nothing on disk says so. The operator must hear it; a success would hide it. */
function notRecorded(reply: Reply, reason: unknown): Reply {
  const fault = refusal(reason);
  if (!reply.ok || fault.ok) return { ...reply, recorded: false };
  return {
    ...reply,
    ok: false,
    error: errorOf(
      fault.error.code,
      `it is done, but NOT RECORDED: ${fault.error.says}`,
      'see that the journal can be written: mcpd ctl status',
    ),
    recorded: false,
  };
}

function unknownCommand(name: string): Refused {
  const near = nearest(name, commands.keys());
  return new Refused(
    'UNKNOWN_COMMAND',
    `there is no command ${name.slice(0, nameCharsMax)}`,
    near === undefined ? 'mcpd ctl --help lists them' : `did you mean ${near}?`,
  );
}

function notForThem(name: string, { name: who, role }: Operator, needed: Role): Refused {
  const needs = needed === 'approver' ? 'an approver or an operator' : 'an operator';
  return new Refused(
    'NOT_PERMITTED',
    `${name} needs ${needs}, and ${who} is ${role === 'operator' || role === 'approver' ? 'an' : 'a'} ${role}`,
    `ask somebody who is one; or: mcpd operator revoke ${who} && mcpd operator add ${who} --role ${needed}`,
  );
}
