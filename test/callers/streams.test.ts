import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Replay } from '../../src/callers/replay.ts';
import { Streams, type Reader } from '../../src/callers/streams.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';

const bounds = { eventsMax: 100, bytesMax: 1024 * 1024, allBytesMax: 1024 * 1024 };
const say = (text: string) => text as RedactedJson;

/** A reader that remembers what it was told. */
class Told implements Reader {
  readonly messages: string[] = [];
  readonly ids: string[] = [];
  readonly marks: string[] = [];
  closed = 0;
  gone = false;

  send = (text: RedactedJson, eventId: string): 'sent' | 'gone' => {
    if (this.gone) return 'gone';
    this.messages.push(text);
    this.ids.push(eventId);
    return 'sent';
  };
  mark = (eventId: string): void => void this.marks.push(eventId);
  close = (): void => void this.closed++;
}

const streamsOf = (more: Partial<typeof bounds> = {}) => new Streams(new Replay({ ...bounds, ...more }));

/** Resumes after an event as a door would. */
function resume(streams: Streams, eventId: string | undefined): Told | undefined {
  const place = streams.placeOf(eventId ?? '');
  if (place === undefined) return undefined;
  const reader = new Told();
  place.stream.read(reader, place.after, true);
  return reader;
}

describe('a stream of a call', () => {
  it('goes on where its reader stopped, and then with what is new', () => {
    const streams = streamsOf();
    const stream = streams.open();
    const first = new Told();
    stream.readOn(first, true);
    for (const text of ['a', 'b', 'c']) stream.send(say(text));
    const again = resume(streams, first.ids[0]);
    assert.deepEqual(again?.messages, ['b', 'c']);
    assert.deepEqual(again.ids, first.ids.slice(1), 'the same event has the same id');
    stream.send(say('d'));
    assert.deepEqual(again.messages, ['b', 'c', 'd']);
    assert.deepEqual(first.messages, ['a', 'b', 'c'], 'each message is on one connection only');
    assert.equal(first.closed, 1, 'the connection that was left behind is closed');
  });

  it('keeps what nobody reads, its answer included, and ends after it', () => {
    const streams = streamsOf();
    const stream = streams.open();
    const first = new Told();
    stream.readOn(first, true);
    stream.leave(first);
    assert.equal(stream.send(say('question')), 'sent');
    assert.equal(stream.send(say('answer')), 'sent');
    stream.end();
    assert.deepEqual(first.messages, []);
    const again = resume(streams, first.marks[0]);
    assert.deepEqual([again?.messages, again?.closed], [['question', 'answer'], 1]);
    assert.equal(stream.send(say('more')), 'gone');
  });

  it('tells every event and every mark another id', () => {
    const streams = streamsOf();
    const seen: string[] = [];
    for (const stream of [streams.standing, streams.open(), streams.open()]) {
      let reader = new Told();
      stream.readOn(reader, true);
      for (let round = 0; round < 3; round++) {
        stream.send(say('x'));
        const next = resume(streams, reader.ids.at(-1) ?? reader.marks.at(-1));
        assert.ok(next !== undefined);
        seen.push(...reader.ids, ...reader.marks);
        reader = next;
      }
      seen.push(...reader.marks);
    }
    assert.equal(new Set(seen).size, seen.length);
    assert.equal(seen.length, 3 * (3 + 4));
  });

  it('can be resumed at a mark as at an event', () => {
    const streams = streamsOf();
    const stream = streams.open();
    const first = new Told();
    stream.readOn(first, true);
    stream.send(say('a'));
    const second = resume(streams, first.marks[0]);
    assert.deepEqual(second?.messages, ['a']);
    stream.send(say('b'));
    assert.deepEqual(resume(streams, second.marks[0])?.messages, ['a', 'b']);
    assert.deepEqual(resume(streams, first.ids[0])?.messages, ['b']);
  });

  it('is over for who heard all of it, and only for them', () => {
    const streams = streamsOf();
    const stream = streams.open();
    const reader = new Told();
    stream.readOn(reader, true);
    stream.send(say('a'));
    assert.equal(
      streams.placeOf(reader.ids[0] ?? '')?.stream.isOver(1),
      false,
      'the answer is still to come',
    );
    stream.send(say('answer'));
    stream.end();
    const [first, last] = reader.ids.map((id) => streams.placeOf(id));
    assert.equal(first?.stream.isOver(first.after), false);
    assert.equal(last?.stream.isOver(last.after), true);
  });

  it('goes on for a reader that was cut off in the middle', () => {
    const streams = streamsOf();
    const stream = streams.open();
    const slow = new Told();
    stream.readOn(slow, true);
    stream.send(say('a'));
    slow.gone = true;
    assert.equal(stream.send(say('b')), 'sent');
    assert.equal(stream.isRead, false);
    assert.deepEqual(resume(streams, slow.ids[0])?.messages, ['b']);
  });

  it('is not told to a client that cannot be told, but has its ids', () => {
    const stream = streamsOf().open();
    const old = new Told();
    stream.readOn(old, false);
    stream.send(say('a'));
    assert.deepEqual([old.marks, old.ids.length], [[], 1]);
  });

  it('says its answer to whoever reads when the session is over, and keeps nothing', () => {
    const replay = new Replay(bounds);
    const streams = new Streams(replay);
    const stream = streams.open();
    const reader = new Told();
    stream.readOn(reader, true);
    stream.send(say('a'));
    streams.close();
    assert.equal(replay.bytes, 0);
    assert.equal(stream.send(say('answer')), 'sent');
    stream.end();
    assert.deepEqual([reader.messages, reader.closed], [['a', 'answer'], 1]);
    assert.equal(resume(streams, reader.ids[0]), undefined);
    assert.equal(replay.bytes, 0);
  });
});

describe('an event id', () => {
  it('that was never told leads nowhere', () => {
    const streams = streamsOf();
    const stream = streams.open();
    const reader = new Told();
    stream.readOn(reader, true);
    stream.send(say('a'));
    const [id = ''] = reader.ids;
    const [tag, number] = id.split('.');
    assert.ok(streams.placeOf(id) !== undefined);
    for (const wrong of [
      '',
      'x',
      `${tag}`,
      `${tag}.${number}`,
      `${tag}.${number}.2`,
      `${tag}.${number}.-1`,
      `${tag}.${number}.01`,
      `${tag}.${number}.1e0`,
      `${tag}.${number}.1.`,
      `${tag}.${number}.1.1.1`,
      `${tag}.9.1`,
      `${tag}.0.1`,
      `${tag}.${number}.9999999999`,
      ` ${id}`,
      `${id}\n`,
      `AAAAAAAA.${number}.1`,
      `.${number}.1`,
      '__proto__.1.1',
      'A'.repeat(10_000),
    ])
      assert.equal(streams.placeOf(wrong), undefined, JSON.stringify(wrong.slice(0, 40)));
  });

  it('of another session leads nowhere, even where the numbers are the same', () => {
    const [hers, his] = [streamsOf(), streamsOf()];
    const [herReader, hisReader] = [new Told(), new Told()];
    for (const [streams, reader] of [
      [hers, herReader],
      [his, hisReader],
    ] as const) {
      const stream = streams.open();
      stream.readOn(reader, true);
      stream.send(say('secret'));
    }
    for (const id of [...herReader.ids, ...herReader.marks]) assert.equal(his.placeOf(id), undefined);
    assert.equal(hisReader.ids[0]?.split('.').slice(1).join(), herReader.ids[0]?.split('.').slice(1).join());
  });

  it('is worth nothing once a part of what came after it is gone, and those after the gap still are', () => {
    const streams = streamsOf({ eventsMax: 3 });
    const stream = streams.open();
    const reader = new Told();
    stream.readOn(reader, true);
    for (const text of ['a', 'b', 'c', 'd', 'e']) stream.send(say(text));
    assert.deepEqual(
      [...reader.marks, ...reader.ids].map((id) => resume(streams, id)?.messages.join('')),
      [undefined, undefined, 'cde', 'de', 'e', ''],
    );
  });

  it('of a stream that has ended and of which nothing is left leads nowhere, and the stream is forgotten', () => {
    const streams = streamsOf({ eventsMax: 2 });
    const stream = streams.open();
    const reader = new Told();
    stream.readOn(reader, true);
    stream.send(say('answer'));
    stream.end();
    assert.ok(streams.placeOf(reader.ids[0] ?? '') !== undefined);
    for (const text of ['x', 'y']) streams.standing.send(say(text));
    assert.equal(streams.placeOf(reader.ids[0] ?? ''), undefined);
  });

  it('stays good for a call under way, of which everything so far is lost but heard', () => {
    const streams = streamsOf({ eventsMax: 2 });
    const stream = streams.open();
    const reader = new Told();
    stream.readOn(reader, true);
    stream.send(say('a'));
    for (const text of ['x', 'y']) streams.standing.send(say(text));
    stream.leave(reader);
    stream.send(say('answer'));
    assert.deepEqual(resume(streams, reader.ids[0])?.messages, ['answer']);
    assert.equal(resume(streams, reader.marks[0]), undefined);
  });
});

describe('the standing stream', () => {
  it('keeps what is said before anybody reads, in order, up to a bound', () => {
    const { standing } = streamsOf();
    const fates = Array.from({ length: 70 }, (_, at) => standing.send(say(String(at))));
    assert.deepEqual([fates.indexOf('gone'), fates.lastIndexOf('sent')], [64, 63]);
    const reader = new Told();
    standing.readOn(reader, true);
    assert.deepEqual(
      reader.messages,
      Array.from({ length: 64 }, (_, at) => String(at)),
    );
    assert.equal(standing.send(say('new')), 'sent');
    assert.equal(reader.messages.at(-1), 'new');
  });

  it('does not repeat itself to a client that says nothing of what it heard', () => {
    const { standing } = streamsOf();
    const first = new Told();
    standing.readOn(first, true);
    standing.send(say('a'));
    standing.leave(first);
    standing.send(say('b'));
    const second = new Told();
    standing.readOn(second, true);
    assert.deepEqual(second.messages, ['b']);
  });

  it('marks a place that can be gone back to, also after a loss', () => {
    const streams = streamsOf({ eventsMax: 2 });
    for (const text of ['a', 'b', 'c']) streams.standing.send(say(text));
    const reader = new Told();
    streams.standing.readOn(reader, true);
    assert.deepEqual(reader.messages, ['b', 'c']);
    assert.deepEqual(resume(streams, reader.marks[0])?.messages, ['b', 'c']);
  });

  it('takes new messages after old ones were lost before anybody heard them', () => {
    const { standing } = streamsOf({ eventsMax: 2 });
    for (let at = 0; at < 200; at++) assert.equal(standing.send(say(String(at))), 'sent');
    const reader = new Told();
    standing.readOn(reader, true);
    assert.deepEqual(reader.messages, ['198', '199']);
  });

  it('is closed with the session, and then nobody hears it', () => {
    const streams = streamsOf();
    const reader = new Told();
    streams.standing.readOn(reader, true);
    streams.close();
    assert.deepEqual(
      [reader.closed, streams.standing.send(say('x')), streams.standing.isRead],
      [1, 'gone', false],
    );
  });
});
