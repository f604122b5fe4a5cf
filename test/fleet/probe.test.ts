import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { realClock } from '../../src/domain/clock.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import type { Redacted } from '../../src/domain/redacted.ts';
import type { ChildDeps } from '../../src/fleet/deps.ts';
import { probeEra } from '../../src/fleet/probe.ts';
import { Bench, played, puppet } from '../rounds/bench.ts';
import { modern } from '../rounds/support.ts';
import { alive, processes, readOr } from '../support/daemon.ts';
import { quickPace, specOf } from './support.ts';

const cookie = `probe-${process.pid}-${Math.random().toString(36).slice(2)}-cookie`;
const deps: ChildDeps = {
  clock: realClock,
  random: () => 0,
  cookie,
  log: () => undefined,
  clean: (text) => text as Redacted,
  secretsFor: () => Promise.resolve({}),
  onUpcall: () => assert.fail('a server that is only asked which era it speaks reaches nobody'),
  bounds: { depthMax: 64 },
  version: '0.0.0',
  pace: quickPace,
  nextQuestionId: () => 's-1',
  changed: () => undefined,
};
const left = () =>
  processes().filter((pid) => readOr(`/proc/${pid}/environ`, '').includes(cookie) && alive(pid));

afterEach(() => assert.deepEqual(left(), [], 'a process was left behind'));

/** A server in one line: told each message, it does something with `say`. */
function server(onMessage: string, atOnce = ''): ServerSpec {
  const script = `
    const say = (result) => console.log(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
    let message;
    ${atOnce}
    require('node:readline').createInterface({ input: process.stdin })
      .on('line', (line) => { message = JSON.parse(line); ${onMessage} })
      .on('close', () => process.exit(0));`;
  return specOf('answers', { args: ['-e', script], protocol: 'auto', startWithinMs: 5_000 });
}
const puppetOf = (era: string, env = {}): ServerSpec =>
  specOf('answers', { args: [puppet], env: { PUPPET_ERA: era, ...env }, protocol: 'auto' });

describe('which era a server speaks', () => {
  it('is what a proper server says', async () => {
    assert.equal(await probeEra(deps, puppetOf('legacy')), 'legacy');
    assert.equal(await probeEra(deps, puppetOf('modern')), 'modern');
    assert.equal(await probeEra(deps, puppetOf('dual')), 'modern');
    assert.equal(
      await probeEra(deps, puppetOf('modern', { PUPPET_VERSIONS: '["2031-01-01","2026-07-28"]' })),
      'modern',
    );
  });

  it('is the legacy one of whatever gives no proper answer', async () => {
    const strange: [string, ServerSpec][] = [
      ['it ends at once', server('', 'process.exit(0);')],
      ['it ends with an error', server('', 'process.exit(3);')],
      ['it ends when it is asked', server('process.exit(1)')],
      [
        'it answers an error',
        server(
          `console.log(JSON.stringify({ jsonrpc: '2.0', id: message.id, error: { code: -32602, message: 'before initialize' } }))`,
        ),
      ],
      ['it says that it speaks nothing', server('say({ supportedVersions: [] })')],
      ['it speaks something else', server('say({ supportedVersions: ["2031-01-01"] })')],
      ['its versions are no list', server('say({ supportedVersions: "2026-07-28" })')],
      ['its answer is empty', server('say({})')],
      ['its answer is no object', server('say("2026-07-28")')],
      [
        'it answers somebody else',
        server(
          'message.id = String(message.id); say({ supportedVersions: ["2026-07-28"] }); process.exit(0)',
        ),
      ],
      ['it prints garbage', server('for (let n = 0; n < 3000; n++) console.log("garbage " + n)')],
      [
        'it asks back',
        server(
          `console.log(JSON.stringify({ jsonrpc: '2.0', id: 'q', method: 'roots/list' })); process.stdin.once('data', () => process.exit(0))`,
        ),
      ],
      [
        'it greets like one of old',
        server(
          'say({ protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "x", version: "1" } })',
        ),
      ],
    ];
    for (const [what, spec] of strange) assert.equal(await probeEra(deps, spec), 'legacy', what);
  });

  it('is the legacy one of a server that says nothing, and it is not waited for without end', async () => {
    assert.equal(await probeEra(deps, { ...server(''), startWithinMs: 50 }), 'legacy');
  });

  it('is the legacy one of a program that is none', async () => {
    for (const command of ['/nowhere/at/all', '/etc/hostname', '/'])
      assert.equal(await probeEra(deps, { ...server(''), command }), 'legacy', command);
  });

  it('is asked of no server that does not like to leave for longer than it takes to end it', async () => {
    const stubborn = server(
      'say({ supportedVersions: ["2026-07-28"] })',
      `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`,
    );
    const script = (stubborn.args[1] ?? '').replace(".on('close', () => process.exit(0))", '');
    assert.equal(await probeEra(deps, { ...stubborn, args: ['-e', script] }), 'modern');
  });

  it('is not asked of a server whose secret is missing', async () => {
    const lacking = { ...deps, secretsFor: () => Promise.reject(new Fault('SECRET_UNAVAILABLE')) };
    await assert.rejects(
      probeEra(lacking, puppetOf('modern')),
      (reason) => reason instanceof Fault && reason.code === 'SECRET_UNAVAILABLE',
    );
  });

  it('is asked once, however many calls want to know, and not of the child that serves them', async () => {
    for (const era of ['modern', 'dual', 'legacy'] as const) {
      await using bench = new Bench({ era, spec: { protocol: 'auto' } });
      const calls = [1, 2, 3, 4, 5].map((id) =>
        bench.forward(modern({ id, params: { name: 'play', arguments: {} } })),
      );
      for (const call of calls) assert.ok(played(await call).pid);
      const asked = bench.raw().filter(({ method }) => method === 'server/discover');
      // The child that serves the modern way is greeted the same way.
      assert.equal(asked.length, era === 'legacy' ? 1 : 2, era);
      assert.equal(
        bench.raw().filter(({ method }) => method === 'initialize').length,
        era === 'legacy' ? 1 : 0,
      );
      assert.equal(bench.pids().length, 1);
    }
  });

  it('is not asked where the owner has said it', async () => {
    for (const protocol of ['modern', 'legacy'] as const) {
      await using bench = new Bench({ era: 'dual', spec: { protocol } });
      await bench.forward(modern({ params: { name: 'play', arguments: {} } }));
      assert.deepEqual(
        [bench.raw()[0]?.['method'], bench.pids().length],
        [protocol === 'modern' ? 'server/discover' : 'initialize', 1],
      );
    }
  });
});
