import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DataPlane } from '../../src/call/data-plane.ts';
import { resumeSession, type ResumePlane, type SleepingSessions } from '../../src/call/resume-session.ts';
import { Wakes } from '../../src/callers/wakes.ts';
import type { Arrival } from '../../src/domain/call.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A session that may be used already. Whoever comes must not get any further than to be told to wait, or not to. */
function awake(line: Wakes): ResumePlane {
  const sessions: Pick<SleepingSessions, 'isAwake'> = { isAwake: () => true };
  return {
    data: {} as DataPlane,
    sessions: sessions as SleepingSessions,
    line,
    tell: () => assert.fail('it is awake'),
  };
}

const arrival = { sessionId: 'a', server: 'fx' } as Arrival;

describe('a call that comes while the child of its session has greeted and is not told so yet', () => {
  it('waits until it is', async () => {
    const line = new Wakes();
    const told = Promise.withResolvers<void>();
    const first = line.once('a', 'fx', 'alice', () => told.promise);
    const second = resumeSession(arrival, { kind: 'none' }, awake(line));
    assert.ok(second !== undefined, 'it goes past whoever brings the session back');
    let goesOn = false;
    const waiting = second.then(() => (goesOn = true));
    await turn();
    assert.equal(goesOn, false);
    told.resolve();
    await Promise.all([first, waiting]);
    await turn();
    assert.equal(resumeSession(arrival, { kind: 'none' }, awake(line)), undefined);
  });

  it('does not wait for another session', async () => {
    const line = new Wakes();
    const told = Promise.withResolvers<void>();
    const other = line.once('b', 'fx', 'alice', () => told.promise);
    assert.equal(resumeSession(arrival, { kind: 'none' }, awake(line)), undefined);
    told.resolve();
    await other;
  });
});
