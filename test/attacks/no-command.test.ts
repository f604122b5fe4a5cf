import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ctlRows } from '../../src/cli/ctl-rows.ts';
import { commands } from '../../src/operate/commands.ts';
import { TestDaemon } from '../support/daemon.ts';
import { order, referenceToml } from './reference.ts';

/** Names by which some API somewhere lets its caller say what to run (CVE-2026-42271, CVE-2026-40933). */
const dangerous = [
  'command',
  'cmd',
  'args',
  'argv',
  'arguments',
  'env',
  'environment',
  'cwd',
  'shell',
  'exec',
  'path',
  'program',
  'script',
  'url',
  'spec',
  'config',
  'policy',
  'policies',
  'file',
  'secrets',
  'sandbox',
];

describe('no command of the operator says what to run', () => {
  test('none takes an argument with such a name', () => {
    for (const [name, { args }] of commands)
      for (const key of Object.keys(args)) assert.ok(!dangerous.includes(key), `${name} takes ${key}`);
    for (const { name, options, arguments: wanted = [] } of ctlRows)
      for (const { key } of [...options, ...wanted])
        assert.ok(!dangerous.includes(key), `ctl ${name}: ${key}`);
  });

  test('each refuses every one of them, and the servers stay as the files say', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: referenceToml() } });
    const lines = () => daemon.children().map((pid) => daemon.commandLine(pid));
    const before = lines();
    assert.ok(before.length > 0);
    const needed = {
      tool: 'fx/echo',
      server: 'fx',
      caller: 'tester',
      id: 'aaaaaaaa',
      what: 'fx',
      grant: 'g',
      for: '1h',
    };
    let asked = 0;
    for (const [name, { args }] of commands) {
      const own = Object.fromEntries(Object.entries(needed).filter(([key]) => Object.hasOwn(args, key)));
      for (const key of dangerous) {
        const reply = await order(daemon, name, { ...own, [key]: ['sh', '-c', 'id'] });
        assert.equal(reply['ok'], false, `${name} took ${key}`);
        assert.equal((reply['error'] as { code: string }).code, 'BAD_ARGUMENTS', `${name} ${key}`);
        asked++;
      }
    }
    assert.equal(asked, commands.size * dangerous.length);
    assert.deepEqual(lines(), before);
  });
});

describe('no route of HTTP says what to run', () => {
  /** What clients may name in a path, from the server's own text: whoever adds a route looks here. */
  const routes = [
    '/mcp',
    '/servers/fx/mcp',
    '/sse',
    '/servers/fx/sse',
    '/healthz',
    '/readyz',
    '/approvals/chat',
    '/approvals/x',
  ];

  test('whatever members a body or a query has', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: referenceToml() },
      daemon: 'http_sse = true\n',
    });
    const lines = () => daemon.children().map((pid) => daemon.commandLine(pid));
    const before = lines();
    const planted = Object.fromEntries(dangerous.map((name) => [name, ['sh', '-c', 'id']]));
    const query = dangerous.map((name) => `${name}=sh+-c+id`).join('&');
    for (const route of routes)
      for (const method of ['POST', 'PUT', 'PATCH']) {
        for (const body of [
          planted,
          { jsonrpc: '2.0', id: 1, method: 'servers/test', params: planted },
          {
            jsonrpc: '2.0',
            id: 1,
            method: 'initialize',
            params: { ...planted, protocolVersion: '2025-11-25' },
          },
        ]) {
          const response = await fetch(`${daemon.url}${route}?${query}`, {
            method,
            body: JSON.stringify(body),
            headers: {
              'content-type': 'application/json',
              accept: 'application/json, text/event-stream',
              authorization: `Bearer ${daemon.key}`,
            },
          });
          await response.body?.cancel();
        }
      }
    // A child of a session is the same program with the same arguments.
    assert.deepEqual([...new Set(lines())], [...new Set(before)]);
    assert.equal((await daemon.ctl('status'))['ok'], true);
  });

  test('only the fleet gets what a child is started with, and only from the files', () => {
    const front = new URL('../../src/front/', import.meta.url);
    for (const file of readdirSync(front))
      assert.doesNotMatch(
        readFileSync(new URL(file, front), 'utf8'),
        /ServerSpec|\bspawn\b|\.command\b/,
        file,
      );
  });
});
