import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Validator } from '@cfworker/json-schema';
import { policyFileKinds, policyJsonSchema, type PolicyFileKind } from '../../src/config/json-schema.ts';
import { caseShape } from '../../src/config/schema-case.ts';
import { conditionShape } from '../../src/config/schema-condition.ts';
import { limitShape } from '../../src/config/schema-limits.ts';
import { redactShape } from '../../src/config/schema-redact.ts';
import { ruleShape } from '../../src/config/schema-rule.ts';
import { baseShape, launchKeys, serverShape } from '../../src/config/schema-server.ts';
import { toolShape } from '../../src/config/schema-tool.ts';
import { daemonShape } from '../../src/config/schema.ts';
import { readToml } from '../../src/config/toml.ts';

type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
};

function valid(which: PolicyFileKind, toml: string): boolean {
  const read = readToml(toml);
  assert.ok(read.ok, toml);
  // What an editor sees: a document of JSON, times as texts.
  const document: unknown = JSON.parse(JSON.stringify(read.document.value));
  return new Validator(policyJsonSchema(which), '7').validate(document).valid;
}

const policies = join(import.meta.dirname, '..', '..', 'policies');
const shipped = readdirSync(join(policies, 'servers'));

test('every shipped file fits the schema of its kind', () => {
  assert.ok(shipped.length >= 3);
  for (const name of shipped)
    assert.ok(valid('server', readFileSync(join(policies, 'servers', name), 'utf8')), name);
  assert.ok(valid('daemon', readFileSync(join(policies, 'mcpd.toml'), 'utf8')));
});

test('a shipped file with one word changed fits no more', () => {
  const text = readFileSync(join(policies, 'servers', 'filesystem.toml'), 'utf8');
  const changes: readonly (readonly [string, string])[] = [
    ['command =', 'comand ='],
    ['verdict = "allow"', 'verdict = "alow"'],
    ['tools = ["search_files", "directory_tree"]', 'tools = "search_files"'],
    ['rate = "5/min"', 'rate = "5 per minute"'],
    ['risk = "read"', 'risk = "harmless"'],
    ['effect = "The same, under its old name."\n', ''],
    ['max_items = 20', 'max_items = "20"'],
    ['max_items = 20', 'max_itmes = 20'],
    ['answer_within = "55s"', 'answer_within = 55'],
    ['expect = "confirm"', 'expect = "ask"'],
    ['sharing = "session"', 'sharing = "everyone"'],
  ];
  for (const [before, after] of changes) {
    assert.ok(text.includes(before), before);
    assert.equal(valid('server', text.replace(before, after)), false, after);
  }
});

/** All names that may stand before an `=` or in the brackets of a table. Not those that an owner makes up. */
function keysIn(schema: Schema): readonly string[] {
  const own = Object.entries(schema.properties ?? {})
    // docs/authentication.md has these.
    .filter(([key]) => key !== 'oauth')
    .flatMap(([key, below]) => [key, ...keysIn(below)]);
  const below = [schema.items, schema.additionalProperties, ...(schema.anyOf ?? [])];
  return [...own, ...below.flatMap((it) => (typeof it === 'object' ? keysIn(it) : []))];
}

test('the shipped files show every key, as their first lines say', () => {
  const files = [
    ['daemon', 'mcpd.toml'],
    ['server', join('servers', 'filesystem.toml')],
  ] as const;
  for (const [kind, name] of files) {
    const text = readFileSync(join(policies, name), 'utf8');
    const keys = keysIn(policyJsonSchema(kind));
    assert.ok(keys.length > 50);
    const left = keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(text));
    assert.deepEqual(left, [], name);
  }
});

test('every key of every shape is in the schema, with a sentence beside it', () => {
  const shapes: readonly (readonly [Schema | undefined, Readonly<Record<string, unknown>>])[] = [
    [at('server'), serverShape.shape],
    [at('base'), baseShape.shape],
    [at('daemon'), daemonShape.shape],
    [at('server', 'rule'), ruleShape.shape],
    [at('server', 'limit'), limitShape.shape],
    [at('server', 'redact'), redactShape.shape],
    [at('server', 'case'), caseShape.shape],
    [at('server', 'tools'), toolShape.shape],
    [at('server', 'rule', 'args'), conditionShape.shape],
  ];
  for (const [schema, shape] of shapes)
    assert.deepEqual(Object.keys(schema?.properties ?? {}), Object.keys(shape));
  for (const which of policyFileKinds) explained(policyJsonSchema(which), which);
});

/** The schema of what stands under a key: of one table, where there are several. */
function at(which: PolicyFileKind, ...keys: readonly string[]): Schema | undefined {
  let here: Schema | undefined = policyJsonSchema(which);
  for (const key of keys) {
    here = here?.properties?.[key];
    const each: Schema | boolean | undefined = here?.items ?? here?.additionalProperties;
    here = typeof each === 'object' ? each : here;
  }
  return here;
}

function explained(schema: Schema, where: string): void {
  for (const [key, below] of Object.entries(schema.properties ?? {})) {
    assert.match(below.description ?? '', /^.{8,160}$/, `${where}.${key}`);
    explained(below, `${where}.${key}`);
  }
  for (const below of [schema.items, schema.additionalProperties, ...(schema.anyOf ?? [])])
    if (typeof below === 'object') explained(below, where);
}

test('a base has no place for how to run a server', () => {
  assert.ok(valid('base', 'owner = "ana"\n[tools."*"]\nrisk = "read"\neffect = "Reads something."\n'));
  assert.ok(launchKeys.includes('command'));
  for (const key of launchKeys) assert.equal(valid('base', `${key} = "x"\n`), false, key);
});

test('times may be written as TOML writes them', () => {
  const rule = (until: string) =>
    `command = "x"\n[[rule]]\nname = "r"\nverdict = "allow"\ntools = ["a"]\nuntil = ${until}\n`;
  assert.ok(valid('server', rule('2026-12-31T00:00:00Z')));
  assert.equal(valid('server', rule('5')), false);
});
