import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Replay, type Origin, type Shelf } from '../../src/callers/replay.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';

/** What one event costs beside its text. */
const overhead = 128;
const bounds = { eventsMax: 4, bytesMax: 10 * overhead, allBytesMax: 1000 * overhead };
const text = (bytes = 0) => 'x'.repeat(bytes) as RedactedJson;

class Source implements Origin {
  lost = 0;
  lose = (event: number): void => void (this.lost = Math.max(this.lost, event));
}

const numbers = (shelf: Shelf, origin: Origin, after = 0) =>
  shelf.after(origin, after).map(({ event }) => event);

function fill(shelf: Shelf, origin: Origin, count: number, bytes = 0): void {
  for (let event = 1; event <= count; event++) shelf.keep(origin, event, text(bytes));
}

describe('a shelf of events', () => {
  it('gives what came after an event, of one stream only, oldest first', () => {
    const shelf = new Replay(bounds).shelf();
    const [one, other] = [new Source(), new Source()];
    shelf.keep(one, 1, text());
    shelf.keep(other, 1, text());
    shelf.keep(one, 2, text());
    shelf.keep(one, 3, text());
    assert.deepEqual(numbers(shelf, one), [1, 2, 3]);
    assert.deepEqual(numbers(shelf, one, 2), [3]);
    assert.deepEqual(numbers(shelf, one, 3), []);
    assert.deepEqual(numbers(shelf, other), [1]);
  });

  it('keeps so many events and no more, and says which are lost', () => {
    const shelf = new Replay(bounds).shelf();
    const source = new Source();
    fill(shelf, source, 4);
    assert.equal(source.lost, 0);
    shelf.keep(source, 5, text());
    assert.equal(source.lost, 1);
    assert.deepEqual(numbers(shelf, source), [2, 3, 4, 5]);
  });

  it('keeps so many bytes and no more, whatever the stream', () => {
    const shelf = new Replay(bounds).shelf();
    const [one, other] = [new Source(), new Source()];
    fill(shelf, one, 2, 4 * overhead);
    assert.equal(shelf.bytes, bounds.bytesMax);
    shelf.keep(other, 1, text());
    assert.equal(one.lost, 1);
    assert.deepEqual([numbers(shelf, one), numbers(shelf, other)], [[2], [1]]);
    assert.equal(shelf.bytes, 6 * overhead);
  });

  it('counts bytes, not characters', () => {
    const shelf = new Replay(bounds).shelf();
    shelf.keep(new Source(), 1, '日本' as RedactedJson);
    assert.equal(shelf.bytes, overhead + 6);
  });

  it('loses an event that is too large, with what came before it on its stream, and nobody else’s', () => {
    const replay = new Replay(bounds);
    const shelf = replay.shelf();
    const [one, other] = [new Source(), new Source()];
    shelf.keep(one, 1, text());
    shelf.keep(other, 1, text());
    shelf.keep(one, 2, text(bounds.bytesMax));
    assert.equal(one.lost, 2);
    assert.deepEqual([numbers(shelf, one), numbers(shelf, other)], [[], [1]]);
    shelf.keep(one, 3, text());
    assert.deepEqual(numbers(shelf, one, 2), [3]);
    assert.equal(replay.bytes, 2 * overhead);
  });

  it('keeps nothing once it is closed, and gives all its room back', () => {
    const replay = new Replay(bounds);
    const shelf = replay.shelf();
    const source = new Source();
    fill(shelf, source, 3);
    shelf.close();
    assert.equal(replay.bytes, 0);
    shelf.keep(source, 4, text());
    assert.equal(source.lost, 4);
    assert.deepEqual([replay.bytes, shelf.count], [0, 0]);
  });
});

describe('all shelves together', () => {
  it('hold so much and no more, and the fullest gives way', () => {
    const replay = new Replay({ eventsMax: 100, bytesMax: 50 * overhead, allBytesMax: 60 * overhead });
    const [greedy, modest] = [replay.shelf(), replay.shelf()];
    const [hers, his] = [new Source(), new Source()];
    fill(modest, his, 10);
    fill(greedy, hers, 50);
    assert.deepEqual([hers.lost, his.lost], [0, 0]);
    modest.keep(his, 11, text());
    assert.deepEqual([hers.lost, his.lost], [1, 0]);
    greedy.keep(hers, 51, text());
    assert.deepEqual([hers.lost, his.lost], [2, 0]);
    assert.equal(replay.bytes, 60 * overhead);
  });

  it('count right after everything that can happen to an event', () => {
    const replay = new Replay({ eventsMax: 7, bytesMax: 20 * overhead, allBytesMax: 40 * overhead });
    const shelves = Array.from({ length: 5 }, () => ({
      shelf: replay.shelf(),
      source: new Source(),
      event: 0,
    }));
    for (let step = 0; step < 2000; step++) {
      const at = shelves[step % 5];
      assert.ok(at !== undefined);
      at.shelf.keep(at.source, ++at.event, text((step * 37) % (25 * overhead)));
      if (step % 97 === 0) {
        at.shelf.close();
        shelves[step % 5] = { shelf: replay.shelf(), source: new Source(), event: 0 };
      }
      const sum = shelves.reduce((total, { shelf }) => total + shelf.bytes, 0);
      assert.equal(replay.bytes, sum);
      assert.ok(sum <= 40 * overhead);
      for (const { shelf } of shelves) assert.ok(shelf.count <= 7 && shelf.bytes <= 20 * overhead);
    }
  });
});
