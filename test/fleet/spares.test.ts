// spare = N: children that are up before a session needs them.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { FleetDeps } from '../../src/fleet/deps.ts';
import { Client, fault, Fleets, statusOf, type Running } from './client.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import { clientHello, errorOf, isAlive, passOf, request, resultOf, toolCall, until } from './support.ts';

const fleets = new Fleets();
const folders: string[] = [];
afterEach(async () => {
  await fleets.stopAll();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

type Spared = Running & { readonly starts: () => number[] };

/** A server that notes the id of each of its processes. */
function start(
  more: object = {},
  env: Record<string, string> = {},
  onInstanceEnd: FleetDeps['onInstanceEnd'] = () => undefined,
): Spared {
  const folder = mkdtempSync(path.join(tmpdir(), 'mcpd-spares-'));
  folders.push(folder);
  const file = path.join(folder, 'starts');
  const spec = { spare: 1, ...more, env: { STARTS: file, ...env } };
  const running = fleets.start(['remembers', spec], { onInstanceEnd });
  const starts = () => {
    try {
      return readFileSync(file, 'utf8').trim().split('\n').map(Number);
    } catch {
      return [];
    }
  };
  return { ...running, starts };
}

/** The process of the one spare child, once it is up. */
async function spareOf(running: Spared): Promise<number> {
  let pid: number | undefined;
  await until(() => {
    const standing = statusOf(running.fleet).pid;
    pid = running.starts().findLast((it) => it !== standing && isAlive(it));
    return pid !== undefined && standing !== undefined && sparesOf(running) === 1;
  });
  return pid as number; // The wait was for it.
}

const sparesOf = ({ fleet }: Running): number => statusOf(fleet).spares;

describe('a spare child', () => {
  it('is up before a session comes, serves it, and is replaced', async () => {
    const running = start();
    // The standing child and the spare one.
    await until(() => running.starts().length === 2 && sparesOf(running) === 1);
    const before = running.starts();
    const ana = await Client.open(running, 'ana', 'A');
    const { pid } = await ana.told();
    assert.ok(before.includes(pid) && pid !== statusOf(running.fleet).pid);
    await until(() => running.starts().length === 3 && sparesOf(running) === 1);
    assert.equal(statusOf(running.fleet).children, 3);
    await ana.end();
    assert.equal(isAlive(pid), false);
    assert.equal(statusOf(running.fleet).children, 2);
  });

  it('is told what its client said, and nothing before that', async () => {
    const running = fleets.start(['answers', { spare: 1 }]);
    await until(() => sparesOf(running) === 1);
    const hello = await new Client(running, 'ana', 'A').hello();
    assert.equal(hello['protocolVersion'], clientHello.protocolVersion);
    const [fine] = await Promise.all([
      running.fleet.forward(passOf(toolCall('ask_roots'), 'A').pass),
      until(() => running.upcalls.length === 1).then(() => {
        const [upcall] = running.upcalls;
        assert.deepEqual(upcall?.audience, { kind: 'session', sessionId: 'A' });
        upcall?.settle({ kind: 'result', text: '{"roots":[]}' as never });
      }),
    ]);
    assert.ok(fine?.kind === 'result');
  });

  it('serves one session each, however many come at once', async () => {
    const running = start({ spare: 3 });
    await until(() => sparesOf(running) === 3);
    const clients = await Promise.all(['A', 'B', 'C', 'D', 'E'].map((id) => Client.open(running, 'ana', id)));
    const pids = await Promise.all(clients.map(async (client) => (await client.told()).pid));
    assert.equal(new Set(pids).size, 5);
    await until(() => sparesOf(running) === 3);
    // Five of theirs, three spare ones, and the standing child.
    assert.equal(statusOf(running.fleet).children, 9);
    assert.equal(running.starts().length, new Set(running.starts()).size);
  });

  it('counts among the children there may be, and is no obstacle to a session', async () => {
    const running = start({ spare: 3, childrenMax: 2 });
    await until(() => sparesOf(running) === 2);
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    assert.equal(sparesOf(running), 0);
    await assert.rejects(Client.open(running, 'eve', 'E'), fault('TOO_MANY'));
    await ana.end();
    await until(() => sparesOf(running) === 1);
    assert.equal(await bob.call('echo', { data: 'b' }), 'b');
    assert.equal(statusOf(running.fleet).children, 3);
  });

  it('gives way to the child of a modern client, and does not come back while there is no room', async () => {
    const running = start({ childrenMax: 2 });
    const ana = await Client.open(running, 'ana', 'A');
    await until(() => running.starts().length === 3 && sparesOf(running) === 1);
    const others = [(await ana.told()).pid, statusOf(running.fleet).pid];
    const pid = running.starts().find((it) => !others.includes(it)) as number;
    const { pass, call } = ana.pass(request('tools/list', { _meta: { [metaKeys.capabilities]: {} } }));
    Object.assign(call.session, { era: 'modern' });
    assert.ok(resultOf(await running.fleet.forward(pass)));
    await until(() => !isAlive(pid) && statusOf(running.fleet).children === 3);
    await ana.told();
    assert.deepEqual([sparesOf(running), statusOf(running.fleet).children], [0, 3]);
  });

  it('that dies is replaced, and its deaths are not those of a session', async () => {
    const ended: (string | undefined)[] = [];
    const running = start({}, {}, (_server, sessionId) => ended.push(sessionId));
    for (let deaths = 1; deaths <= 4; deaths++) {
      process.kill(await spareOf(running), 'SIGKILL');
      await until(() => ended.length === deaths);
    }
    assert.deepEqual(new Set(ended), new Set([undefined]));
    const ana = await Client.open(running, 'ana', 'A');
    // Four more of its own, and it comes back each time: with those before, it would have been given up.
    for (let deaths = 1; deaths <= 4; deaths++) {
      await assert.rejects(ana.call('die'), fault('UPSTREAM_DIED'));
      assert.equal(await ana.call('echo', { data: 'back' }), 'back');
    }
    assert.deepEqual(ended.slice(4), ['A', 'A', 'A', 'A']);
  });

  it('that died a moment ago, unnoticed, costs its session nothing but a wait', async () => {
    const running = start();
    for (let round = 0; round < 5; round++) {
      const pid = await spareOf(running);
      process.kill(pid, 'SIGKILL');
      const client = await Client.open(running, 'ana', `A${round}`);
      assert.notEqual((await client.told()).pid, pid);
      await client.end();
    }
  });

  it('that cannot serve anybody fails the session in the end, as any child would', async () => {
    const running = start({}, { HELLO: 'refused' });
    // The standing child is refused as well, so nothing is ready, and nothing is started to spare.
    await until(() => statusOf(running.fleet).state === 'given-up');
    assert.equal(sparesOf(running), 0);
    await assert.rejects(Client.open(running, 'ana', 'A'), fault('UPSTREAM_DOWN'));
  });

  it('whose client is gone before it answered is not kept', async () => {
    const running = start();
    await until(() => sparesOf(running) === 1);
    const { pass, call } = passOf(request('initialize', clientHello), 'A');
    const opening = running.fleet.forward(pass);
    call.halt.call('cancelled by the caller');
    await assert.rejects(opening, fault('CANCELLED'));
    await until(() => statusOf(running.fleet).children === 2 && sparesOf(running) === 1);
  });

  it('is gone with its server, and with the daemon', async () => {
    const running = start({ spare: 2 });
    await until(() => running.starts().length === 3 && sparesOf(running) === 2);
    const pids = running.starts();
    await running.fleet.stop();
    assert.deepEqual(pids.filter(isAlive), []);
  });

  it('is started anew with all others when the operator says so', async () => {
    const running = start();
    await until(() => running.starts().length === 2 && sparesOf(running) === 1);
    const pids = running.starts();
    await running.fleet.restart('fx');
    assert.deepEqual(pids.filter(isAlive), []);
    await until(() => sparesOf(running) === 1);
    const ana = await Client.open(running, 'ana', 'A');
    assert.ok(!pids.includes((await ana.told()).pid));
  });

  it('is not held for callers who share', async () => {
    for (const sharing of ['principal', 'all']) {
      const running = start({ sharing, spare: 2 });
      const ana = await Client.open(running, 'ana', 'A');
      await ana.told();
      assert.equal(sparesOf(running), 0);
    }
  });

  it('that refuses its client says so', async () => {
    const running = start({}, { HELLO: 'to mcpd only' });
    await spareOf(running);
    assert.equal(
      errorOf(await new Client(running, 'ana', 'A').request('initialize', clientHello))['code'],
      -32603,
    );
  });
});
