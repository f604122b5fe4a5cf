// Everything in the policy manual is done here as it is written: its files are loaded, its cases run, its commands typed in
// one shell from top to bottom, and what they print is compared with what the manual shows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Json } from '../../src/domain/message.ts';
import type { Orders, ServerFile } from '../../src/domain/orders.ts';
import { readPolicies } from '../../src/policy-files.ts';
import { runCases } from '../../src/policy-tools/cases.ts';
import { realPath } from '../../src/real-path.ts';
import { projectRoot, run } from '../support/daemon.ts';
import { blocksOf, type Block, Desk, masked, patternOf, Reader, stepsOf } from '../support/reader.ts';

/** Every one of these is read, and done, from top to bottom. */
const documents = ['policy.md', 'approvals.md', 'pins.md'];
const launcher = join(projectRoot, 'src', 'launch.cjs');

const manual = readFileSync(join(projectRoot, 'docs', 'policy.md'), 'utf8');
const files = (documents: readonly string[]) =>
  new Map(
    documents.flatMap(blocksOf).flatMap((it) => (it.is?.what === 'file' ? [[it.is.name, it.text]] : [])),
  );

/** Loads a policy folder as the daemon would, and runs its cases. */
function loaded(dir: string): {
  readonly orders: Orders;
  readonly servers: readonly ServerFile[];
  readonly warnings: unknown;
} {
  const read = readPolicies(dir, { HOME: '/home/nobody' }, () => ({
    switches: { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
    grants: [],
    version: 'manual',
  }));
  assert.ok(read.ok, read.ok ? '' : JSON.stringify(read, null, 1));
  const {
    loaded: { servers, warnings },
    orders,
  } = read;
  const factsAt = (nowMs = Date.now()) => ({ nowMs: () => nowMs, tool: () => undefined, realPath });
  const failed = runCases(orders, servers, factsAt).filter(({ passed }) => !passed);
  assert.deepEqual(failed, []);
  return { orders, servers, warnings };
}

/** Root keys have to stand before the first table, so they go to the top of the file; tables go to its end. */
function merged(skeleton: string, fragment: string): string {
  const tables = /^\[/m.exec(fragment)?.index ?? fragment.length;
  return `${fragment.slice(0, tables)}\n${skeleton}\n${fragment.slice(tables)}`;
}

describe('every piece of policy in the manual is one that the daemon takes', () => {
  const known = files(['policy.md']);
  for (const { language, text, is, title } of documents.flatMap(blocksOf)) {
    // Those are written down by the reader, below.
    if (language !== 'toml' || is?.what === 'file' || is?.what === 'append') continue;
    it(title, () => {
      assert.equal(is?.what, 'in', 'it says which file it is, or which one it goes into');
      using desk = new Desk();
      const isDaemon = is.name === 'mcpd.toml';
      for (const name of ['mcpd.toml', 'desk.toml']) {
        const skeleton = known.get(`policies/${name === 'mcpd.toml' ? '' : 'servers/'}${name}`);
        assert.ok(skeleton !== undefined, name);
        const whole = name === is.name ? merged(skeleton, text) : skeleton;
        // A table that stands in both is written once.
        desk.write(`policies/${name === 'mcpd.toml' ? '' : 'servers/'}${name}`, once(whole));
      }
      for (const [name, base] of known) if (name.startsWith('base/')) desk.write(name, base);
      const { servers } = loaded(join(desk.first, 'policies'));
      const added = servers[0]?.cases.length ?? 0;
      // What decides something shows what it decides.
      if (!isDaemon && /^\[\[rule\]\]/m.test(text)) assert.ok(added > 0, 'a rule comes with a case');
    });
  }
});

/** TOML lets a table be opened once; the later one of the two counts. */
function once(text: string): string {
  const tables = text.split(/^(?=\[)/m);
  const headerOf = (table: string) => /^\[[^[\n][^\n]*\]/.exec(table)?.[0];
  return tables
    .filter((table, at) => {
      const header = headerOf(table);
      return header === undefined || !tables.slice(at + 1).some((later) => headerOf(later) === header);
    })
    .join('');
}

describe('the tables of the manual', () => {
  it('have a row for each key of the language', async () => {
    const { stdout } = await run(process.execPath, [launcher, 'policy', 'schema'], process.env);
    const schema = JSON.parse(stdout) as Schema;
    const tables = [...manual.matchAll(/<!-- keys: (\w+) -->\n((?:\|.*\n)+)/g)];
    assert.deepEqual(tables.map(([, name]) => name).sort(), ['case', 'limit', 'rule']);
    for (const [, name = '', table = ''] of tables) {
      const keys = rowsOf(table).flatMap(([first = '']) => codesIn(first));
      assert.deepEqual(
        keys.sort(),
        Object.keys(schema.properties[name]?.items?.properties ?? {}).sort(),
        name,
      );
    }
  });

  it('name every key of the contract, of a tool, of limits and of conditions', async () => {
    const { stdout } = await run(process.execPath, [launcher, 'policy', 'schema'], process.env);
    const { properties } = JSON.parse(stdout) as Schema;
    const said = new Set(codesIn(manual));
    const anywhere = (key: string) => said.has(key) || new RegExp(`\\b${key} = `).test(manual);
    const inside = ['tools', 'limits', 'redact'].flatMap((name) => {
      const { additionalProperties, items, properties: own } = properties[name] ?? {};
      return Object.keys((additionalProperties ?? items)?.properties ?? own ?? {});
    });
    const conditions = properties['rule']?.items?.properties['args']?.additionalProperties?.properties;
    const keys = [...Object.keys(conditions ?? {}), ...inside];
    assert.ok(keys.length > 30);
    // Of redactions, redaction.md has the whole list.
    const left = keys.filter((key) => !anywhere(key) && !['patterns'].includes(key));
    assert.deepEqual(left, []);
  });

  const [, conditions = ''] = /<!-- conditions -->\n((?:\|.*\n)+)/.exec(manual) ?? [];
  const rows = rowsOf(conditions);
  it('show conditions', () => {
    assert.ok(rows.length >= 15);
  });
  for (const [check = '', ...columns] of rows) {
    const [condition = ''] = codesIn(check);
    it(`say what ${condition} comes to`, () => {
      const holds = judgeOf(condition);
      assert.equal(columns.length, 3);
      for (const [at, expected] of (['yes', 'no', 'unknown'] as const).entries()) {
        const column = columns[at] ?? '';
        if (column.includes('*missing*')) assert.equal(holds(undefined), expected, 'missing');
        for (const value of codesIn(column)) assert.equal(holds(JSON.parse(value) as Json), expected, value);
      }
    });
  }
});

type Schema = {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
};

/** The rows below the head of a table, as cells. */
function rowsOf(table: string): readonly (readonly string[])[] {
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

function codesIn(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? '');
}

/** What the engine says about an argument, by the real loader and the real matcher. */
function judgeOf(condition: string): (value: Json | undefined) => string {
  using desk = new Desk();
  desk.write('policies/mcpd.toml', '[listen]\n');
  const rule = `[[rule]]\nname = "r"\nverdict = "allow"\ntools = ["t"]\nargs = { value = ${condition} }\n`;
  const tool = '[tools.t]\nrisk = "read"\neffect = "Reads."\n';
  desk.write('policies/servers/t.toml', `command = "node"\n${tool}${rule}`);
  const { orders } = loaded(join(desk.first, 'policies'));
  const [test] = orders.servers.get('t')?.rules[0]?.args ?? [];
  assert.ok(test !== undefined);
  return (value) => test.holds(value === undefined ? {} : { value }, realPath);
}

describe('what is typed prints what is shown', { timeout: 300_000 }, () => {
  for (const document of documents)
    describe(document, () => {
      let reader: Reader;
      before(async () => {
        reader = await Reader.sitDown(readFileSync(join(projectRoot, 'docs', document), 'utf8'));
      });
      after(() => reader.leave());
      for (const block of blocksOf(document)) it(block.title, () => follow(reader, block));
    });
});

async function follow(reader: Reader, { language, text, is }: Block): Promise<void> {
  if (is?.what === 'file') await reader.saves(is.name, text);
  if (is?.what === 'append') await reader.appends(is.name, text);
  if (language === 'sh' && text === 'mcpd run\n') await reader.starts();
  else if (language === 'sh') await reader.types(text);
  if (language !== 'console') return;
  const steps = stepsOf(text);
  const printed: string[] = [];
  // All of them, also when one prints something else: what comes later builds on it.
  for (const { command, shows } of steps) printed.push(await reader.types(command, patternOf(shows)));
  for (const [at, { command, shows }] of steps.entries())
    assert.match(masked(printed[at] ?? ''), patternOf(shows), `${command}\n${printed[at]}`);
}
