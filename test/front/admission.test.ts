import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Admission, Stay, type AdmissionTerms } from '../../src/front/admission.ts';

function house(terms: Partial<AdmissionTerms> = {}, isLate: () => boolean = () => false): Admission {
  return new Admission({
    terms: { requestsMax: 16, perCallerMax: 8, bodyBytesMax: 1000, ...terms },
    isLate,
    random: () => 0.5,
  });
}

/** A request of a caller, read and under way; or why it is not. */
function call(it: Admission, caller: string, requests = 1): Stay | 'everybody' | 'caller' {
  const stay = it.enter(false);
  if (stay.kind === 'turned away') return stay.who;
  const away = stay.of(caller) ?? stay.begins(requests);
  if (away === undefined) return stay;
  stay.leave();
  return away.who;
}

const stays = (it: Admission, count: number, of: (at: number) => string): Stay[] =>
  Array.from({ length: count }, (_, at) => {
    const stay = call(it, of(at));
    assert.ok(stay instanceof Stay, `the ${at}th of ${of(at)} was turned away`);
    return stay;
  });

describe('who may come in', () => {
  it('are so many requests at once, and one more as soon as one has left', () => {
    const it = house();
    const all = stays(it, 16, (at) => `caller-${at % 4}`);
    assert.equal(call(it, 'one more'), 'everybody');
    all[0]?.leave();
    assert.ok(call(it, 'one more') instanceof Stay);
    assert.equal(it.turnedAway.requests, 1);
  });

  it('is one caller with its share, and the rest is for the others', () => {
    const it = house();
    stays(it, 8, () => 'greedy');
    for (let i = 0; i < 100; i++) assert.equal(call(it, 'greedy'), 'caller');
    assert.equal(it.turnedAway.perCaller, 100);
    stays(it, 8, () => 'modest');
    assert.equal(it.requests, 16);
  });

  it('is an answer that a call waits for, however many calls there are; and not without end', () => {
    const it = house();
    stays(it, 16, (at) => `caller-${at % 4}`);
    const answers = Array.from({ length: 8 }, () => call(it, 'caller-0', 0));
    assert.ok(answers.every((stay) => stay instanceof Stay));
    assert.equal(call(it, 'caller-0', 0), 'everybody');
    // What says before its body that it asks for something is not even looked at.
    assert.equal(it.enter(true).kind, 'turned away');
  });

  it('is the call of another, however much of one caller is let in and not read yet', () => {
    // Together with what is let in beyond its share, one caller has more than there is for all.
    const it = house({ perCallerMax: 12 });
    const unread = Array.from({ length: 12 + 8 }, () => it.enter(false));
    for (const stay of unread) assert.equal(stay.kind === 'stay' && stay.of('greedy'), undefined);
    const late = it.enter(false);
    assert.equal(late.kind === 'stay' && late.of('greedy')?.who, 'caller');
    if (late.kind === 'stay') late.leave();
    // The one says before its body that it asks for something, the other does not.
    const modern = it.enter(true);
    assert.ok(modern.kind === 'stay');
    assert.equal(modern.of('modest') ?? modern.begins(1), undefined);
    stays(it, 1, () => 'modest');
    const begun = unread.map((stay) => (stay.kind === 'stay' ? (stay.begins(1)?.who ?? 'begun') : ''));
    assert.deepEqual(begun, [...Array<string>(12).fill('begun'), ...Array<string>(8).fill('caller')]);
  });

  it('is one caller with its share, also of what says before its body that it asks for something', () => {
    const it = house();
    for (let at = 0; at < 8; at++) {
      const stay = it.enter(true);
      assert.equal(stay.kind === 'stay' && stay.of('greedy'), undefined);
    }
    const ninth = it.enter(true);
    assert.ok(ninth.kind === 'stay');
    assert.equal(ninth.of('greedy')?.who, 'caller');
    ninth.leave();
    assert.equal(call(it, 'greedy'), 'caller');
    stays(it, 8, () => 'modest');
  });

  it('is told of its own share first, also when there is too much of everybody’s', () => {
    const it = house();
    stays(it, 16, (at) => (at < 8 ? 'one' : 'other'));
    assert.equal(call(it, 'one'), 'caller');
    assert.equal(call(it, 'third'), 'everybody');
  });

  it('is a batch whole or not at all, and it counts as what it sets going', () => {
    const it = house();
    const batch = call(it, 'a', 6);
    assert.ok(batch instanceof Stay);
    assert.equal(it.requests, 6);
    assert.equal(call(it, 'a', 3), 'caller');
    assert.equal(it.requests, 6);
    batch.leave();
    assert.equal(it.requests, 0);
  });

  it('is nobody while mcpd is late, but for yeses and noes that calls wait for', () => {
    let late = true;
    const it = house({}, () => late);
    assert.equal(call(it, 'a'), 'everybody');
    assert.equal(typeof it.enterStream('a'), 'object');
    assert.equal(typeof it.enterAside(), 'function');
    late = false;
    assert.ok(call(it, 'a') instanceof Stay);
    assert.equal(it.turnedAway.late, 2);
  });

  it('is no body that all bodies together have no room for, and of one caller no more than half', () => {
    const it = house();
    const [one, other] = [it.enter(false), it.enter(false)];
    assert.ok(one.kind === 'stay' && other.kind === 'stay');
    one.of('a');
    other.of('b');
    assert.equal(one.holds(500), undefined);
    assert.equal(one.holds(1)?.who, 'caller');
    assert.equal(other.holds(500), undefined);
    assert.equal(it.bodyBytes, 1000);
    assert.equal(other.holds(1)?.who, 'everybody');
    one.leave();
    assert.equal(it.bodyBytes, 500);
    assert.equal(it.turnedAway.bodies, 2);
  });

  it('is one caller with so many streams', () => {
    const it = house({ perCallerMax: 2 });
    const [first] = [it.enterStream('a'), it.enterStream('a')];
    assert.equal(typeof it.enterStream('a'), 'object');
    assert.equal(typeof it.enterStream('b'), 'function');
    assert.ok(typeof first === 'function');
    first();
    first();
    assert.equal(it.streams, 2);
    assert.equal(typeof it.enterStream('a'), 'function');
  });

  it('are so many at once who say yes or no', () => {
    const it = house();
    const leaves = Array.from({ length: 64 }, () => it.enterAside());
    assert.ok(leaves.every((leave) => typeof leave === 'function'));
    assert.equal(typeof it.enterAside(), 'object');
  });
});

describe('who is turned away', () => {
  it('is told when to come back, and not all of them the same', () => {
    const told = [0, 0.999].map((random) => {
      const it = new Admission({
        terms: { requestsMax: 1, perCallerMax: 1, bodyBytesMax: 1 },
        isLate: () => true,
        random: () => random,
      });
      const away = it.enter(false);
      return away.kind === 'turned away' ? away.retryInMs : undefined;
    });
    assert.deepEqual(told, [1000, 2998]);
  });

  it('leaves nothing behind, and what is let in never is more than there is room for', () => {
    const visit = fc.record({
      caller: fc.nat(5),
      surely: fc.boolean(),
      requests: fc.nat(5),
      isRead: fc.boolean(),
      bytes: fc.nat(400),
      leaves: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(visit), (visits) => {
        const it = house();
        const under: { stay: Stay; caller: number; calls: number }[] = [];
        const callsOf = (of: (caller: number) => boolean) =>
          under.reduce((sum, { caller, calls }) => sum + (of(caller) ? calls : 0), 0);
        for (const { caller, surely, requests, isRead, bytes, leaves } of visits) {
          const stay = it.enter(surely);
          if (stay.kind === 'stay') {
            const away =
              stay.of(`c${caller}`) ?? stay.holds(bytes) ?? (isRead ? stay.begins(requests) : undefined);
            if (away === undefined) under.push({ stay, caller, calls: isRead ? requests : 0 });
            else stay.leave();
          }
          assert.ok(it.requests <= 16 + 8, 'requests');
          assert.ok(callsOf(() => true) <= 16, 'calls');
          assert.ok(callsOf((it) => it === caller) <= 8, 'calls of one');
          assert.ok(it.bodyBytes <= 1000, 'bytes');
          for (const { stay: gone } of under.splice(0, leaves)) {
            gone.leave();
            gone.leave();
          }
        }
        for (const { stay } of under) stay.leave();
        assert.deepEqual([it.requests, it.bodyBytes], [0, 0]);
        // Every place is free again, of all and of each.
        stays(it, 16, (at) => `c${at % 6}`);
      }),
    );
  });

  it('is not remembered for ever: callers with nothing under way are forgotten', () => {
    const it = house({ requestsMax: 100_000, perCallerMax: 100 });
    const held = stays(it, 100, (at) => `held-${at}`);
    for (let at = 0; at < 20_000; at++) {
      const stay = call(it, `passer-by-${at}`);
      assert.ok(stay instanceof Stay);
      stay.leave();
    }
    assert.ok(it.callers <= 4096 + 100, `${it.callers} callers are remembered`);
    for (const stay of held) stay.leave();
    assert.equal(it.requests, 0);
  });
});
