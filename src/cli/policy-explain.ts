import { InvalidArgumentError, type Command } from 'commander';
import { printable } from '../domain/printable.ts';
import { Fault } from '../domain/faults.ts';
import type { Decision } from '../domain/decision.ts';
import type { JsonObject } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';
import type { Aim } from '../policy-tools/offline.ts';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { policiesDir } from './place.ts';
import { factsFrom, readFolder, type Folder } from './policy-folder.ts';
import { at, misused, ruleAt } from './policy-tell.ts';

type Options = {
  readonly policies?: string;
  readonly json?: true;
  readonly args?: string;
  readonly role: readonly string[];
  readonly resource?: string;
  readonly prompt?: string;
  readonly upcall?: string;
  readonly method?: string;
  readonly at?: number;
};

const asOf = "as of the files; a running daemon's switches, grants and quarantined tools are not counted";

/** `mcpd policy explain`: what is decided about a call, by which line, and what would change it. */
export function addPolicyExplain(policy: Command, io: Io, finish: Finish): void {
  leaf(policy, 'explain')
    .argument('<CALLER>', 'name of a key')
    .argument('<SERVER/TOOL>', 'what is called; only SERVER with --resource, --prompt, --upcall or --method')
    .option('--args <json>', 'the arguments, as JSON; without them: whether some call would be allowed')
    .option(
      '--role <name>',
      'a role that the caller has besides those in mcpd.toml; may be repeated',
      gather,
      [],
    )
    .option('--resource <uri>', 'a resource that is read')
    .option('--prompt <name>', 'a prompt')
    .option('--upcall <method>', 'a message from the server to the caller, such as roots/list')
    .option('--method <name>', 'a method that MCP does not know')
    .option('--at <time>', 'when, for rules that run out: 2026-01-31T12:00:00Z (default: now)', time)
    .summary('why a call would be allowed or not')
    .description(
      'Says what is decided about a call, which rule says so and where it stands, what every other rule has to say, and ' +
        `what would change the answer. It reads the files: the answer is ${asOf}. Exit code 0 whatever the verdict.`,
    )
    .addHelpText(
      'after',
      examples([
        'mcpd policy explain ana files/write_file',
        `mcpd policy explain ana files/write_file --args '{"path":"/srv/x/a.txt"}'`,
        'mcpd policy explain ana notes --resource file:///notes/today.md',
        'mcpd policy explain ana github/merge --role reviewer --at 2027-01-01T00:00:00Z --json',
      ]),
    )
    .action(async (caller: string, target: string, options: Options) => {
      finish(await explainCall(caller, target, options, io), options.json === true);
    });
}

async function explainCall(caller: string, target: string, options: Options, io: Io): Promise<Told> {
  const aimed = aimOf(target, options);
  if ('reply' in aimed) return aimed;
  const args = options.args === undefined ? undefined : await readArgs(options.args);
  if (args !== undefined && !args.ok) return args.told;
  const read = await readFolder(policiesDir(options.policies, io.env), io.env);
  if (!read.ok) return read.told;
  const { folder } = read;
  const { judgedOf, nameOf, unknownRoles, withRoles } = await import('../policy-tools/offline.ts');
  const strangers = unknownRoles(folder.orders, options.role);
  if (strangers.length > 0) {
    const known = [...folder.orders.roles.keys()].join(', ') || 'none';
    return misused(`there is no role ${strangers.join(', ')}`, `the roles in mcpd.toml: ${known}`);
  }
  const { explain } = await import('../policy/explain.ts');
  const { placeOf } = await import('../policy-tools/cases.ts');
  const facts = (await factsFrom())(options.at ?? io.now());
  const { server, aim } = aimed;
  const orders = withRoles(folder.orders, caller, options.role);
  const { decision, considered, changes } = explain(orders, judgedOf(server, caller, aim, args?.args), facts);
  const notes = [
    ...(await nearServer(folder, server)),
    ...(args === undefined && aim.kind === 'tool'
      ? [
          'without --args: conditions on arguments are taken to be met where they allow, and not where they deny',
        ]
      : []),
    asOf,
  ];
  const place = placeOf(orders, server, decision.rule);
  return {
    reply: {
      ok: true,
      command: 'policy explain',
      policies: folder.dir,
      digest: folder.loaded.digest,
      caller,
      server,
      target: aim,
      args: args?.args ?? null,
      at: new Date(facts.nowMs()).toISOString(),
      decision,
      place: place ?? null,
      considered,
      changes,
      notes,
    },
    text: [
      `${printable(caller)} → ${printable(server)} ${aim.kind} ${printable(nameOf(aim))}: ${verdict(decision)}`,
      `by ${ruleAt(decision.rule, place)}`,
      ...(decision.kind === 'deny' ? [`because: ${printable(decision.reason)}`] : []),
      ...classText(folder, server, aim),
      ...(considered.length === 0 ? [] : ['', 'Every rule (✓ applies, · does not):']),
      ...considered.map(
        (it) =>
          `  ${it.applied ? '✓' : '·'} ${it.verdict.padEnd(7)} ${ruleAt(it.rule, it.place)}: ${printable(it.because)}`,
      ),
      ...(changes.length === 0 ? [] : ['', 'What would change the answer:']),
      ...changes.map((it) => `  - ${printable(it)}`),
      ...(changes.length === 0 && decision.kind !== 'allow'
        ? ['', 'No single change would change the answer.']
        : []),
      '',
      ...notes.map((it) => `(${printable(it)})`),
    ].join('\n'),
  };
}

function verdict(decision: Decision): string {
  if (decision.kind === 'deny')
    return decision.hidden ? 'DENY, as if there were no such thing' : 'DENY, and the caller is told why';
  const { would: shadow } = decision;
  const would =
    shadow === undefined
      ? ''
      : ` (only observed: enforced it would be ${shadow.kind} by ${ruleAt(shadow.rule, undefined)})`;
  if (decision.kind === 'allow') return `ALLOW${would}`;
  const { channels, approvals } = decision.asking;
  const ways = channels.map((it) => (it.kind === 'webhook' ? `webhook ${it.name}` : it.kind)).join(' or ');
  return `CONFIRM: ${approvals === 1 ? 'a yes' : `${approvals} yeses`} by ${printable(ways)}${would}`;
}

/** What the owner says about the tool. */
function classText(folder: Folder, server: string, aim: Aim): readonly string[] {
  if (aim.kind !== 'tool') return [];
  const tools = folder.orders.servers.get(server)?.tools ?? [];
  return tools
    .filter(({ pattern }) => pattern.test(aim.name))
    .map(({ text }) => `class: ${text.risk}: ${printable(text.effect)} (${at(text.place)})`);
}

/** What the command line aims at; or what is wrong with it. */
function aimOf(target: string, options: Options): { readonly server: string; readonly aim: Aim } | Told {
  const { resource, prompt, upcall, method } = options;
  const others: Aim[] = [
    ...(resource === undefined ? [] : [{ kind: 'resource', uri: resource } as const]),
    ...(prompt === undefined ? [] : [{ kind: 'prompt', name: prompt } as const]),
    ...(upcall === undefined ? [] : [{ kind: 'upcall', method: upcall } as const]),
    ...(method === undefined ? [] : [{ kind: 'method', method } as const]),
  ];
  const slash = target.indexOf('/');
  const [other, more] = others;
  if (more !== undefined)
    return misused('a call aims at one thing', 'one of --resource, --prompt, --upcall and --method');
  if (other !== undefined) {
    if (slash < 0) return { server: target, aim: other };
    return misused(
      `${target} names a tool besides`,
      `mcpd policy explain CALLER ${target.slice(0, slash)} --${other.kind} …`,
    );
  }
  const name = target.slice(slash + 1);
  if (slash < 1 || name === '')
    return misused(
      `${target} is no SERVER/TOOL`,
      'write both, such as files/read_file; or SERVER and --resource URI',
    );
  return { server: target.slice(0, slash), aim: { kind: 'tool', name } };
}

const bounds = { depthMax: 64, bytesMax: 4 * 1024 * 1024 };

/** Read as a message is read: the same member twice is no argument at all. */
async function readArgs(
  text: string,
): Promise<{ readonly ok: true; readonly args: JsonObject } | { readonly ok: false; readonly told: Told }> {
  const hint = `an object, such as '{"path":"/srv/x"}', in single quotes`;
  try {
    const value: unknown = readJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { ok: false, told: misused('--args is JSON, but no object', hint) };
  } catch (reason) {
    const where = reason instanceof Error ? reason.message : String(reason);
    return { ok: false, told: misused(`--args is not JSON: ${where}`, hint) };
  }
  try {
    const { canonical, objectOf } = await import('../protocol/codec.ts');
    return { ok: true, args: objectOf(canonical(text, bounds)) };
  } catch (reason) {
    const { detail, says } = Fault.from(reason);
    return { ok: false, told: misused(`--args cannot be sent: ${detail ?? says}`, hint) };
  }
}

async function nearServer({ orders }: Folder, server: string): Promise<readonly string[]> {
  if (orders.servers.has(server)) return [];
  const { nearest } = await import('../operate/nearest.ts');
  const near = nearest(server, orders.servers.keys());
  return [
    `there is no server ${server} in these files${near === undefined ? '' : `: did you mean ${near}?`}`,
  ];
}

function gather(role: string, before: readonly string[]): readonly string[] {
  return [...before, role];
}

function time(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError('Write it so: 2026-01-31T12:00:00Z.');
  return ms;
}
