// D-01: two hundred sessions with equal ids at one shared child, and every reply is its own. The crowd and its judge are those
// of test/load; the time that mcpd adds is measured by `npm run bench`, which has the machine for itself.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCrowd } from '../load/crowd.ts';
import { figure, isWhole, times } from '../support/faults.ts';

describe('replies find their way', { timeout: isWhole ? 3_600_000 : 110_000 }, () => {
  it(`D-01 ${times(4000, 1_000_000)} replies to ${times(50, 200)} sessions, none foreign, none lost`, async () => {
    const replies = times(4000, 1_000_000);
    const plan = {
      replies,
      sessions: times(50, 200),
      callers: 8,
      notesEvery: 4,
      onProgress: () => undefined,
    };
    const { samples, ...seen } = await runCrowd(plan);
    figure('D-01', 'replies', seen.replies);
    figure('D-01', 'replies/s', Math.round(seen.replies / seen.seconds));
    figure('D-01', 'progress notes', seen.notes);
    figure('D-01', 'cancelled', seen.cancelled);
    figure('D-01', 'wrong replies', seen.foreign + seen.lost + seen.odd);
    const { foreign, lost, odd } = seen;
    assert.deepEqual({ foreign, lost, odd }, { foreign: 0, lost: 0, odd: 0 }, samples.join('\n'));
    assert.equal(seen.replies, replies);
    assert.equal(seen.children, 1, 'the child was not shared');
  });
});
