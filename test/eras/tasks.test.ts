// Tasks go from a client to a server of the same era. The two eras mean different things by the word, so none cross.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { serving, TestDaemon, until, type TestSession } from '../support/daemon.ts';
import { open } from './client.ts';
import { say, textIn } from './raw.ts';
import { rowOf, serve } from './table.ts';

const extension = 'io.modelcontextprotocol/tasks';
const knowsTasks = { capabilities: { extensions: { [extension]: {} } } };
const allowed = '[[rule]]\nname = "all"\nverdict = "allow"\ntools = ["*"]\n';
const legacyRow = rowOf('legacy only');
const modernRow = rowOf('modern only', 'modern');

describe('tasks', () => {
  let daemon: TestDaemon;
  let otherKey = '';
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        legacy: serve(legacyRow),
        modern: serve(modernRow),
        desk: serving('conformance', allowed),
      },
    });
    otherKey = await daemon.addKey('other');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('of 2025-11-25, from a legacy client to a legacy server: begun, looked up, listed, fetched, for its own session', async () => {
    const { client } = await open('v1', 'Streamable HTTP', daemon, 'legacy');
    assert.ok(client instanceof ClientV1);
    try {
      const { tasks } = client.experimental;
      await client.listTools();
      const said: string[] = [];
      let taskId = '';
      const call = { name: 'compute', arguments: {} };
      for await (const message of tasks.callToolStream(call, CallToolResultSchema, {
        task: { ttl: 60_000 },
      })) {
        said.push(message.type);
        if (message.type === 'taskCreated') ({ taskId } = message.task);
        if (message.type === 'result') assert.match(JSON.stringify(message.result.content), /computed/);
      }
      assert.deepEqual([said.at(0), said.at(-1)], ['taskCreated', 'result']);
      assert.equal((await tasks.getTask(taskId)).status, 'completed');
      assert.deepEqual(
        (await tasks.listTasks()).tasks.map((task) => task.taskId),
        [taskId],
      );
      assert.equal((await tasks.cancelTask(taskId)).status, 'cancelled');
      const stranger = await daemon.session('legacy', { key: otherKey });
      assert.equal((await stranger.request('tasks/get', { taskId })).body.error?.code, -32602);
    } finally {
      await client.close();
    }
  });

  it('of the 2026-07-28 extension, from a modern client to a modern server: for its own caller', async () => {
    const call = { name: 'slow_compute', arguments: { seconds: 0.05, label: 'it' } };
    const begun = await say(daemon, 'desk', 'tools/call', call, knowsTasks);
    assert.equal(begun.result?.['resultType'], 'task');
    const taskId = String(begun.result['taskId']);
    let status: unknown;
    let found: unknown;
    await until('the task is done', async () => {
      const { result } = await say(daemon, 'desk', 'tasks/get', { taskId }, knowsTasks);
      ({ status, result: found } = result ?? {});
      return status === 'completed';
    });
    assert.match(JSON.stringify(found), /Computed it/);
    const asStranger = { ...knowsTasks, key: otherKey };
    assert.equal((await say(daemon, 'desk', 'tasks/get', { taskId }, asStranger)).error?.code, -32602);
    assert.equal((await say(daemon, 'desk', 'tasks/get', { taskId })).error?.code, -32021);
  });

  it('are not offered to a modern client of a legacy server: its calls are answered, and there is nothing to look up', async () => {
    const { result } = await say(daemon, 'legacy', 'server/discover', {}, knowsTasks);
    const capabilities = result?.['capabilities'] as Record<string, unknown>;
    assert.ok('tools' in capabilities && !('tasks' in capabilities) && !('extensions' in capabilities));
    const asTask = { name: 'compute', arguments: {}, task: { ttl: 60_000 } };
    assert.equal(textIn(await say(daemon, 'legacy', 'tools/call', asTask, knowsTasks)), 'computed');
    for (const [method, code] of [
      ['tasks/get', -32602],
      ['tasks/update', -32602],
      ['tasks/cancel', -32602],
      ['tasks/list', -32601],
      ['tasks/result', -32601],
    ] as const) {
      const { error } = await say(daemon, 'legacy', method, { taskId: 'task-1' }, knowsTasks);
      assert.equal(error?.code, code, method);
    }
  });

  it('are not offered to a legacy client of a modern server: its calls are answered, and there is nothing to look up', async () => {
    const { client } = await open('v1', 'Streamable HTTP', daemon, 'modern');
    const offers = client.getServerCapabilities() ?? {};
    await client.close();
    assert.ok('tools' in offers && !('tasks' in offers) && !('extensions' in offers));
    const session: TestSession = await daemon.session('modern');
    const asTask = { name: 'echo', arguments: { text: 'at once' }, task: { ttl: 60_000 } };
    assert.match(JSON.stringify((await session.request('tools/call', asTask)).body.result), /at once/);
    for (const [method, code] of [
      ['tasks/get', -32602],
      ['tasks/result', -32602],
      ['tasks/cancel', -32602],
      ['tasks/list', -32601],
      ['tasks/update', -32601],
    ] as const) {
      const { body } = await session.request(method, { taskId: 'task-1' });
      assert.equal(body.error?.code, code, method);
    }
  });
});
