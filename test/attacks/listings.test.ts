import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { absent, corpusLines } from '../support/corpora.ts';
import { TestDaemon } from '../support/daemon.ts';
import { order, question } from './reference.ts';

type Line = { id: string; raw?: string };
type Tool = { readonly name: string };

const listing = (tools: readonly object[]): string => `
command = "$NODE"
args = ["$FIXTURES/lists-lies.ts"]
sharing = "all"
[env]
LISTED = ${JSON.stringify(JSON.stringify(tools))}
[[rule]]
name = "reads"
verdict = "allow"
tools = ["read_file", "echo"]
[[rule]]
name = "writes"
verdict = "confirm"
tools = ["write_file"]
`;

async function shown(tools: readonly object[]): Promise<readonly Tool[]> {
  await using daemon = await TestDaemon.start({ servers: { fx: listing(tools) } });
  const session = await daemon.session('fx');
  return ((await session.request('tools/list')).body.result?.['tools'] ?? []) as Tool[];
}

describe('what a server says about its own tools', () => {
  test('of two tools with one name neither is shown', { skip: absent('mcpd-own') }, async () => {
    assert.deepEqual(await shown(toolsOf('s2c-016')), []);
  });

  test('a name that only looks like an allowed one is not shown', { skip: absent('mcpd-own') }, async () => {
    assert.deepEqual(await shown(toolsOf('s2c-017')), []);
    assert.deepEqual(
      await shown([{ name: 'read_file\u200b' }, { name: 'READ_FILE' }, { name: ' read_file' }]),
      [],
    );
  });

  test('entries that are no tools are not shown, and do not hide those that are', async () => {
    const odd = [
      null,
      1,
      'read_file',
      ['read_file'],
      {},
      { name: ['read_file'] },
      { name: { toString: 'x' } },
    ];
    const names = (await shown([...(odd as object[]), { name: 'echo' }])).map(({ name }) => name);
    assert.deepEqual(names, ['echo']);
  });

  test('a tool that calls itself harmless still needs a yes', { skip: absent('mcpd-own') }, async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: listing(toolsOf('s2c-020')) } });
    const session = await daemon.session('fx');
    const waiting = session.text('write_file', {});
    await order(daemon, 'deny', { id: await question(daemon) });
    assert.match(await waiting, /^Not done/);
  });

  test('a listing that is no list shows nothing', async () => {
    assert.deepEqual(await shown({ 0: { name: 'delete_file' }, length: 1 } as unknown as object[]), []);
  });
});

function toolsOf(id: string): object[] {
  const line = corpusLines<Line>('mcpd-own/child-messages.jsonl').find((it) => it.id === id);
  const raw = (line?.raw ?? '').replace('$ID', '1');
  return (JSON.parse(raw) as { result: { tools: object[] } }).result.tools;
}
