import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Complaints } from '../../src/config/complain.ts';
import { extended } from '../../src/config/extend.ts';
import { baseShape } from '../../src/config/schema-server.ts';
import { settled, termsOf, type Terms } from '../../src/config/terms.ts';
import { Places } from '../../src/config/toml.ts';
import type { Call } from '../../src/domain/call.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import type { Orders, ServerFile } from '../../src/domain/orders.ts';
import { compile } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import { facts } from './cases-hold.ts';

const pick = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 2 });
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });

const pattern = pick('a', 'b', 'ab', 'a*', '*b', '*');
const condition = pick(
  { min: 1 },
  { max: 5 },
  { equals: 3 },
  { absent: true },
  { type: 'integer' },
  { one_of: [1, 'x'] },
);
const rule = fc.record(
  {
    verdict: pick('allow', 'allow', 'confirm', 'deny'),
    tools: some(pattern),
    callers: maybe(some(pattern)),
    roles: maybe(some(pick('r', 's'))),
    risk: maybe(some(pick('read', 'write', 'destructive'))),
    surfaces: maybe(pick(['tool'], ['task'], ['tool', 'task'])),
    mode: maybe(pick('observe', 'enforce')),
    args: maybe(fc.record({ n: condition, 'o.*': condition }, { requiredKeys: ['n'] })),
    // The clock stands at zero.
    until: maybe(pick(new Date(-1000), new Date(1000))),
  },
  { requiredKeys: ['verdict', 'tools'] },
);
const terms = (rules: fc.Arbitrary<object>) =>
  fc.record({
    owner: pick('ana'),
    stage: maybe(pick('everyone', 'pilot', 'read-only', 'observe')),
    mode: maybe(pick('enforce', 'observe')),
    pilots: maybe(some(pick('a', 'ab', 'a*', 'role:r', 'role:s'))),
    tools: fc.dictionary(
      pattern,
      fc.record({
        risk: pick('read', 'write', 'destructive'),
        effect: pick('x'),
        args: maybe(fc.record({ n: condition })),
      }),
      { maxKeys: 3 },
    ),
    rule: fc.array(rules, { maxLength: 4 }),
  });

/** What the keys of a file say, or undefined when anything is wrong with it. */
function read(written: object, prefix: string, base?: Terms): { terms: Terms; file: ServerFile } | undefined {
  const complaints = new Complaints(prefix, new Places());
  const here = { folder: '/', complaints };
  const clean = JSON.parse(JSON.stringify(written)) as {
    rule: { verdict: string; until?: unknown; name?: string }[];
  };
  clean.rule.forEach((one, index) => {
    one.name = `${prefix} ${String(index)}`;
    if (one.verdict === 'deny') delete one.until;
    else if (typeof one.until === 'string') one.until = new Date(one.until);
  });
  const shaped = baseShape.safeParse(clean);
  assert.ok(shaped.success, JSON.stringify(shaped.error?.issues));
  const own = termsOf(shaped.data, undefined, here);
  const all = base === undefined ? own : extended(base, own, here);
  const contract = settled(all, here);
  if (complaints.anyErrors) return undefined;
  const spec = { name: 's' } as ServerFile['spec'];
  return { terms: all, file: { ...all, spec, contract, recordPayloads: false, file: 'f' } };
}

function ordersOf(file: ServerFile): Orders | undefined {
  const roles = [['r', ['a', 'b']] as const, ['s', ['ab']] as const];
  const switches = { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined };
  const compiled = compile([file], { limits: [], roles, webhooks: [] }, { switches, grants: [] }, 'v');
  return compiled.ok ? compiled.orders : undefined;
}

/** Called with every set of arguments, listed, and asked about as a task. */
function calls(name: string): readonly { target: Call['target']; args: JsonObject | undefined }[] {
  const target = { kind: 'tool', name } as const;
  return [
    ...arguments_.map((args) => ({ target, args })),
    { target, args: undefined },
    { target: { kind: 'task', id: 't', tool: name }, args: undefined },
  ];
}

const strictness = ['allow', 'confirm', 'deny'];
const arguments_: readonly JsonObject[] = [
  {},
  { n: 0 },
  { n: 3 },
  { n: 9 },
  { n: 'x' },
  { n: 3, o: [1, 9] },
  { n: 1, o: {} },
];

test('whatever a file that extends says, nothing goes through that its base keeps back', () => {
  let compared = 0;
  let tightened = 0;
  fc.assert(
    fc.property(
      terms(rule),
      terms(rule.map((one) => ({ ...one, verdict: one.verdict === 'allow' ? 'confirm' : one.verdict }))),
      (wide, narrow) => {
        const base = read(wide, 'base');
        const own = base && read(narrow, 'own', base.terms);
        const [before, after] = [base && ordersOf(base.file), own && ordersOf(own.file)];
        if (before === undefined || after === undefined) return;
        compared += 1;
        for (const caller of ['a', 'ab', 'b', 'c'])
          for (const tool of ['a', 'b', 'ab', 'c'])
            for (const { target, args } of calls(tool)) {
              const judged = { server: 's', principal: { name: caller }, target, args };
              const was = decide(before, judged, facts);
              const is = decide(after, judged, facts);
              const stricter = strictness.indexOf(is.kind) - strictness.indexOf(was.kind);
              assert.ok(stricter >= 0, `${caller} ${tool} ${JSON.stringify(args)}: ${was.rule} → ${is.rule}`);
              if (stricter > 0) tightened += 1;
            }
      },
    ),
    { numRuns: 6000 },
  );
  // Otherwise this test would hold because every file is refused, or none says anything.
  assert.ok(compared > 300, String(compared));
  assert.ok(tightened > 300, String(tightened));
});
