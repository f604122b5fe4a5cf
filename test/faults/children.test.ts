// C-01 to C-03: children that are killed, that hang and that never read, behind a real daemon. What each kind of conduct does
// to the fleet alone stands in test/fleet/hazards.test.ts; here it is what callers of this server and of the others see.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LegacyCaller } from '../load/callers.ts';
import { noise, type Counts } from '../load/flood.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { alive, endNow, projectRoot, rule, serving, until } from '../support/daemon.ts';
import { all, Bystander, calm, endsWell, program, quantile } from './support/beside.ts';
import { againSays, undisturbed, type Again } from './support/stolen.ts';
import { JournalTail, RawTail } from './support/tail.ts';
import { Watched } from './support/watch.ts';

const limits = { timeout: isWhole ? 900_000 : 110_000 };

describe('children that do not answer', limits, () => {
  it(`C-01 a child is killed in the middle of a call, ${times(4, 100)} times: its caller is told at once, and nothing is made twice`, async () => {
    const classes =
      '[tools.hang_read]\nrisk = "read"\neffect = "reads"\n[tools.hang_write]\nrisk = "write"\neffect = "writes"\n[tools.pid]\nrisk = "read"\neffect = "reads"\n[tools.well]\nrisk = "read"\neffect = "reads"\n';
    const care = 'answer_within = "10m"\nrestarts = { max = 1000, within = "1s" }\n';
    const fixture = `${care}[env]\nDIES = "never"\nFX_RAW = "$DIR/raw.log"\n${all}${classes}`;
    await using watched = await Watched.start({
      servers: {
        own: program('dies', fixture),
        shared: program('dies', `sharing = "all"\n${fixture}`),
        calm,
      },
    });
    const { daemon } = watched;
    await using beside = new Bystander(watched);
    const raw = new RawTail(join(daemon.dir, 'raw.log'));
    const [told, texts]: [number[], string[]] = [[], []];
    const sessions = ['own', 'shared'].map(
      (server) => new LegacyCaller(server, { url: daemon.url, server, key: daemon.key }),
    );
    for (let kill = 0; kill < times(4, 100); kill++) {
      const caller = sessions[kill % 2] as LegacyCaller; // There are two.
      const text = randomUUID();
      const pid = Number((await caller.call('pid')).said);
      assert.ok(alive(pid));
      const calling = caller.call(kill % 4 < 2 ? 'hang_read' : 'hang_write', { text });
      await until('the call is in the child', () => raw.read().texts.has(text));
      const from = performance.now();
      endNow(pid);
      const deed = await calling;
      told.push(performance.now() - from);
      assert.equal(deed.end, 'failed', deed.said);
      texts.push(text);
      // The same session goes on, in another child, when that is there.
      await until('it is back', async () => (await caller.call('well')).said === 'well');
      // A child that has lived for as long as deaths count starts with a clean sheet.
      if (isWhole) await sleep(1100);
    }
    await beside.noticedNothing();
    sessions.forEach((caller) => caller.hangUp());
    const errors = new Map<unknown, unknown>();
    const journal = new JournalTail(daemon, ({ kind, id, error }) => {
      if (kind === 'outcome') errors.set(id, error);
    }).read();
    for (const text of texts) {
      assert.equal(raw.read().texts.get(text)?.count, 1, 'a call whose end nobody knows was made again');
      const id = journal.texts.get(text) ?? '';
      assert.equal(journal.outcomes.get(id), 'failed');
      // Whoever reads the record must see that the child may have done it before it died.
      assert.equal(errors.get(id), 'UPSTREAM_DIED');
    }
    figure('C-01', 'kills', texts.length);
    figure('C-01', 'told at worst after ms', Math.round(Math.max(...told)));
    if (isWhole) assert.ok(Math.max(...told) <= 1000, `${Math.max(...told)} ms`);
    await endsWell(watched, 'C-01');
  });

  it('C-02 a child hangs: its caller is told on time, the child is told to stop, the late answer is nobody’s, the slot is free', async () => {
    const withinMs = times(400, 2000);
    await using watched = await Watched.start({
      servers: {
        hangs: `command = "$NODE"\nargs = [${JSON.stringify(join(projectRoot, 'test', 'load', 'echo-child.ts'))}]\nsharing = "all"\nconcurrency = 1\nanswer_within = "${withinMs}ms"\n${rule('allow', ['*'])}`,
        calm,
      },
    });
    const { daemon } = watched;
    await using beside = new Bystander(watched);
    const caller = new LegacyCaller('c', { url: daemon.url, server: 'hangs', key: daemon.key });
    const off: number[] = [];
    const turns = times(3, 30);
    for (let turn = 0; turn < turns; turn++) {
      const hung = await caller.call('hold', { nonce: `late ${turn}` });
      assert.equal(hung.end, 'failed', hung.said);
      off.push((hung.to - hung.from) / withinMs);
      // The child answers what was cancelled right before it answers this; the one slot there is must be free.
      const nonce = randomUUID();
      const next = await caller.call('echo', { nonce });
      assert.equal(next.said, nonce);
    }
    const { dropped, inFlight, restarts } = (await daemon.status('hangs')) as unknown as Record<
      string,
      number
    >;
    assert.equal(inFlight, 0);
    assert.equal(restarts, 0);
    assert.ok((dropped ?? 0) >= turns, `${dropped} late answers of ${turns} were seen`);
    await beside.noticedNothing();
    figure('C-02', 'time-out of configured, worst', Math.round(Math.max(...off) * 100) / 100);
    if (isWhole) assert.ok(Math.max(...off) <= 1.1 && Math.min(...off) >= 0.9, String(off));
    await endsWell(watched, 'C-02');
  });

  it(`C-03 a child never reads: of ${times(80, 500)} calls of 1 MB each ends, with busy or a time-out, and memory is bounded`, async () => {
    await using watched = await Watched.start({
      servers: {
        deaf: serving(
          'never-reads',
          `sharing = "all"\nconcurrency = 8\nwaiting_max = 16\nanswer_within = "2s"\n${all}`,
        ),
        reads: calm,
        calm,
      },
    });
    const { daemon } = watched;
    const rounds = times(1, 3);
    // The calls are made in a process of their own: who measures beside them is not to be slowed by making them.
    const load = (server: string, tool: string): Promise<Counts> =>
      noise(
        daemon,
        { server, key: daemon.key },
        { lanes: 16, forMs: 120_000, tool, args: {}, fill: { big: 2 ** 20 }, calls: times(80, 500) },
      );
    const beside = async (work: Promise<unknown>): Promise<readonly number[]> => {
      await using bystander = new Bystander(watched);
      await work;
      return bystander.noticedNothing();
    };
    // A heap grows with its work, whoever reads it; what counts is what a child adds that does not.
    await beside(load('reads', 'echo'));
    const quiet = quantile(await beside(sleep(times(300, 10_000))), 0.99);
    const [besideReading, besideDeaf]: [number[], number[]] = [[], []];
    const ends: Record<string, number> = {};
    let grew = 0;
    const again: Again = { times: 0 };
    // In turns, so that what else the machine does happens to both.
    for (let round = 0; round < rounds; round++) {
      const turn = await undisturbed(again, async () => {
        const reading = await beside(load('reads', 'echo'));
        const before = watched.rssMiB();
        const looking = setInterval(() => (grew = Math.max(grew, watched.rssMiB() - before)), 50);
        const calling = load('deaf', 'write');
        const deaf = await beside(calling);
        clearInterval(looking);
        for (const [end, count = 0] of Object.entries(await calling)) ends[end] = (ends[end] ?? 0) + count;
        return { reading, deaf };
      });
      besideReading.push(...turn.reading);
      besideDeaf.push(...turn.deaf);
    }
    figure('C-03', againSays, again.times);
    const [reading, loud] = [quantile(besideReading, 0.99), quantile(besideDeaf, 0.99)];
    assert.deepEqual(
      Object.keys(ends).filter((end) => !['busy', 'timed out', '429', '503'].includes(end)),
      [],
    );
    const calls = Object.values(ends).reduce((all, count) => all + count, 0);
    assert.ok(calls >= rounds * times(80, 500), `${calls} calls`);
    // The door holds eight times as much of one caller: it is the line of the child that is full.
    assert.ok((ends['busy'] ?? 0) > 0, JSON.stringify(ends));
    assert.ok((ends['timed out'] ?? 0) > 0, JSON.stringify(ends));
    for (const [end, count] of Object.entries(ends)) figure('C-03', `calls that ended: ${end}`, count);
    figure('C-03', 'rss grew by MiB', Math.round(grew));
    figure('C-03', 'others p99 ms quiet', quiet);
    figure('C-03', 'others p99 ms beside the same load on a server that reads', reading);
    figure('C-03', 'others p99 ms beside', loud);
    assert.ok(grew <= 64, `${grew} MiB`);
    if (isWhole)
      assert.ok(loud <= 1.2 * Math.max(quiet, reading), `${loud} ms, ${reading} ms where it reads`);
    await endsWell(watched, 'C-03');
  });
});
