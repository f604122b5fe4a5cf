/** Made-up policies and questions, and whether the engine says about them what the reference says. */
import assert from 'node:assert/strict';
import type { Check, Condition } from '../../src/domain/conditions.ts';
import type { Principal } from '../../src/domain/caller.ts';
import type { Decision, Facts } from '../../src/domain/decision.ts';
import type { Json } from '../../src/domain/message.ts';
import type { Grant, Risk, RuleText, ServerFile, Switches, ToolText } from '../../src/domain/orders.ts';
import { compile } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import { namePattern } from '../../src/policy/match.ts';
import type { Dice } from '../support/dice.ts';
import { judge, type Question, type World } from './reference.ts';
import { rule, serverFile } from './support.ts';

const callers = ['ana', 'bob', 'bot-1', 'Ana'];
const callerPatterns = ['ana', 'bo*', '*', '*-1', 'b*b'];
const roles = { reviewer: ['ana'], robot: ['bot-*', 'bob'], nobody: [] };
const tools = ['read_file', 'read_dir', 'write_file', 'delete_file', 'constructor', '__proto__', 'READ_FILE'];
const toolPatterns = ['read_file', 'read_*', '*_file', '*', 'write_file', 'delete_*', 'constructor', '*e*f*'];
const uris = ['file:///pub/a', 'file:///pub/b/c', 'file:///secret', 'demo://x/1'];
const uriPatterns = ['file:///pub/*', 'file:///pub/**', 'file:///**', 'demo://x/1', 'file:///secret'];
const prompts = ['hello', 'help', 'bye'];
const promptPatterns = ['hello', 'he*', '*'];
const upcalls = ['sampling/createMessage', 'roots/list', 'elicitation/create'];
const upcallPatterns = ['sampling/createMessage', 'roots/*', '*'];
const methods = ['x/one', 'x/two'];
const methodPatterns = ['x/one', 'x/*'];
const now = 1_000_000;
const disk = {
  '/srv/a': '/srv/a',
  '/srv/a/b': '/srv/a/b',
  '/srv/ab': '/srv/ab',
  '/srv/a/../b': '/srv/b',
  '/srv/a/link': '/etc/passwd',
};
const paths = [...Object.keys(disk), 'a', '', '/srv/a/loop'];
const leaves: readonly Json[] = [
  ...paths,
  ...['acme/site', 'ACME/site', 'x', 'GB-12', 'GB-1x', '😀😀'],
  ...[0, 1, 2, 2.5, -1, 1e21, true, false, null],
];
const argumentPaths = [
  'path',
  'repo',
  'count',
  'items',
  'items.*',
  'items.*.id',
  'options.depth',
  'toString',
];

function conditionOf(dice: Dice): Condition {
  const at = dice.one(argumentPaths);
  const absent = dice.is(0.08);
  return {
    at,
    path: at.split('.'),
    optional: !absent && dice.is(0.3),
    absent,
    checks: absent ? [] : Array.from({ length: 1 + dice.upTo(1) }, () => checkFor(dice, at)),
  };
}

/** Most owners write conditions that some value can meet. */
function checkFor(dice: Dice, at: string): Check {
  const min = dice.upTo(3) - 1;
  if (dice.is(0.4)) return checkOf(dice, 1);
  switch (at) {
    case 'path':
      return { kind: 'within', folders: dice.many(['/srv/a', '/srv', '/etc'], 2) };
    case 'count':
    case 'options.depth':
      return { kind: 'range', min, max: dice.is(0.3) ? Infinity : min + dice.upTo(3) };
    case 'repo':
      return {
        kind: 'text',
        like: dice.some(['acme/*', 'x'], 2),
        matches: dice.many(['[A-Z]{2}-[0-9]+', 'x|y'], 2),
      };
    default:
      return checkOf(dice, 1);
  }
}

function checkOf(dice: Dice, depth: number): Check {
  switch (dice.upTo(depth > 0 ? 6 : 5)) {
    case 0:
      return {
        kind: 'type',
        type: dice.one(['string', 'integer', 'number', 'boolean', 'object', 'array', 'null']),
      };
    case 1:
      return { kind: 'one-of', values: dice.many(['acme/site', 'x', 1, 2.5, true, '1'], 3) };
    case 2: {
      const min = dice.upTo(3);
      return { kind: 'length', min, max: dice.is(0.2) ? Infinity : min + dice.upTo(6) };
    }
    case 3: {
      const min = dice.is(0.2) ? -Infinity : dice.upTo(3) - 1;
      return { kind: 'range', min, max: dice.is(0.2) ? Infinity : Math.max(min, -1) + dice.upTo(3) };
    }
    case 4:
      return {
        kind: 'text',
        like: dice.some(['acme/*', '*', 'x', '*/site'], 2),
        matches: dice.many(['[A-Z]{2}-[0-9]+', 'x|y', '.*s', '/srv/.*'], 2),
      };
    case 5:
      return { kind: 'within', folders: dice.many(['/srv/a', '/srv', '/etc'], 2) };
    default:
      return {
        kind: 'not',
        checks: Array.from({ length: 1 + dice.upTo(1) }, () => checkOf(dice, depth - 1)),
      };
  }
}

function valueOf(dice: Dice, depth: number): Json {
  if (depth === 0 || dice.is(0.5)) return dice.one(leaves);
  if (dice.is(0.5)) return dice.some([null, null, null], 3).map(() => valueOf(dice, depth - 1));
  return argumentsOf(dice, depth - 1);
}

/** What a caller most likely sends there: conditions are met now and then. */
const usual: ReadonlyMap<string, readonly Json[]> = new Map([
  ['path', paths],
  ['repo', ['acme/site', 'ACME/site', 'x', 'GB-12', 'GB-1x', 'acme/']],
  ['count', [-1, 0, 1, 2, 2.5, 3]],
  ['depth', [0, 1, 2]],
  ['id', [1, '1', 'x']],
]);

function argumentsOf(dice: Dice, depth: number): { [key: string]: Json } {
  const keys = dice.some(
    ['path', 'path', 'repo', 'count', 'items', 'options', 'depth', 'id', '*', 'toString', 'Path', 'COUNT'],
    5,
  );
  const value = (key: string): Json => {
    const likely = usual.get(key);
    return likely !== undefined && dice.is(0.8) ? dice.one(likely) : valueOf(dice, depth);
  };
  return Object.fromEntries(keys.map((key) => [key, value(key)]));
}

function ruleOf(dice: Dice, index: number, like: RuleText): RuleText {
  const verdict = dice.one(['allow', 'allow', 'confirm', 'confirm', 'confirm', 'deny'] as const);
  const targets = {
    tools: dice.is(0.8) ? dice.many(toolPatterns, 2) : [],
    resources: dice.is(0.3) ? dice.many(uriPatterns, 2) : [],
    prompts: dice.is(0.3) ? dice.many(promptPatterns, 2) : [],
    upcalls: dice.is(0.2) && verdict !== 'confirm' ? dice.many(upcallPatterns, 2) : [],
    methods: dice.is(0.2) ? dice.many(methodPatterns, 2) : [],
  };
  return {
    ...like,
    ...targets,
    name: `rule ${index}`,
    verdict,
    mode: dice.is(0.15) ? 'observe' : 'enforce',
    callers: dice.is(0.5) ? dice.many(callerPatterns, 2) : undefined,
    roles: dice.is(0.2) ? dice.many(Object.keys(roles), 2) : undefined,
    surfaces: dice.is(0.1)
      ? dice.many(['tool', 'resource', 'prompt', 'upcall', 'method'] as const, 2)
      : undefined,
    risk:
      targets.tools.length > 0 && dice.is(0.2)
        ? dice.many(['read', 'write', 'destructive'] as const, 2)
        : undefined,
    args: dice.is(0.4) ? Array.from({ length: 1 + dice.upTo(1) }, () => conditionOf(dice)) : [],
    untilMs: verdict !== 'deny' && dice.is(0.15) ? now + dice.one([-1, 0, 1]) : undefined,
  };
}

const place = { file: 'fx.toml', line: 1 };

function toolOf(dice: Dice): ToolText {
  return {
    name: dice.one(toolPatterns),
    risk: dice.one(['read', 'write', 'destructive'] as const),
    effect: 'x',
    args: dice.is(0.2) ? [conditionOf(dice)] : [],
    retry: undefined,
    breaker: undefined,
    returns: { mode: 'full', bytesMax: 1e6 },
    answerWithinMs: undefined,
    place,
  };
}

function grantOf(dice: Dice, index: number): Grant {
  const at = now + dice.one([-10, -10, 0, 1]);
  return {
    id: `g${index}`,
    caller: dice.one(callers),
    server: dice.is(0.9) ? 'fx' : 'other',
    tool: dice.one(tools),
    at,
    untilMs: now + dice.one([-1, 0, 1, 100]),
    by: 'op',
    reason: '',
  };
}

/** A policy where only the arguments decide: among many other reasons they would seldom be the one. */
function aboutArguments({ file, ...world }: World, dice: Dice): World {
  const everybody = {
    callers: undefined,
    roles: undefined,
    surfaces: undefined,
    risk: undefined,
    tools: ['*'],
  };
  return {
    ...world,
    off: { lockdown: false, server: false, tools: [], callers: [] },
    file: {
      ...file,
      contract: { ...file.contract, stage: 'everyone', mode: 'enforce' },
      tools: [{ ...toolOf(dice), name: '*', args: dice.is(0.3) ? [conditionOf(dice)] : [] }],
      rules: file.rules.map((rule) => ({
        ...rule,
        ...everybody,
        args: [conditionOf(dice)],
        untilMs: undefined,
      })),
    },
  };
}

function withUsual(question: Question, dice: Dice): Question {
  const likely = [...usual]
    .filter(() => dice.is(0.8))
    .map(([key, values]) => [key, dice.one(values)] as const);
  return {
    ...question,
    target: { kind: 'tool', name: dice.one(tools) },
    args: { ...argumentsOf(dice, 2), ...Object.fromEntries(likely) },
  };
}

function worldOf(dice: Dice): World {
  const base = serverFile('fx', []);
  const [like] = [rule('x', 'allow')];
  assert.ok(like !== undefined);
  const file: ServerFile = {
    ...base,
    contract: {
      ...base.contract,
      owner: 'somebody',
      stage: dice.one(['everyone', 'everyone', 'everyone', 'read-only', 'pilot', 'observe'] as const),
      mode: dice.is(0.1) ? 'observe' : 'enforce',
      pilots: dice.some([...callerPatterns, 'role:reviewer', 'role:nobody'], 2),
    },
    tools: [
      ...(dice.is(0.6) ? [{ ...toolOf(dice), name: '*', risk: 'read' as const }] : []),
      ...Array.from({ length: dice.upTo(3) }, () => toolOf(dice)),
    ],
    rules: Array.from({ length: dice.upTo(6) }, (_, index) => ruleOf(dice, index, like)),
  };
  return {
    file,
    roles,
    grants: dice.is(0.3) ? Array.from({ length: 1 + dice.upTo(2) }, (_, index) => grantOf(dice, index)) : [],
    off: {
      lockdown: dice.is(0.02),
      server: dice.is(0.03),
      tools: dice.is(0.1) ? dice.many(tools, 2) : [],
      callers: dice.is(0.05) ? dice.many(callers, 1) : [],
    },
    disk,
    now,
  };
}

function questionOf(dice: Dice): Question {
  const target = dice.one([
    () => ({ kind: 'tool', name: dice.one(tools) }) as const,
    () => ({ kind: 'tool', name: dice.one(tools) }) as const,
    () => ({ kind: 'tool', name: dice.one(tools) }) as const,
    () => ({ kind: 'resource', uri: dice.one(uris) }) as const,
    () => ({ kind: 'prompt', name: dice.one(prompts) }) as const,
    () => ({ kind: 'upcall', method: dice.one(upcalls) }) as const,
    () => ({ kind: 'unknown', method: dice.one(methods) }) as const,
    () => ({ kind: 'protocol', method: 'ping' }) as const,
  ])();
  return {
    server: dice.is(0.97) ? 'fx' : 'elsewhere',
    caller: dice.one(callers),
    target,
    args: dice.is(0.15) ? undefined : argumentsOf(dice, 2),
    admits: dice.is(0.3) ? dice.one(['write', 'destructive'] as const) : undefined,
    quarantined: dice.is(0.05),
    credential: credentialOf(dice),
  };
}

/** Mostly one that is good for everything. */
function credentialOf(dice: Dice): Question['credential'] {
  const some = <T>(from: readonly T[]) => (dice.is(0.1) ? dice.some(from, 2) : undefined);
  return {
    roles: dice.is(0.1) ? dice.many(Object.keys(roles), 1) : [],
    servers: some(['fx', 'f*', 'other']),
    tools: some(['fx/*', '*', ...tools.map((tool) => `fx/${tool}`)]),
    risks: some(['read', 'write', 'destructive'] as const),
  };
}

function principalOf({ caller, credential }: Question): Principal {
  const { roles: carried, servers, tools: named, risks } = credential;
  const patterns = (texts: readonly string[] | undefined) =>
    texts?.map((text) => {
      const pattern = namePattern(text);
      assert.ok(pattern.ok);
      return pattern.pattern;
    });
  return {
    name: caller,
    roles: carried,
    reach: { servers: patterns(servers), tools: patterns(named), risks },
  };
}

const switched = { at: 0, by: 'op', reason: '' };
const thrown = (names: readonly string[]) => new Map(names.map((name) => [name, switched]));

function switchesOf({ off }: World): Switches {
  return {
    tools: thrown(off.tools.map((tool) => `fx/${tool}`)),
    servers: thrown(off.server ? ['fx'] : []),
    callers: thrown(off.callers),
    lockdown: off.lockdown ? switched : undefined,
  };
}

const factsFor = ({ admits, quarantined }: { admits: Risk | undefined; quarantined: boolean }): Facts => ({
  nowMs: () => now,
  tool: () => ({ admits, quarantined: quarantined ? 'it changed' : undefined }),
  realPath: (path) => (disk as Record<string, string>)[path],
});

/** A policy in which most questions find something, and the questions that fit it. */
export function madeUp(dice: Dice): { readonly world: World; readonly question: () => Question } {
  const focused = dice.is(0.4);
  const anyWorld = worldOf(dice);
  return {
    world: focused ? aboutArguments(anyWorld, dice) : anyWorld,
    question: () => (focused ? withUsual(questionOf(dice), dice) : questionOf(dice)),
  };
}

/** The engine's verdicts under one policy. */
export function engineFor(world: World): (question: Question) => Decision {
  const compiled = compile(
    [world.file],
    { limits: [], roles: Object.entries(roles), webhooks: [] },
    { switches: switchesOf(world), grants: world.grants },
    'v',
  );
  assert.ok(compiled.ok, JSON.stringify(compiled));
  const { orders } = compiled;
  return (question) => {
    const { server, target, args } = question;
    return decide(orders, { server, principal: principalOf(question), target, args }, factsFor(question));
  };
}

/** Throws unless the reference says the same. */
export function mustAgree(decided: Decision, world: World, question: Question): void {
  const got = {
    kind: decided.kind,
    rule: decided.rule,
    ...(decided.kind === 'deny' || decided.would === undefined ? {} : { would: decided.would }),
  };
  const expected = judge(world, question);
  try {
    assert.deepEqual(got, expected);
  } catch {
    const about = JSON.stringify({ question, world }, undefined, 1);
    assert.fail(`${about}\nengine: ${JSON.stringify(got)}\nreference: ${JSON.stringify(expected)}`);
  }
}
