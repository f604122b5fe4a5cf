// D-07 and D-09: much is written. Nothing of the journal is lost or out of order, and the log keeps to its size.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LegacyCaller } from '../load/callers.ts';
import { paced } from '../load/pace.ts';
import { projectRoot, rule, serving } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { endsQuietly } from './support/beside.ts';
import { againSays, undisturbed, type Again } from './support/stolen.ts';
import { JournalTail } from './support/tail.ts';
import { recordVerified, verifyJournal } from './support/verify.ts';
import { Watched } from './support/watch.ts';

const policy = serving(
  'answers',
  `sharing = "all"\nconcurrency = 256\nwaiting_max = 4096\n${rule('allow', ['*'], 'record = ["text", "n"]\n')}`,
);
const floods = join(projectRoot, 'test', 'faults', 'servers', 'floods.ts');
const onDisk = '[audit.durable]\nread = "disk"\nwrite = "disk"\ndestructive = "disk"\n';

describe('much is written', { timeout: isWhole ? 900_000 : 110_000 }, () => {
  it(`D-07 ${times(200, 2000)} calls/s for ${times(2, 120)} s, every record on the disk before its call goes out: two for each, in order`, async () => {
    await using watched = await Watched.start({ servers: { fx: policy }, daemon: onDisk });
    const { daemon } = watched;
    const sessions = Array.from(
      { length: 32 },
      (_, n) => new LegacyCaller(`s${n}`, { url: daemon.url, server: 'fx', key: daemon.key }, 1),
    );
    /** Text of a call → which session made it, as its how-manieth. */
    const made = new Map<string, readonly [session: number, turn: number]>();
    const turns = sessions.map(() => 0);
    const wrong: string[] = [];
    let done = 0;
    const again: Again = { times: 0 };
    const perSecond = await undisturbed(again, async () => {
      const until = performance.now() + times(2000, 120_000);
      const now = await paced(
        times(200, 2000),
        sessions.length,
        () => performance.now() < until,
        async (lane) => {
          const text = randomUUID();
          const turn = (turns[lane] ?? 0) + 1;
          turns[lane] = turn;
          made.set(text, [lane, turn]);
          const { end, said } = (await sessions[lane]?.call('echo', { text, n: turn })) ?? {
            end: 'no',
            said: '',
          };
          if (end !== 'answered' || said !== text) wrong.push(`${end} ${said}`);
        },
      );
      done += now.done;
      return now.done / now.seconds;
    });
    sessions.forEach((caller) => caller.hangUp());
    await endsQuietly(watched);
    assert.deepEqual(wrong.slice(0, 5), []);
    // Fewer would be another test: what was not begun in time is not made up for.
    if (isWhole) assert.ok(perSecond >= 0.95 * 2000, `${perSecond} calls/s`);

    const last = sessions.map(() => 0);
    let [intents, outcomes] = [0, 0];
    const journal = new JournalTail(daemon, ({ kind, resources, method, outcome }) => {
      if (method !== 'tools/call') return;
      if (kind === 'outcome' && outcome === 'answered') outcomes++;
      if (kind !== 'decision') return;
      intents++;
      const [session, turn] = made.get((resources as { text: string }).text) ?? [-1, -1];
      if (turn !== (last[session] ?? 0) + 1) wrong.push(`session ${session}: ${turn} after ${last[session]}`);
      last[session] = turn;
    }).read();
    assert.deepEqual([...wrong, ...journal.wrong], []);
    assert.equal(intents, done);
    assert.equal(journal.endless().length, 0);
    assert.ok(outcomes === done || outcomes === 0, `${outcomes} outcomes of ${done}`);
    assert.equal(journal.intents.size + journal.outcomes.size >= 2 * done, true);

    const from = performance.now();
    assert.equal(await verifyJournal(daemon), '');
    const verifySeconds = (performance.now() - from) / 1000;
    figure('D-07', 'calls', done);
    figure('D-07', 'calls/s', Math.round(perSecond));
    figure('D-07', againSays, again.times);
    figure('D-07', 'records', journal.records);
    figure('D-07', 'verify s', Math.round(verifySeconds * 10) / 10);
    // Starting the command is part of it, which counts for much where there is little to verify.
    if (isWhole) {
      const perMillion = (verifySeconds / journal.records) * 1e6;
      figure('D-07', 'verify s per million records', Math.round(perMillion * 10) / 10);
      assert.ok(perMillion <= 10, `${perMillion} s`);
    }
    recordVerified('D-07');
    watched.record('D-07');
  });

  it('D-09 at the most talkative, under load, the log keeps to its cap and nobody waits for it', async () => {
    const [fileMax, filesMax] = [64 * 1024, 3];
    // Of what a server writes to stderr, fifty lines a second go into the log: a kilobyte each.
    const talkers = Array.from({ length: times(4, 8) }, (_, n) => `talker-${n}`);
    const talking = `command = "$NODE"\nargs = [${JSON.stringify(floods)}]\nsharing = "all"\nanswer_within = "10m"\n${rule('allow', ['*'])}`;
    await using watched = await Watched.start({
      servers: { fx: policy, ...Object.fromEntries(talkers.map((name) => [name, talking])) },
      daemon: `[log]\nlevel = "trace"\nfile_max = "64KiB"\nfiles_max = ${filesMax}\n`,
    });
    const { daemon } = watched;
    const callerOf = (server: string): LegacyCaller =>
      new LegacyCaller(server, { url: daemon.url, server, key: daemon.key }, 1);
    const [callers, loud] = [Array.from({ length: 8 }, () => callerOf('fx')), talkers.map(callerOf)];
    const dir = join(daemon.state, 'log');
    let most = 0;
    const names = new Set<string>();
    const look = (): void => {
      const files = readdirSync(dir);
      for (const file of files) names.add(file);
      // A file may go between the listing and the look.
      const sizes = files.map((file) => statSync(join(dir, file), { throwIfNoEntry: false })?.size ?? 0);
      most = Math.max(
        most,
        sizes.reduce((sum, it) => sum + it, 0),
      );
    };
    const looking = setInterval(look, 50);
    const [ms, took]: [number, number[]] = [times(2500, 60_000), []];
    const until = performance.now() + ms;
    const flooding = loud.map((caller) => caller.call('stderr', { ms }));
    const { done } = await paced(
      times(100, 500),
      callers.length,
      () => performance.now() < until,
      async (lane) => {
        const deed = await callers[lane]?.call('echo', { text: randomUUID() });
        took.push((deed?.to ?? 0) - (deed?.from ?? 0));
      },
    );
    await Promise.all(flooding);
    clearInterval(looking);
    look();
    [...callers, ...loud].forEach((caller) => caller.hangUp());
    await endsQuietly(watched);
    assert.equal(await verifyJournal(daemon), '');
    figure('D-09', 'calls', done);
    figure('D-09', 'log bytes at most', most);
    figure('D-09', 'log files seen', names.size);
    figure('D-09', 'calls worst ms', Math.round(Math.max(...took)));
    assert.ok(names.size > 1, 'the log never began a new file');
    // A burst may overshoot a file: fifty lines of every talker at once.
    assert.ok(most <= (filesMax + 1) * fileMax + talkers.length * 50 * 1200, `${most} bytes`);
    // Of the loop, not of its own work: a loop that stands in a write computes nothing.
    if (isWhole) assert.ok(watched.seen.lateMs <= 250, `${watched.seen.lateMs} ms`);
    recordVerified('D-09');
    watched.record('D-09');
  });
});
