import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import type { Redacted } from '../../src/domain/redacted.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { absent, corpusLines } from '../support/corpora.ts';
import {
  ask,
  callText,
  fleetOf,
  isAlive,
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

function start(
  specs: Parameters<Fleet['apply']>[0],
  more: Parameters<typeof fleetOf>[0] = {},
): ReturnType<typeof fleetOf> {
  const parts = fleetOf(more);
  running.push(parts.fleet);
  parts.fleet.apply(specs);
  return parts;
}

afterEach(() => Promise.all(running.splice(0).map((fleet) => fleet.stop())));

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const statusOf = (fleet: Fleet) => {
  const [status] = fleet.status();
  assert.ok(status !== undefined);
  return status;
};

describe('stdout', () => {
  it('banners, blank lines, broken JSON and batches around the answers are skipped and counted', async () => {
    const { fleet, logged } = start([specOf('prints-garbage', { sharing: 'all' })]);
    assert.deepEqual(await ask(fleet, toolCall('x')), { content: [] });
    assert.ok(statusOf(fleet).dropped >= 7);
    const samples = logged.filter(({ message }) => message.startsWith('dropped: '));
    assert.ok(samples.length > 0 && samples.length <= 5);
  });

  it('too much garbage ends the child, and the caller hears of it', async () => {
    const { fleet } = start([specOf('prints-garbage', { sharing: 'all', env: { GARBAGE: '5000' } })]);
    const { pass } = passOf(toolCall('x'));
    // The answer comes after the garbage; whether it is still heard is the child's luck, but the call ends.
    await fleet.forward(pass).catch(() => undefined);
    await until(() => statusOf(fleet).restarts === 1);
  });

  it('a line over the cap fails its call and not its child', async () => {
    const { fleet } = start([specOf('floods-stdout', { sharing: 'all', lineBytesMax: 65_536 })]);
    await assert.rejects(ask(fleet, toolCall('answer')), fault('UPSTREAM_GARBLED'));
    await assert.rejects(ask(fleet, toolCall('junk')), fault('UPSTREAM_GARBLED'));
    assert.equal(statusOf(fleet).restarts, 0);
    assert.deepEqual(await ask(fleet, toolCall('short')), { content: [] });
  });

  it('a large answer within the cap arrives whole', async () => {
    const { fleet } = start([specOf('floods-stdout', { sharing: 'all', lineBytesMax: 8 * 1024 * 1024 })]);
    assert.equal((await callText(fleet, toolCall('answer'))).length, 4 * 1024 * 1024);
  });
});

describe('stderr', () => {
  it('a flood is read to the end, but only a little of it is passed on, with a count of the rest', async () => {
    const { fleet, logged } = start([specOf('floods-stderr', { sharing: 'all' })], {
      pace: { ...quickPace, stopStepMs: 5000 },
    });
    assert.deepEqual(await ask(fleet, toolCall('x')), { content: [] });
    await fleet.stop();
    const lines = logged.filter(({ fields }) => 'stream' in fields);
    const suppressed = lines.map(({ fields }) => ('suppressed' in fields ? Number(fields.suppressed) : 0));
    const passedOn = suppressed.filter((count) => count === 0).length;
    assert.ok(passedOn >= 50 && passedOn <= 1000);
    assert.equal(passedOn + suppressed.reduce((total, count) => total + count, 0), 20_000);
  });

  it('what a child says in the log or the status has been cleaned', async () => {
    const token = 'ghp_0123456789abcdefghijklmnopqrstuvwxyz';
    const { fleet, logged } = start([specOf('leaks-its-token', { sharing: 'all', name: 'fx' })], {
      secretsFor: () => Promise.resolve({ TOKEN: token }),
      clean: (text) => text.replaceAll(token, '[redacted]') as Redacted,
    });
    await fleet.waitReady(10_000);
    await ask(fleet, toolCall('leak'));
    await until(
      () =>
        logged.some(({ fields }) => 'stream' in fields) &&
        logged.some(({ message }) => message.startsWith('dropped')),
    );
    const { catalog } = statusOf(fleet);
    assert.equal(catalog?.serverName, '[redacted]');
    assert.doesNotMatch(JSON.stringify([logged, fleet.status()]), /ghp_/);
  });
});

describe('a child that never reads', () => {
  it('turns callers away instead of filling our memory, and is stopped all the same', async () => {
    const { fleet } = start([
      specOf('never-reads', { sharing: 'all', concurrency: 64, waitingMax: 64, answerWithinMs: 300 }),
    ]);
    await fleet.waitReady(10_000);
    const { pid } = statusOf(fleet);
    const big = 'x'.repeat(512 * 1024);
    const calls = Array.from({ length: 40 }, () => ask(fleet, toolCall('x', { big })));
    const ends = (await Promise.allSettled(calls)).map((it) =>
      it.status === 'rejected' ? (it.reason as Fault).code : 'answered',
    );
    assert.deepEqual([...new Set(ends)].sort(), ['UPSTREAM_BUSY', 'UPSTREAM_TIMEOUT']);
    await fleet.stop();
    assert.equal(isAlive(pid as number), false);
  });
});

describe('a child that does not want to leave', () => {
  it('is ended together with its grandchild', async () => {
    const { fleet } = start([specOf('ignores-sigterm', { sharing: 'all' })]);
    const pids = JSON.parse(await callText(fleet, toolCall('pids'))) as number[];
    assert.ok(pids.every(isAlive) && pids.length === 2);
    await fleet.stop();
    await until(() => !pids.some(isAlive));
  });

  it('its grandchild is ended even when it left the group', async () => {
    const { fleet, logged } = start([specOf('ignores-sigterm', { sharing: 'all', env: { SETSID: '1' } })]);
    const pids = JSON.parse(await callText(fleet, toolCall('pids'))) as number[];
    await fleet.stop();
    await until(() => !pids.some(isAlive));
    assert.ok(logged.some(({ fields }) => 'pids' in fields));
  });

  it('a death is noticed although a grandchild holds the pipes open', async () => {
    const { fleet } = start([specOf('ignores-sigterm', { sharing: 'all', env: { SETSID: '1' } })]);
    await fleet.waitReady(10_000);
    await assert.rejects(ask(fleet, toolCall('die')), fault('UPSTREAM_DIED'));
  });

  it('a death takes along what was left in the group', async () => {
    const { fleet } = start([specOf('ignores-sigterm', { sharing: 'all' })]);
    const [, grandchild] = JSON.parse(await callText(fleet, toolCall('pids'))) as [number, number];
    await assert.rejects(ask(fleet, toolCall('die')), fault('UPSTREAM_DIED'));
    await until(() => !isAlive(grandchild));
  });
});

it('a call that comes while a faulty child is on its way out waits for the next one', async () => {
  const { fleet } = start([specOf('replays', { sharing: 'all' })]);
  const answer = '{"jsonrpc":"2.0","id":$ID,"result":{"from":"the faulty one"}}';
  const raw = Buffer.from(`${'junk\n'.repeat(1001)}${answer}`).toString('base64');
  assert.deepEqual(await ask(fleet, toolCall('replay', { lines: [raw] })), { from: 'the faulty one' });
  assert.deepEqual(await ask(fleet, toolCall('heard')), {
    heard: [{ jsonrpc: '2.0', method: 'notifications/initialized' }],
  });
  assert.equal(statusOf(fleet).restarts, 1);
});

it('a crash in the middle of a call fails that call, and the next one finds a new child', async () => {
  const { fleet } = start([specOf('crashes-after', { env: { CRASH_AFTER: '1' } })]);
  await openSession(fleet);
  assert.deepEqual(await ask(fleet, toolCall('work')), { content: [] });
  await assert.rejects(ask(fleet, toolCall('work')), fault('UPSTREAM_DIED'));
  assert.deepEqual(await ask(fleet, toolCall('work')), { content: [] });
});

it('a child that never answers costs its caller the time limit and nobody else anything', async () => {
  const { fleet } = start([specOf('never-answers', { sharing: 'all', answerWithinMs: 100 })]);
  await until(() => statusOf(fleet).state === 'ready');
  await assert.rejects(ask(fleet, toolCall('x')), fault('UPSTREAM_TIMEOUT'));
  assert.ok((await fleet.ping('fx')) >= 0);
  assert.equal(statusOf(fleet).inFlight, 0);
});

type Line = {
  readonly id: string;
  readonly title: string;
  readonly raw?: string;
  readonly raw_b64?: string;
  readonly expect: string;
};

/** What the child layer does with each hostile line. Lines that later rooms judge must at least come through unharmed. */
const endings: Readonly<Record<string, 'dropped' | 'garbled' | 'answered' | 'upcall' | 'refused'>> = {
  's2c-001': 'dropped',
  's2c-002': 'dropped',
  's2c-003': 'dropped',
  's2c-004': 'dropped',
  's2c-005': 'dropped',
  's2c-006': 'garbled',
  's2c-007': 'garbled',
  's2c-008': 'upcall',
  's2c-009': 'upcall',
  's2c-010': 'upcall',
  's2c-024': 'upcall',
  's2c-025': 'upcall',
  's2c-026': 'dropped',
  's2c-027': 'dropped',
  's2c-029': 'garbled',
  's2c-030': 'dropped',
};

describe('the hostile lines of the corpus', { skip: absent('mcpd-own/child-messages.jsonl') }, () => {
  const lines =
    absent('mcpd-own/child-messages.jsonl') === false
      ? corpusLines<Line>('mcpd-own/child-messages.jsonl')
      : [];

  it('each ends as it should, and the child goes on answering', async () => {
    const { fleet, upcalls } = start([specOf('replays', { lineBytesMax: 64 * 1024 })]);
    await openSession(fleet);
    for (const line of lines) {
      const raw = line.raw_b64 ?? Buffer.from(line.raw ?? '').toString('base64');
      const ending = endings[line.id] ?? 'answered';
      const finish =
        ending === 'garbled' || ending === 'answered' ? 'no' : line.id === 's2c-005' ? 'first' : 'last';
      const [dropped, said] = [statusOf(fleet).dropped, upcalls.length];
      const call = fleet.forward(passOf(toolCall('replay', { lines: [raw], finish })).pass);
      if (ending === 'garbled') await assert.rejects(call, fault('UPSTREAM_GARBLED'), line.id);
      else resultOf(await call);
      // Whatever came after the answer has been read when the next call is answered.
      await ask(fleet, toolCall('heard'));
      assert.equal(
        statusOf(fleet).dropped > dropped,
        ending === 'dropped' || line.id === 's2c-029',
        `${line.id} ${line.title}: dropped`,
      );
      assert.equal(upcalls.length - said, ending === 'upcall' ? 1 : 0, `${line.id} ${line.title}: upcalls`);
      for (const upcall of upcalls)
        upcall.settle({ kind: 'error', text: '{"code":-32601,"message":"no"}' as never });
    }
    assert.equal(statusOf(fleet).restarts, 0);
  });

  it('ten thousand list_changed become a few', async () => {
    const { fleet, upcalls } = start([specOf('replays')]);
    await openSession(fleet);
    const storm = lines.find(({ id }) => id === 's2c-024')?.raw ?? '';
    const raw = Buffer.from(Array.from({ length: 10_000 }, () => storm).join('\n')).toString('base64');
    await ask(fleet, toolCall('replay', { lines: [raw], finish: 'last' }));
    assert.ok(upcalls.length >= 1 && upcalls.length < 50, `${upcalls.length}`);
    assert.equal(statusOf(fleet).restarts, 0);
  });

  it('a refused question reaches the child as an error', async () => {
    const { fleet, upcalls } = start([specOf('replays')]);
    await openSession(fleet);
    const question = lines.find(({ id }) => id === 's2c-009')?.raw ?? '';
    await ask(
      fleet,
      toolCall('replay', { lines: [Buffer.from(question).toString('base64')], finish: 'last' }),
    );
    upcalls[0]?.settle({ kind: 'error', text: '{"code":-32601,"message":"Method not found"}' as never });
    const told = resultOf(await fleet.forward(passOf(request('tools/call', { name: 'heard' })).pass))[
      'heard'
    ] as JsonObject[];
    assert.deepEqual(told.at(-1), {
      jsonrpc: '2.0',
      id: 5,
      error: { code: -32601, message: 'Method not found' },
    });
  });
});
