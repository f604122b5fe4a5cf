// An event id opens nothing: it is a place in a stream, for the caller and the session that were told it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Events, everything, isMark, messageOf, textOf, answerIn, Wire } from '../front/legacy-wire.ts';
import { serving, TestDaemon, until } from '../support/daemon.ts';
import { exchange } from '../support/raw-http.ts';

/** The same refusal, whatever it was for. */
async function refusal(response: Response): Promise<string> {
  const body = (await response.text()).replace(/"correlationId":"[^"]*"/, '"correlationId":""');
  return `${response.status} ${body}`;
}

/** Every id of a finished stream with two messages before its answer. */
async function idsOf(wire: Wire, id: number): Promise<string[]> {
  const response = await wire.call(id, 'progress', { steps: 2 }, { progressToken: id });
  return (await new Events(response).rest()).map((it) => it.id ?? '');
}

describe('an event id', () => {
  let daemon: TestDaemon;
  let mallory: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', everything), other: serving('answers', everything) },
    });
    mallory = await daemon.addKey('mallory');
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('of somebody else is as unknown as an invented one, in every session but its own', async () => {
    const alice = await Wire.open(daemon);
    const ids = await idsOf(alice, 1);
    const others = [
      await Wire.open(daemon, '2025-11-25', { key: mallory }),
      await Wire.open(daemon),
      await Wire.open(daemon, '2025-11-25', { server: 'other' }),
    ];
    for (const wire of others) {
      // So that a stream with the same number is there.
      await idsOf(wire, 1);
      const unknown = await refusal(await wire.get('AAAAAAAA.1.1'));
      assert.match(unknown, /^400 .*"code":-32000/);
      for (const id of [...ids, 'x', '0', '1.1', `${ids[0]}x`, ids[0]?.slice(1) ?? ''])
        assert.equal(await refusal(await wire.get(id)), unknown);
    }
  });

  it('does not let a stranger into the session, with the session’s id or without', async () => {
    const alice = await Wire.open(daemon);
    const [id = ''] = await idsOf(alice, 1);
    const stranger = new Wire(daemon, 'fx', mallory, alice.id, '2025-11-25');
    const nobody = await refusal(await stranger.get());
    assert.match(nobody, /^404 /);
    assert.equal(await refusal(await stranger.get(id)), nobody);
    assert.match(await refusal(await alice.get(id, { 'mcp-session-id': undefined })), /^400 /);
    assert.match(await refusal(await alice.get(id, { authorization: undefined })), /^401 /);
    const elsewhere = new Wire(daemon, 'other', daemon.key, alice.id, '2025-11-25');
    assert.equal(await refusal(await elsewhere.get(id)), nobody);
  });

  it('dies with its session and with its caller’s key', async () => {
    const key = await daemon.addKey('carol');
    const carol = await Wire.open(daemon, '2025-11-25', { key });
    const [id] = await idsOf(carol, 1);
    assert.equal((await carol.end()).status, 204);
    assert.equal((await carol.get(id)).status, 404);
    const again = await Wire.open(daemon, '2025-11-25', { key });
    assert.equal((await again.get(id)).status, 400);
    const [kept] = await idsOf(again, 1);
    const open = new Events(await again.get());
    assert.equal((await daemon.mcpd(['key', 'revoke', 'carol'])).code, 0);
    assert.ok((await open.rest()).every(isMark), 'a revoked caller’s stream ends');
    assert.equal((await again.get(kept)).status, 401);
  });

  it('is ignored where there is nothing to resume: on a POST', async () => {
    const wire = await Wire.open(daemon);
    const [id] = await idsOf(wire, 1);
    const body = { jsonrpc: '2.0', id: 5, method: 'ping' };
    const response = await wire.post(body, { 'last-event-id': id });
    assert.deepEqual(await response.json(), { jsonrpc: '2.0', id: 5, result: {} });
  });

  it('that stands twice, or is no text for a header, is refused', async () => {
    const wire = await Wire.open(daemon);
    const [id = ''] = await idsOf(wire, 1);
    const head = `GET /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\nAuthorization: Bearer ${daemon.key}\r\nMcp-Session-Id: ${wire.id}\r\nAccept: text/event-stream\r\nConnection: close\r\n`;
    for (const lines of [
      `Last-Event-ID: ${id}\r\nLast-Event-ID: ${id}\r\n`,
      `Last-Event-ID: ${id}\r\nlast-event-id: x\r\n`,
      `Last-Event-ID: ${id}, ${id}\r\n`,
      `Last-Event-ID: ${'9'.repeat(10_000)}\r\n`,
      'Last-Event-ID: \xff\xfe\r\n',
    ]) {
      const { replies, closed } = await exchange(daemon.port, `${head}${lines}\r\n`);
      assert.equal(replies[0]?.status, 400, lines.slice(0, 40));
      assert.ok(closed);
    }
  });

  it('is not in the log and not in the journal', async () => {
    const wire = await Wire.open(daemon);
    const ids = await idsOf(wire, 1);
    await (await wire.get(ids[0])).text();
    await (await wire.get(ids.at(-1))).text();
    await until('the visits are on record', () =>
      daemon.journal().some((it) => it['method'] === '(stream resumed)'),
    );
    const written = daemon.log() + daemon.output + JSON.stringify(daemon.journal());
    for (const id of ids) assert.ok(!written.includes(id.split('.')[0] ?? 'no tag'));
  });
});

describe('what is kept for a session', () => {
  it('is bounded in number: the oldest events go, and who stopped before them is told', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: serving('answers', everything) } });
    const wire = await Wire.open(daemon);
    const early = await idsOf(wire, 1);
    const flood = await wire.call(2, 'progress', { steps: 1500 }, { progressToken: 2 });
    const seen = await new Events(flood).rest();
    assert.equal(seen.filter((it) => !isMark(it)).length, 1501, 'a live reader loses nothing');
    for (const id of [...early, seen[0]?.id, seen[1]?.id, seen[400]?.id])
      assert.equal((await wire.get(id)).status, 400, String(id));
    const rest = (await new Events(await wire.get(seen[600]?.id)).rest()).filter((it) => !isMark(it));
    assert.deepEqual(rest, seen.slice(601));
    // Somebody else’s shelf is not touched.
    const other = await Wire.open(daemon);
    const [id] = await idsOf(other, 1);
    await (await wire.call(3, 'progress', { steps: 1500 }, { progressToken: 3 })).text();
    assert.equal((await other.get(id)).status, 200);
  });

  it('is bounded in bytes', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: serving('answers', everything) } });
    const wire = await Wire.open(daemon);
    const first: string[] = [];
    for (let round = 0; round < 4; round++) {
      const message = String(round).repeat(3 * 1024 * 1024);
      const events = new Events(await wire.call(round, 'ask_elicitation', { message }));
      const mark = await events.one();
      first.push(mark.id ?? '');
      const question = messageOf(await events.one());
      assert.equal(question.params?.['message'], message);
      await wire.post({ jsonrpc: '2.0', id: question.id, result: { action: 'decline' } });
      assert.match(textOf(answerIn(await events.rest(), round)), /decline/);
    }
    // Two questions of 3 MiB fit in 8 MiB; a third does not.
    const statuses = [];
    for (const id of first) {
      const response = await wire.get(id);
      statuses.push(response.status);
      await response.body?.cancel();
    }
    assert.deepEqual(statuses, [400, 400, 200, 200]);
  });
});
