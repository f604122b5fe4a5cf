import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judge, report, type Facts } from '../../src/operate/status.ts';
import { nothingSwitchedOff, withSwitch } from '../../src/operate/switches.ts';
import { serverOf } from './plane.ts';

const off = { at: 0, by: 'ana', reason: '' };
const facts = (more: Partial<Facts> = {}): Facts => ({
  version: '0.1.0',
  uptimeMs: 10.4,
  ordersVersion: 'd+0',
  servers: [serverOf('files')],
  switches: nothingSwitchedOff,
  switchesDurable: true,
  sessions: 0,
  callsInFlight: 0,
  waitingQuestions: 0,
  journalFault: undefined,
  draining: false,
  reloadFault: undefined,
  ...more,
});

describe('health', () => {
  for (const [what, more, status, ready] of [
    ['all is well', {}, 'healthy', true],
    ['there are no servers', { servers: [] }, 'healthy', true],
    [
      'one server is backing off',
      { servers: [serverOf('a'), serverOf('b', { state: 'backing-off' })] },
      'degraded',
      true,
    ],
    [
      'every server is still starting',
      { servers: [serverOf('a', { state: 'starting' })] },
      'degraded',
      false,
    ],
    [
      'every server has failed',
      { servers: [serverOf('a', { state: 'given-up' }), serverOf('b', { state: 'lacks-secret' })] },
      'unhealthy',
      false,
    ],
    [
      'one of two has given up',
      { servers: [serverOf('a', { state: 'given-up' }), serverOf('b')] },
      'degraded',
      true,
    ],
    ['the journal cannot be written', { journalFault: 'disk full' }, 'unhealthy', false],
    ['mcpd is draining', { draining: true }, 'unhealthy', false],
    [
      'everything is locked down',
      { switches: withSwitch(nothingSwitchedOff, { kind: 'lockdown' }, off) },
      'degraded',
      true,
    ],
    ['a switch is not durable', { switchesDurable: false }, 'degraded', true],
    ['the last reload was refused', { reloadFault: 'a.toml:1:1' }, 'degraded', true],
    [
      'the one failed server was switched off',
      {
        servers: [serverOf('a', { state: 'given-up' }), serverOf('b')],
        switches: withSwitch(nothingSwitchedOff, { kind: 'server', name: 'a' }, off),
      },
      'healthy',
      true,
    ],
  ] as const) {
    test(`is ${status} and ${ready ? '' : 'not '}ready when ${what}`, () => {
      const health = judge(facts(more));
      assert.equal(health.status, status);
      assert.equal(health.ready, ready);
      assert.equal(health.because.length > 0, status !== 'healthy');
      assert.equal(health.reasons.length > 0, status !== 'healthy');
    });
  }

  test('names each reason for programs', () => {
    const more = { draining: true, journalFault: 'full', switchesDurable: false, reloadFault: 'a.toml:1:1' };
    assert.deepEqual(judge(facts({ ...more, servers: [serverOf('a', { state: 'given-up' })] })).reasons, [
      'draining',
      'journal',
      'servers',
      'server',
      'not-durable',
      'policy',
    ]);
    assert.deepEqual(judge(facts({ servers: [serverOf('a', { state: 'starting' })] })).reasons, [
      'starting',
      'server',
    ]);
  });

  test('is reported without maps or undefined, so that JSON loses nothing', () => {
    const switches = withSwitch(nothingSwitchedOff, { kind: 'tool', name: 'files/x' }, off);
    const servers = [
      serverOf('files'),
      serverOf('b', { catalog: undefined, pid: undefined, pingMs: undefined, because: 'x' }),
    ];
    const said = report(judge(facts({ switches, servers })));
    assert.deepEqual(JSON.parse(JSON.stringify(said)), said);
    assert.deepEqual(said.switches.tools, [
      { name: 'files/x', at: '1970-01-01T00:00:00.000Z', by: 'ana', reason: '' },
    ]);
    assert.equal(said.servers[1]?.offers, null);
  });

  test('says of each server how it is shared, and how many children are spare or asleep', () => {
    const servers = [
      serverOf('a', { sharing: 'principal', children: 3, idle: 2 }),
      serverOf('b', { children: 4, spares: 2 }),
    ];
    assert.deepEqual(
      report(judge(facts({ servers }))).servers.map((it) => [it.sharing, it.children, it.spares, it.idle]),
      [
        ['principal', 3, 0, 2],
        ['session', 4, 2, 0],
      ],
    );
  });
});
