import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { help, isWhole, planFrom } from '../../bench/flags.ts';
import { scenarios } from '../../bench/scenarios.ts';
import { targets } from '../../bench/targets.ts';

describe('what the bench is asked for', () => {
  it('is everything where nothing is said', () => {
    const plan = planFrom([]);
    deepEqual(plan?.targets, targets);
    deepEqual(plan.scenarios, scenarios);
    deepEqual([plan.rounds, plan.seconds, plan.minutes, plan.quick], [5, 2, 10, false]);
    equal(isWhole(plan), true);
  });

  it('is told by --help', () => equal(planFrom(['--help']), undefined));

  for (const flag of [
    'quick',
    'targets',
    'scenarios',
    'against',
    'rounds',
    'seconds',
    'minutes',
    'json',
    'help',
  ])
    it(`--${flag} is in the help`, () => ok(help.includes(`--${flag} `)));

  for (const [args, wrong] of [
    [['--targets', 'mcpd,nobody'], /--targets: "nobody" is none of direct, mcpd/],
    [['--rounds', '0'], /--rounds: expected 1 to 50/],
    [['--seconds', 'long'], /--seconds: expected 0\.1 to 60/],
    [['--loud'], /--loud/],
  ] as const)
    it(`is refused: ${args.join(' ')}`, () => throws(() => planFrom(args), wrong));

  it('--against puts another checkout where the peers stand, and aims at no less', (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'mcpd-then-'));
    t.after(() => rmSync(dir, { recursive: true }));
    throws(() => planFrom(['--against', dir]), /--against: no checkout of mcpd in/);
    mkdirSync(join(dir, 'bench'));
    writeFileSync(join(dir, 'bench', 'mcpd-target.ts'), '');
    const plan = planFrom(['--against', dir, '--scenarios', 'small-10']);
    deepEqual(
      plan?.targets.map(({ kind }) => kind),
      ['baseline', 'ours', 'peer'],
    );
    // Also where as many stand in it as in the whole run: that one is written down.
    for (const targets of ['direct,mcpd', 'direct,mcpd,mcp-proxy', 'direct,mcpd,mcp-proxy,supergateway']) {
      const mixed = planFrom(['--against', dir, '--targets', targets]);
      equal(mixed !== undefined && isWhole(mixed), false, targets);
    }
    deepEqual(
      plan.scenarios.map(({ name, aim }) => [name, aim]),
      [['small-10', { callsPerS: 1, addedP50: 1, memory: 1 }]],
    );
  });
});
