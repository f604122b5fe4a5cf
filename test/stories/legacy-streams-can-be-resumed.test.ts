// A call outlives the connection it came on: what is said later can be asked for, by its own caller, on its own stream only.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  answerIn,
  Events,
  everything,
  isMark,
  messageOf,
  revisions,
  textOf,
  Wire,
  type SeenEvent,
} from '../front/legacy-wire.ts';
import { serving, TestDaemon, until } from '../support/daemon.ts';

const roots = (uri: string) => ({ roots: [{ uri }] });

/** Calls a tool that asks something first, so that its answer waits for ours. */
async function asking(
  wire: Wire,
  id: unknown,
): Promise<{ readonly events: Events; readonly seen: SeenEvent[]; readonly question: unknown }> {
  const events = new Events(await wire.call(id, 'ask_roots'));
  const seen = [await events.one()];
  if (isMark(seen[0] as SeenEvent)) seen.push(await events.one());
  const question = messageOf(seen.at(-1) as SeenEvent);
  assert.equal(question.method, 'roots/list');
  return { events, seen, question: question.id };
}

const reply = (wire: Wire, id: unknown, uri: string) =>
  wire.post({ jsonrpc: '2.0', id, result: roots(uri) }).then(({ status }) => assert.equal(status, 202));

/** The rest of a stream, to its end. */
async function resume(wire: Wire, lastEventId: string | undefined): Promise<SeenEvent[]> {
  return new Events(await wire.get(lastEventId ?? '')).rest();
}

const progress = (wire: Wire, id: unknown, steps: number) =>
  wire.call(id, 'progress', { steps }, { progressToken: `p-${String(id)}` });

describe('a stream of the legacy era', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', everything) },
    });
  });
  after(() => daemon[Symbol.asyncDispose]());

  for (const revision of revisions) {
    const marked = revision === '2025-11-25';
    it(`${revision}: ${marked ? 'begins' : 'does not begin'} with an id and a time to come back, on a POST and on a GET`, async () => {
      const wire = await Wire.open(daemon, revision);
      const seen = await new Events(await progress(wire, 1, 2)).rest();
      assert.equal(seen.filter(isMark).length, marked ? 1 : 0);
      assert.equal(isMark(seen[0] as SeenEvent), marked);
      assert.deepEqual(
        seen.map(({ retry }) => retry !== undefined),
        marked ? [true, false, false, false] : [false, false, false],
      );
      const standing = new Events(await wire.get());
      if (marked) assert.ok(isMark(await standing.one()));
      await wire.call(2, 'change_tools');
      const told = await standing.one();
      assert.equal(messageOf(told).method, 'notifications/tools/list_changed');
      assert.ok(told.id !== undefined);
      await standing.leave();
    });

    it(`${revision}: gives every event an id of its own, and goes on after any of them`, async () => {
      const wire = await Wire.open(daemon, revision);
      const streams = await Promise.all(
        [1, 2, 3].map(async (id) => new Events(await progress(wire, id, 3)).rest()),
      );
      const ids = streams.flat().map(({ id }) => id);
      assert.ok(ids.every((id) => id !== undefined));
      assert.equal(new Set(ids).size, ids.length);
      for (const seen of streams) {
        for (const [at, { id }] of seen.slice(0, -1).entries()) {
          const rest = (await resume(wire, id)).filter((it) => !isMark(it));
          assert.deepEqual(
            rest.map(({ id, data }) => ({ id, data })),
            seen.slice(at + 1).map(({ id, data }) => ({ id, data })),
          );
        }
        const { status } = await wire.get(seen.at(-1)?.id);
        assert.equal(status, 204, 'who has heard everything is told not to come again');
      }
    });
  }

  it('goes on when its connection breaks, and its answer waits', async () => {
    const wire = await Wire.open(daemon);
    const { events, seen, question } = await asking(wire, 'a');
    await events.leave();
    await reply(wire, question, 'file:///after');
    // The first id leads to the question as well, the second to the answer alone.
    const [whole, rest] = [await resume(wire, seen[0]?.id), await resume(wire, seen[1]?.id)];
    for (const got of [whole, rest]) assert.match(textOf(answerIn(got, 'a')), /file:\/\/\/after/);
    assert.deepEqual([whole.length, rest.length], [3, 2]);
  });

  it('is heard to its end by who comes back before the answer is there', async () => {
    const wire = await Wire.open(daemon);
    const { events, seen, question } = await asking(wire, 'b');
    await events.leave();
    const again = new Events(await wire.get(seen[1]?.id));
    assert.ok(isMark(await again.one()));
    await reply(wire, question, 'file:///live');
    const rest = await again.rest();
    assert.match(textOf(answerIn(rest, 'b')), /file:\/\/\/live/);
  });

  it('is handed over to whoever resumes it, and the old connection ends', async () => {
    const wire = await Wire.open(daemon);
    const { events, seen, question } = await asking(wire, 1);
    const again = new Events(await wire.get(seen[0]?.id));
    assert.deepEqual(await events.rest(), [], 'nothing is said twice');
    await reply(wire, question, 'file:///new');
    assert.match(textOf(answerIn(await again.rest(), 1)), /new/);
  });

  it('holds nothing of another stream', async () => {
    const wire = await Wire.open(daemon);
    const one = await asking(wire, 'one');
    const two = await asking(wire, 'two');
    await Promise.all([one.events.leave(), two.events.leave()]);
    await reply(wire, two.question, 'file:///two');
    await reply(wire, one.question, 'file:///one');
    await progress(wire, 'three', 5).then((it) => it.text());
    for (const [id, { seen }] of [
      ['one', one],
      ['two', two],
    ] as const) {
      const messages = (await resume(wire, seen[0]?.id)).filter((it) => !isMark(it)).map(messageOf);
      assert.deepEqual(
        messages.map(({ method, id }) => method ?? id),
        ['roots/list', id],
      );
      assert.match(textOf(messages[1]), new RegExp(`file:///${id}`));
    }
  });

  it('that was never begun leaves nothing behind', async () => {
    const wire = await Wire.open(daemon);
    const gone = new AbortController();
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'slow', arguments: { ms: 300 } },
    });
    const headers = {
      authorization: `Bearer ${daemon.key}`,
      'mcp-session-id': wire.id,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const call = fetch(`${daemon.url}/servers/fx/mcp`, {
      method: 'POST',
      headers,
      body,
      signal: gone.signal,
    });
    await until('the call is under way', async () => (await daemon.status('fx')).inFlight > 0);
    gone.abort();
    await assert.rejects(call);
    await until('the call has ended', async () => (await daemon.status('fx')).inFlight === 0);
    const seen = await new Events(await progress(wire, 2, 1)).rest();
    // The first stream of this session is that of the second call.
    assert.match(seen[0]?.id ?? '', /^[\w-]{8}\.1\.0\.1$/);
  });

  describe('the standing one', () => {
    it('goes on after a break with what was missed', async () => {
      const wire = await Wire.open(daemon);
      const first = new Events(await wire.get());
      const mark = await first.one();
      await wire.call(1, 'change_tools');
      const told = await first.one();
      await first.leave();
      await until('the stream is free', async () => {
        const response = await wire.get();
        await response.body?.cancel();
        return response.status === 200;
      });
      await wire.call(2, 'change_tools');
      for (const [lastEventId, count] of [
        [mark.id, 2],
        [told.id, 1],
      ] as const) {
        const again = new Events(await wire.get(lastEventId));
        assert.ok(isMark(await again.one()));
        for (let at = 0; at < count; at++)
          assert.equal((await again.message()).method, 'notifications/tools/list_changed');
        await again.leave();
      }
    });

    it('is refused to a second reader, but not to one that resumes it', async () => {
      const wire = await Wire.open(daemon);
      const first = new Events(await wire.get());
      const mark = await first.one();
      const second = await wire.get();
      assert.equal(second.status, 409);
      const resumed = new Events(await wire.get(mark.id));
      assert.deepEqual(await first.rest(), []);
      await resumed.one();
      await wire.call(1, 'change_tools');
      assert.equal((await resumed.message()).method, 'notifications/tools/list_changed');
      await resumed.leave();
    });

    it('never carries an answer, and ends with the session', async () => {
      const wire = await Wire.open(daemon);
      const standing = new Events(await wire.get());
      await standing.one();
      await (await wire.call(1, 'log', { text: 'x' })).text();
      await (await progress(wire, 2, 2)).text();
      assert.equal((await wire.end()).status, 204);
      assert.deepEqual(await standing.rest(), []);
    });
  });

  it('ends for good with its session', async () => {
    const wire = await Wire.open(daemon);
    const { events, seen } = await asking(wire, 1);
    assert.equal((await wire.end()).status, 204);
    const rest = await events.rest();
    assert.equal(answerIn(rest, 1)?.error?.code, 1499);
    assert.equal((await wire.get(seen[0]?.id)).status, 404);
  });

  it('is put on record when it is opened and when it is resumed', async () => {
    const wire = await Wire.open(daemon);
    const standing = new Events(await wire.get());
    const { id } = await standing.one();
    const again = await wire.get(id);
    const found = again.headers.get('mcpd-correlation-id');
    await again.body?.cancel();
    await until('both stand in the journal', () => {
      const methods = daemon.journal().filter((it) => it['id'] === found);
      return methods.some((it) => it['method'] === '(stream resumed)' && it['caller'] === 'tester');
    });
  });
});
