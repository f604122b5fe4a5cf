import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import {
  ask,
  callText,
  errorOf,
  fleetOf,
  isAlive,
  json,
  notice,
  openSession,
  passOf,
  quickPace,
  request,
  resultOf,
  specOf,
  toolCall,
  until,
} from './support.ts';

const running: Fleet[] = [];
const folders: string[] = [];

function start(
  specs: Parameters<Fleet['apply']>[0],
  more: Parameters<typeof fleetOf>[0] = {},
): ReturnType<typeof fleetOf> {
  const parts = fleetOf(more);
  running.push(parts.fleet);
  parts.fleet.apply(specs);
  return parts;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((fleet) => fleet.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const statusOf = (fleet: Fleet) => {
  const [status] = fleet.status();
  assert.ok(status !== undefined);
  return status;
};

describe('a server with a child for each session', () => {
  it('shows what it offers before any session has come', async () => {
    const { fleet } = start([specOf('answers')]);
    await fleet.waitReady(10_000);
    const { state, catalog, children, pid } = statusOf(fleet);
    assert.deepEqual(
      [state, children, catalog?.serverName, catalog?.protocolVersion],
      ['ready', 1, 'fx', '2025-11-25'],
    );
    assert.ok(catalog !== undefined && pid !== undefined && isAlive(pid));
    assert.match(catalog.tools.get('echo')?.digest ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual(catalog.resources, ['file:///ok.txt', 'file:///pub/a.txt', 'file:///secret.txt']);
    assert.deepEqual(
      [catalog.resourceTemplates, catalog.prompts],
      [['file:///pub/{name}'], ['hello', 'danger']],
    );
    assert.ok((await fleet.ping('fx')) >= 0);
  });

  it('gives each session a child of its own, which sees exactly what the client said', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'mcpd-fleet-'));
    folders.push(folder);
    const raw = path.join(folder, 'raw');
    const { fleet } = start([specOf('answers', { env: { FX_RAW: raw } })]);
    await fleet.waitReady(10_000);
    const before = readFileSync(raw, 'utf8').length;
    const hello = await openSession(fleet, 'A');
    assert.equal(hello['protocolVersion'], '2025-06-18');
    assert.equal(await callText(fleet, toolCall('echo', { text: 'a\u2028b' }), 'A'), 'a\u2028b');
    const lines = readFileSync(raw, 'utf8').slice(before).split('\n');
    assert.deepEqual(lines, [
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"client","version":"9"}}}',
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a\\u2028b"}}}',
      '',
    ]);
    await openSession(fleet, 'B');
    assert.equal(statusOf(fleet).children, 3);
    await fleet.endSession('A');
    assert.equal(statusOf(fleet).children, 2);
    await assert.rejects(ask(fleet, toolCall('echo'), 'A'), fault('UNKNOWN_SESSION'));
    assert.equal(await callText(fleet, toolCall('echo', { text: 'b' }), 'B'), 'b');
  });

  it('hands a child exactly the environment it may see, its own secret included', async () => {
    process.env['FLEET_TEST_TOKEN'] = 'the daemon has this';
    const secretsFor = () => Promise.resolve({ API_KEY: 's3cret' });
    const { fleet, cookie } = start([specOf('answers', { env: { LEVEL: 'info' } })], { secretsFor });
    await openSession(fleet);
    const env = JSON.parse(await callText(fleet, toolCall('env'))) as Record<string, string>;
    delete process.env['FLEET_TEST_TOKEN'];
    delete env['NODE_V8_COVERAGE']; // Node itself hands this one down while it measures coverage.
    const inherited = ['HOME', 'LANG', 'TZ', 'USER', 'LOGNAME'].filter(
      (name) => process.env[name] !== undefined,
    );
    assert.deepEqual(
      Object.keys(env).sort(),
      ['PATH', 'LEVEL', 'API_KEY', 'SUPERVISED_BY', ...inherited].sort(),
    );
    assert.equal(env['API_KEY'], 's3cret');
    assert.match(env['SUPERVISED_BY'] ?? '', new RegExp(`^${cookie}\\.[0-9a-f-]+$`));
    assert.equal(env['PATH'], `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`);
  });

  it('carries a question to the client under our id, and the reply back, once', async () => {
    const { fleet, upcalls } = start([specOf('answers')]);
    await openSession(fleet);
    const asking = callText(fleet, toolCall('ask_elicitation', { message: 'Who?' }));
    await until(() => upcalls.length === 1);
    const [upcall] = upcalls;
    assert.deepEqual(
      [upcall?.message.kind, upcall?.message.method, upcall?.audience],
      ['request', 'elicitation/create', { kind: 'session', sessionId: 'A' }],
    );
    const id = upcall?.message.kind === 'request' ? upcall.message.id : '';
    assert.equal(id, 's-1');
    const reply = {
      kind: 'reply',
      id,
      answer: { kind: 'result', text: json('{"action":"accept"}') },
    } as const;
    assert.equal(await fleet.forward(passOf(reply).pass), undefined);
    assert.equal(await asking, '{"action":"accept"}');
    const { dropped } = statusOf(fleet);
    assert.equal(await fleet.forward(passOf(reply).pass), undefined);
    assert.equal(statusOf(fleet).dropped, dropped + 1);
  });

  it('brings progress to the call that asked for it', async () => {
    const { fleet, upcalls } = start([specOf('answers')]);
    await openSession(fleet);
    const { pass, call } = passOf(toolCall('progress', { steps: 2 }, { progressToken: 'mine' }));
    await fleet.forward(pass);
    assert.deepEqual(
      upcalls.map(({ message, callId }) => [message.params, callId]),
      [
        ['{"progressToken":"mine","progress":1,"total":2}', call.id],
        ['{"progressToken":"mine","progress":2,"total":2}', call.id],
      ],
    );
  });

  it('starts no more children than it may', async () => {
    const { fleet } = start([specOf('answers', { childrenMax: 1 })]);
    await openSession(fleet, 'A');
    await assert.rejects(openSession(fleet, 'B'), fault('TOO_MANY'));
    await fleet.endSession('A');
    await openSession(fleet, 'B');
  });

  it('a child that refuses to initialize is not kept', async () => {
    const { fleet } = start([specOf('exits-at-once', { startWithinMs: 5000 })]);
    await assert.rejects(openSession(fleet), fault('UPSTREAM_DIED'));
    await assert.rejects(ask(fleet, toolCall('echo')), fault('UNKNOWN_SESSION'));
  });

  it('initializing twice is refused', async () => {
    const { fleet } = start([specOf('answers')]);
    await openSession(fleet);
    await assert.rejects(openSession(fleet), fault('BAD_MESSAGE'));
  });
});

describe('a child that dies', () => {
  it('fails its open call at once, comes back by itself, and is greeted as before', async () => {
    const { fleet, upcalls } = start([specOf('answers')]);
    await openSession(fleet);
    const slow = ask(fleet, toolCall('slow', { ms: 60_000 }));
    const dying = ask(fleet, toolCall('die'));
    await Promise.all([
      assert.rejects(slow, fault('UPSTREAM_DIED')),
      assert.rejects(dying, fault('UPSTREAM_DIED')),
    ]);
    assert.equal(await callText(fleet, toolCall('echo', { text: 'back' })), 'back');
    // It may ask, so it has heard `initialized`; and the old child's question is not the new one's.
    void ask(fleet, toolCall('ask_roots')).catch(() => undefined);
    await until(() => upcalls.length === 1);
    assert.equal(statusOf(fleet).restarts, 1);
  });

  it('by kill -9 of its process group in the middle of a call gives an error, not silence', async () => {
    const { fleet } = start([specOf('answers', { sharing: 'all' })]);
    await fleet.waitReady(10_000);
    const call = ask(fleet, toolCall('slow', { ms: 60_000 }));
    const { pid } = statusOf(fleet);
    await until(() => statusOf(fleet).inFlight === 1);
    process.kill(pid as number, 'SIGKILL');
    await assert.rejects(call, fault('UPSTREAM_DIED'));
    assert.equal(await callText(fleet, toolCall('echo', { text: 'again' })), 'again');
    assert.notEqual(statusOf(fleet).pid, pid);
  });

  it('too often is given up, visibly, until the operator says otherwise', async () => {
    const ended: string[] = [];
    const onInstanceEnd = (server: string, _session: string | undefined, because: string) =>
      ended.push(`${server} ${because}`);
    const { fleet } = start([specOf('exits-at-once', { sharing: 'all' })], { onInstanceEnd });
    await until(() => statusOf(fleet).state === 'given-up');
    const { because, restarts, children } = statusOf(fleet);
    assert.match(
      because ?? '',
      /^ended 6 times .* exited with code 3; its last words: cannot find my database$/s,
    );
    assert.deepEqual([restarts, children, ended.length], [5, 0, 6]);
    await assert.rejects(ask(fleet, toolCall('echo')), (reason) => {
      assert.ok(reason instanceof Fault && reason.code === 'UPSTREAM_DOWN');
      assert.match(reason.detail ?? '', /given-up/);
      return reason.hint === 'mcpd ctl restart fx';
    });
    await fleet.restart('fx');
    assert.equal(statusOf(fleet).state, 'starting');
    await until(() => statusOf(fleet).state === 'backing-off');
  });

  it('a program that does not exist is given up, too', async () => {
    const { fleet } = start([specOf('answers', { command: '/nowhere/at/all' })]);
    await until(() => statusOf(fleet).state === 'given-up');
    assert.match(statusOf(fleet).because ?? '', /could not start: spawn \/nowhere\/at\/all ENOENT/);
    await assert.rejects(openSession(fleet), fault('UPSTREAM_DOWN'));
  });
});

describe('a server that all sessions share', () => {
  it('serves every session from one child, each in its own revision', async () => {
    const { fleet } = start([specOf('answers', { sharing: 'all' })]);
    const [one, two] = await Promise.all([openSession(fleet, 'A'), openSession(fleet, 'B')]);
    assert.deepEqual(one, two);
    assert.equal(one['protocolVersion'], '2025-06-18');
    const capabilities = {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: {},
      logging: {},
      completions: {},
    };
    assert.deepEqual(one['capabilities'], capabilities);
    const texts = await Promise.all(
      ['A', 'B'].map((id) => callText(fleet, toolCall('echo', { text: `for ${id}` }), id)),
    );
    assert.deepEqual(texts, ['for A', 'for B']);
    assert.equal(statusOf(fleet).children, 1);
  });

  it('refuses what cannot be shared, and swallows what concerns one client', async () => {
    const { fleet } = start([specOf('answers', { sharing: 'all' })]);
    await fleet.waitReady(10_000);
    for (const [method, expected] of [
      ['tasks/list', -32601],
      ['resources/subscribe', -32602],
      ['resources/unsubscribe', -32602],
      ['logging/setLevel', -32602],
    ] as const) {
      const { code } = errorOf(await fleet.forward(passOf(request(method, {})).pass));
      assert.equal(code, expected, method);
    }
    assert.equal(await fleet.forward(passOf(notice('notifications/roots/list_changed')).pass), undefined);
  });

  it('lets nobody be asked', async () => {
    const { fleet, upcalls } = start([specOf('answers', { sharing: 'all' })]);
    assert.match(await callText(fleet, toolCall('ask_sampling')), /-32601/);
    assert.deepEqual(upcalls, []);
  });

  it('tells every session when its tools change, and reads them again', async () => {
    const { fleet, upcalls } = start([specOf('answers', { sharing: 'all' })]);
    await fleet.waitReady(10_000);
    await Promise.all([openSession(fleet, 'A'), openSession(fleet, 'B')]);
    const before = statusOf(fleet).catalog?.tools.size ?? 0;
    await callText(fleet, toolCall('change_tools'));
    await until(() => statusOf(fleet).catalog?.tools.size === before + 1);
    assert.deepEqual(
      upcalls.map(({ audience, message }) => [audience, message.method]),
      ['A', 'B'].map((sessionId) => [{ kind: 'session', sessionId }, 'notifications/tools/list_changed']),
    );
  });
});

describe('apply', () => {
  it('leaves alone what is the same, replaces what changed, starts and stops the rest', async () => {
    const keep = specOf('answers', { name: 'keep' });
    const change = specOf('answers', { name: 'change' });
    const { fleet } = start([keep, change, specOf('answers', { name: 'drop' })]);
    await fleet.waitReady(10_000);
    const pids = new Map(fleet.status().map(({ name, pid }) => [name, pid]));
    fleet.apply([
      { ...keep, args: [...keep.args] },
      { ...change, env: { NEW: '1' } },
      specOf('answers', { name: 'fresh' }),
    ]);
    await fleet.waitReady(10_000);
    await until(() => fleet.status().every(({ state }) => state === 'ready'));
    const now = new Map(fleet.status().map(({ name, pid }) => [name, pid]));
    assert.deepEqual([...now.keys()].sort(), ['change', 'fresh', 'keep']);
    assert.equal(now.get('keep'), pids.get('keep'));
    assert.notEqual(now.get('change'), pids.get('change'));
    await until(() => !isAlive(pids.get('drop') as number));
    assert.equal(isAlive(pids.get('change') as number), false);
  });
});

describe('a missing secret', () => {
  it('is said, holds nobody else up, and is looked for again', async () => {
    let there = false;
    const { fleet } = start([specOf('answers'), specOf('answers', { name: 'other' })], {
      secretsFor: async (spec) => {
        if (spec.name === 'fx' && !there)
          throw new Fault('SECRET_UNAVAILABLE', {
            detail: 'no github-token',
            hint: 'mcpd secret set github-token',
          });
        return {};
      },
    });
    await fleet.waitReady(10_000);
    const [fx, other] = fleet.status();
    assert.deepEqual(
      [fx?.state, fx?.because, other?.state],
      ['lacks-secret', 'no github-token; mcpd secret set github-token', 'ready'],
    );
    await assert.rejects(openSession(fleet), fault('SECRET_UNAVAILABLE'));
    there = true;
    fleet.apply([specOf('answers'), specOf('answers', { name: 'other' })]);
    await fleet.waitReady(10_000);
    assert.equal(fleet.status()[0]?.state, 'ready');
  });
});

describe('waiting for a child', () => {
  it('a call waits for a slow start, and stops waiting when it is cancelled', async () => {
    const { fleet } = start([specOf('slow-start', { sharing: 'all', env: { START_MS: '300' } })]);
    const { pass, call } = passOf(toolCall('x'));
    const cancelled = fleet.forward(pass);
    const patient = fleet.forward(passOf(toolCall('y')).pass);
    call.halt.call('cancelled by the caller');
    await assert.rejects(cancelled, fault('CANCELLED'));
    assert.ok(resultOf(await patient));
  });

  it('has an end', async () => {
    const pace = { ...quickPace, readyWithinMs: 20 };
    const { fleet } = start([specOf('slow-start', { sharing: 'all', env: { START_MS: '60000' } })], { pace });
    await assert.rejects(ask(fleet, toolCall('x')), fault('UPSTREAM_DOWN'));
  });

  it('a child that never greets is replaced', async () => {
    const { fleet } = start([specOf('slow-start', { env: { START_MS: '60000' }, startWithinMs: 50 })]);
    await until(() => statusOf(fleet).restarts > 0);
    assert.match(
      statusOf(fleet).because ?? 'starting',
      /did not start: initialize: no answer in 50 ms|starting/,
    );
  });
});

it('an unknown server is down, and a stopping fleet takes nothing', async () => {
  const { fleet } = start([specOf('answers')]);
  const { pass } = passOf(toolCall('echo'));
  await fleet.waitReady(10_000);
  const { pid } = statusOf(fleet);
  await fleet.stop();
  assert.equal(isAlive(pid as number), false);
  await assert.rejects(fleet.forward(pass), fault('DRAINING'));
  await assert.rejects(fleetOf().fleet.forward(pass), fault('UPSTREAM_DOWN'));
});
