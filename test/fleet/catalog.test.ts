import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { realClock } from '../../src/domain/clock.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Json, JsonObject, JsonText } from '../../src/domain/message.ts';
import type { Catalog } from '../../src/domain/upstream.ts';
import { readCatalog } from '../../src/fleet/catalog.ts';
import { Connection } from '../../src/fleet/connection.ts';
import { greetingFor } from '../../src/fleet/introduce.ts';
import { Tally } from '../../src/fleet/tally.ts';
import { encode } from '../../src/protocol/codec.ts';

type Answers = (method: string, cursor: Json | undefined) => object;

async function catalogOf(
  answers: Answers,
  capabilities: object = { tools: {} },
): Promise<Catalog & { failed: string[]; asked: string[]; listed: JsonText[][] }> {
  const asked: string[] = [];
  const failed: string[] = [];
  const listed: JsonText[][] = [];
  const connection: Connection = new Connection({
    limits: { concurrency: 1, waitingMax: 1 },
    clock: realClock,
    bounds: { bytesMax: 4_000_000, depthMax: 20 },
    answerWithinMsMax: 3_600_000,
    questionWithinMs: 1000,
    nextQuestionId: () => 's-1',
    tally: new Tally({ clock: realClock, say: () => undefined, faulty: () => undefined }),
    hearing: { question: undefined, notice: () => undefined },
    write: (text) => {
      const { id, method, params } = JSON.parse(text) as { id: number; method: string; params?: JsonObject };
      asked.push(method);
      const answer = { jsonrpc: '2.0', id, ...answers(method, params?.['cursor']) };
      setImmediate(() => connection.receive(Buffer.from(JSON.stringify(answer))));
      return true;
    },
  });
  const greeting = encode({
    protocolVersion: '2025-11-25',
    capabilities,
    serverInfo: { name: 'n', version: 'v' },
  });
  const catalog = await readCatalog(
    connection,
    greeting,
    undefined,
    1000,
    (method) => failed.push(method),
    (definitions) => listed.push([...definitions]),
  );
  connection.end(new Fault('UPSTREAM_DOWN'));
  return { ...catalog, failed, asked, listed };
}

describe('readCatalog', () => {
  it('reads all pages, the one after an empty cursor too', async () => {
    const pages: Record<string, object> = {
      start: { tools: [{ name: 'a' }], nextCursor: '' },
      '': { tools: [], nextCursor: 'p3' },
      p3: { tools: [{ name: 'b' }] },
    };
    const { tools } = await catalogOf((_method, cursor) => ({
      result: pages[cursor === undefined ? 'start' : (cursor as string)],
    }));
    assert.deepEqual([...tools.keys()], ['a', 'b']);
  });

  it('stops at a hundred pages of a server that never comes to an end', async () => {
    const { asked } = await catalogOf(() => ({ result: { tools: [{ name: 'a' }], nextCursor: 'again' } }));
    assert.equal(asked.length, 100);
  });

  it('asks only for what the server says it has', async () => {
    const { asked } = await catalogOf(() => ({ result: { prompts: [] } }), { prompts: {} });
    assert.deepEqual(asked, ['prompts/list']);
  });

  it('counts a listing that fails as empty and goes on', async () => {
    const answers: Answers = (method) =>
      method === 'tools/list'
        ? { error: { code: -1, message: 'no' } }
        : { result: { prompts: [{ name: 'p' }] } };
    const { tools, prompts, failed } = await catalogOf(answers, { tools: {}, prompts: {} });
    assert.deepEqual([tools.size, prompts, failed], [0, ['p'], ['tools/list']]);
  });

  it('a change of any part of a definition is a change of the tool', async () => {
    const print = async (tool: object) =>
      (await catalogOf(() => ({ result: { tools: [tool] } }))).tools.get('t')?.digest;
    const base = { name: 't', description: 'd', inputSchema: { type: 'object' } };
    const prints = await Promise.all([
      print(base),
      print({ ...base, description: 'e' }),
      print({ ...base, inputSchema: { type: 'object', properties: {} } }),
      print({ ...base, annotations: { readOnlyHint: true } }),
    ]);
    assert.equal(new Set(prints).size, 4);
    assert.equal(await print(base), prints[0]);
  });

  it('the order of members is no change of the tool', async () => {
    const print = async (tool: object) =>
      (await catalogOf(() => ({ result: { tools: [tool] } }))).tools.get('t')?.digest;
    assert.equal(await print({ name: 't', title: 'x' }), await print({ title: 'x', name: 't' }));
  });

  it('a tool has its schema and what its annotations admit to; of two of one name, the worse', async () => {
    const inputSchema = { type: 'object', properties: { path: { type: 'string' } } };
    const one = { name: 't', inputSchema, annotations: { readOnlyHint: false } };
    const two = { name: 't', annotations: { destructiveHint: true } };
    const { tools } = await catalogOf(() => ({ result: { tools: [one, { name: 'u' }] } }));
    assert.deepEqual([tools.get('t')?.inputSchema, tools.get('t')?.admits], [inputSchema, 'write']);
    assert.deepEqual([tools.get('u')?.inputSchema, tools.get('u')?.admits], [undefined, undefined]);
    for (const both of [
      [one, two],
      [two, one],
    ])
      assert.equal(
        (await catalogOf(() => ({ result: { tools: both } }))).tools.get('t')?.admits,
        'destructive',
      );
  });

  it('tells the tools as they were listed, every one of several with one name', async () => {
    const tools = [{ name: 'a' }, { name: 'a', title: 'x' }, { nameless: true }];
    const { listed } = await catalogOf(() => ({ result: { tools } }));
    assert.deepEqual(
      listed.map((definitions) => definitions.map((it) => JSON.parse(it) as unknown)),
      [tools],
    );
  });

  it('tells nothing of a listing that failed, or of a server that has no tools: that proves nothing', async () => {
    const failing = await catalogOf(() => ({ error: { code: -1, message: 'no' } }));
    assert.deepEqual(failing.listed, []);
    const without = await catalogOf(() => ({ result: { prompts: [] } }), { prompts: {} });
    assert.deepEqual(without.listed, []);
    const empty = await catalogOf(() => ({ result: { tools: [] } }));
    assert.deepEqual(empty.listed, [[]]);
  });

  it('does not fill the memory with definitions', async () => {
    const description = 'x'.repeat(1_000_000);
    const { failed, tools, asked } = await catalogOf(() => ({
      result: { tools: [{ name: 't', description }], nextCursor: 'more' },
    }));
    assert.deepEqual([failed, tools.size], [['tools/list'], 0]);
    assert.ok(asked.length < 40);
  });

  it('of two tools with one name neither hides behind the other', async () => {
    const twice = (first: string, second: string) =>
      catalogOf(() => ({
        result: { tools: [first, second].map((description) => ({ name: 't', description })) },
      }));
    const prints = await Promise.all([twice('a', 'b'), twice('a', 'c'), twice('c', 'b')]);
    assert.equal(new Set(prints.map(({ tools }) => tools.get('t')?.digest)).size, 3);
  });
});

describe('greetingFor', () => {
  const greeting = encode({
    protocolVersion: '2024-11-05',
    capabilities: {
      tools: {},
      logging: {},
      tasks: { list: {} },
      resources: { subscribe: true, listChanged: true },
    },
    serverInfo: { name: 'n', version: '1' },
    instructions: 'i',
  });
  it('speaks the client’s revision where that is one, and leaves out what cannot be shared', () => {
    const seen = JSON.parse(greetingFor(greeting, '2025-03-26')) as JsonObject;
    assert.equal(seen['protocolVersion'], '2025-03-26');
    assert.deepEqual(seen['capabilities'], {
      tools: {},
      logging: {},
      resources: { subscribe: true, listChanged: true },
    });
    assert.equal(seen['instructions'], 'i');
  });
  it('otherwise speaks the server’s', () => {
    for (const requested of ['1999-01-01', undefined, 5, '2026-07-28']) {
      assert.equal(
        (JSON.parse(greetingFor(greeting, requested)) as JsonObject)['protocolVersion'],
        '2024-11-05',
      );
    }
  });
});
