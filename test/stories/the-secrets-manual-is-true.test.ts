// Everything in the manual about secrets is done here as it is written: its files are saved and loaded, its commands typed in one
// shell from top to bottom, and what they print is compared with what the manual shows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readPolicies } from '../../src/policy-files.ts';
import { projectRoot, until } from '../support/daemon.ts';
import { blocksOf, Desk, masked, patternOf, Reader, stepsOf, type Block } from '../support/reader.ts';

const document = 'secrets.md';
const manual = readFileSync(join(projectRoot, 'docs', document), 'utf8');

describe('what is typed prints what is shown', { timeout: 120_000 }, () => {
  let reader: Reader;
  before(async () => {
    reader = await Reader.sitDown(manual);
  });
  after(() => reader.leave());
  for (const block of blocksOf(document)) it(block.title, () => follow(reader, block));
});

const other = `owner = "tests"
command = "../../node_modules/.bin/mcp-server-memory"
[tools."*"]
risk = "read"
effect = "Reads."
[[rule]]
name = "r"
verdict = "allow"
tools = ["read_graph"]
`;

async function follow(reader: Reader, { language, text, is }: Block): Promise<void> {
  if (is?.what === 'file') await reader.saves(is.name, text);
  if (language === 'sh' && text === 'mcpd run\n') {
    // One of the others, which are not held up: a daemon none of whose servers runs is not ready.
    await reader.saves('policies/servers/other.toml', other);
    await reader.starts();
  }
  if (language === 'sh' && text !== 'mcpd run\n') await reader.types(text);
  if (language !== 'console') return;
  for (const { command, shows } of stepsOf(text)) {
    // A server is started in the background; what is about it can be seen a moment later.
    if (command.includes('rotate'))
      await until('it is held', async () => / held$/m.test(await reader.types('mcpd ctl secrets')));
    const printed = await reader.types(command, patternOf(shows));
    assert.match(masked(printed), patternOf(shows), `${command}\n${printed}`);
    if (command.includes('rotate'))
      await until('it is held again', async () => / held$/m.test(await reader.types('mcpd ctl secrets')));
  }
}

it('the pieces of policy fit into the files, and the daemon takes them', () => {
  using desk = new Desk();
  const blocks = blocksOf(document);
  const inFile = (name: string) =>
    blocks.filter(({ is }) => is?.what === 'in' && is.name === name).map(({ text }) => text);
  for (const { is, text } of blocks) {
    if (is?.what !== 'file') continue;
    const more = inFile(is.name.split('/').at(-1) ?? '').join('\n');
    // A table is opened once in TOML; the later one of the two counts.
    const whole = more.includes('[secrets]\n') ? text.replace(/^\[secrets\]\n.*\n/m, '') : text;
    desk.write(is.name, `${whole}\n${more}`.replace('../../node_modules', join(desk.clone, 'node_modules')));
  }
  const read = readPolicies(join(desk.first, 'policies'), { HOME: '/home/nobody' }, () => ({
    switches: { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
    grants: [],
    version: 'manual',
  }));
  assert.ok(read.ok, read.ok ? '' : JSON.stringify(read));
  assert.deepEqual(
    read.loaded.daemon.secrets.commands.map(({ name }) => name),
    ['op', 'aws', 'kv'],
  );
  assert.equal(read.loaded.servers[0]?.spec.secrets['AWS_TOKEN']?.ttlMs, 3_600_000);
});
