/**
 * The wall clock jumps, as after a suspend, a wrong time server or an operator's `date -s`. What was promised for a span holds
 * for that span: limits are not refilled, questions do not run out, nothing is restarted. The journal goes on counting, and
 * shows the jump.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rule, serving, TestDaemon, textOf, until, type ServerStatus } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { FalseClock, unmovable } from './support/clock.ts';
import { operate, went } from './support/history.ts';
import { boot, readiness } from './support/launch.ts';
import { verified } from './support/verified.ts';

const hour = 3600;
const jumps: readonly { readonly name: string; readonly seconds: readonly number[] }[] = [
  { name: 'an hour forward', seconds: [hour] },
  { name: 'an hour back', seconds: [-hour] },
  { name: 'ten years forward', seconds: [10 * 365 * 24 * hour] },
  { name: 'back and forth', seconds: [hour, -hour, 24 * hour, -24 * hour, 0] },
];

const server = serving(
  'answers',
  `[limits]\nper_tool = "3/h"\n${rule('allow', ['echo'])}${rule('allow', ['list_dir', 'slow'], 'rate = "100/s"')}` +
    rule('confirm', ['write_file'], 'answer_within = "9m"'),
);

describe('C-17 the wall clock jumps', { skip: unmovable }, () => {
  for (const { name, seconds } of isWhole ? jumps : jumps.slice(-1))
    it(`C-17 ${name}: limits, questions and servers stay, and the journal shows it`, async () => {
      await using daemon = await TestDaemon.start({ servers: { fx: server }, boot: false });
      const clock = new FalseClock(daemon.dir);
      await boot(daemon, { env: clock.env });
      const first = await daemon.status('fx');
      const session = await daemon.session('fx');
      for (let n = 0; n < 3; n++) assert.equal(textOf(await session.call('echo', { text: 'x' })), 'x');
      const limited = async () => {
        const reply = await session.call('echo', { text: 'one too many' });
        assert.equal(went(reply), false, 'the limit was refilled by a clock');
        const seconds = Number(reply.headers.get('retry-after'));
        assert.ok(seconds >= 1 && seconds <= 3601, `come back in ${seconds} s`);
      };
      await limited();
      // One question that is open over the jumps, and one call.
      const asked = session.call('write_file');
      await until('it waits for a yes', async () => (await daemon.approvals()).length === 1);
      const slow = session.call('slow', { ms: 1500 });
      await until('it is under way', async () => (await operate(daemon, 'status'))['callsInFlight'] !== 0);

      for (const offset of seconds) {
        clock.move(offset);
        // The proof that it moved is the daemon's own: the time of its next record.
        await session.call('list_dir');
        await until(`the clock is ${offset} s off`, async () => {
          await session.call('list_dir');
          const { time } = daemon.journal().at(-1) as { time: string };
          return Math.abs(Date.parse(time) - Date.now() - offset * 1000) < 60_000;
        });
        await limited();
        assert.equal((await daemon.approvals()).length, 1, 'the question is still open');
        assert.equal((await readiness(daemon)).status, 200);
      }

      const [question] = await daemon.approvals();
      assert.equal((await operate(daemon, 'approve', { id: question?.id ?? '' })).ok, true);
      assert.equal(went(await asked), true, 'a yes within its time is a yes');
      assert.equal(textOf(await slow), 'done');
      await calm(daemon, first);
      assert.equal(await daemon.end(), 0);

      const records = daemon.journal() as unknown as { seq: number; time: string; durationMs?: number }[];
      const steps = records
        .slice(1)
        .map(({ time }, n) => Date.parse(time) - Date.parse(records[n]?.time ?? ''));
      const seen = steps.filter((step) => Math.abs(step) > 1000 * 1800).length;
      assert.ok(seen >= seconds.length, `${seen} of ${seconds.length} jumps are on record`);
      // The journal says so itself, and by how much, so that nobody has to guess it from the times.
      const minutes = (ms: unknown): number => Math.round(Number(ms) / 60_000);
      assert.deepEqual(
        daemon.journal().flatMap(({ kind, jumpMs }) => (kind === 'clock' ? [minutes(jumpMs)] : [])),
        seconds.map((offset, n) => (offset - (seconds[n - 1] ?? 0)) / 60),
      );
      // How long something took is measured, not subtracted.
      for (const { seq, durationMs = 0 } of records)
        assert.ok(durationMs >= 0 && durationMs < 600_000, `record ${seq} took ${durationMs} ms`);
      await verified(daemon, 'after the jumps');
      figure('C-17', name, `${seen} jumps on record, 0 restarts`);
    });
});

/** No storm: the same child as before, never restarted. */
async function calm(daemon: TestDaemon, first: ServerStatus): Promise<void> {
  const now = await daemon.status('fx');
  assert.deepEqual([now.pid, now.restarts, now.state], [first.pid, first.restarts, 'ready']);
}
