// What a session agreed on in the beginning holds to its end; a header that says otherwise is somebody's mistake, or worse.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { everything, revisions, Wire, type Rpc } from '../front/legacy-wire.ts';
import { initialize, serving, TestDaemon, until } from '../support/daemon.ts';

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
const other = [
  '1900-01-01',
  '2024-10-07',
  '2026-07-28',
  '2025-11-25 ',
  '2025-11-25, 2025-11-25',
  'draft',
  '',
];

describe('the revision that a session agreed on', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({ servers: { fx: serving('answers', everything) } });
  });
  after(() => daemon[Symbol.asyncDispose]());

  for (const revision of revisions) {
    it(`${revision} needs no header, and bears its own`, async () => {
      for (const header of [undefined, revision]) {
        const wire = await Wire.open(daemon, revision);
        const more = { 'mcp-protocol-version': header };
        assert.equal((await wire.post(ping, more)).status, 200);
        const stream = await wire.get(undefined, more);
        assert.equal(stream.status, 200);
        await stream.body?.cancel();
      }
    });

    it(`${revision} bears no other, whatever is asked, and nothing is done`, async () => {
      const wire = await Wire.open(daemon, revision);
      for (const header of [
        ...revisions.filter((it) => it !== revision),
        ...other.filter((it) => it.trim() !== revision),
      ]) {
        const more = { 'mcp-protocol-version': header };
        for (const body of [
          ping,
          { jsonrpc: '2.0', method: 'notifications/initialized' },
          { jsonrpc: '2.0', id: 's-1', result: {} },
        ]) {
          // Under the modern era's header a notification is one of that era, which has no sessions.
          if (header === '2026-07-28' && !('id' in body)) continue;
          const response = await wire.post(body, more);
          assert.equal(response.status, 400, `POST ${header}`);
          assert.ok([-32000, -32602, -32600].includes(((await response.json()) as Rpc).error?.code ?? 0));
        }
        assert.equal((await wire.get(undefined, more)).status, 400, `GET ${header}`);
      }
      assert.equal((await wire.post(ping)).status, 200, 'the session goes on');
    });
  }

  it('is on record where it was contradicted, with who did it', async () => {
    const wire = await Wire.open(daemon, '2025-06-18');
    const response = await wire.post(ping, { 'mcp-protocol-version': '2025-11-25' });
    const id = response.headers.get('mcpd-correlation-id');
    await until('it is on record', () =>
      daemon
        .journal()
        .some((it) => it['id'] === id && it['error'] === 'UNSUPPORTED_VERSION' && it['caller'] === 'tester'),
    );
  });

  it('says nothing to a stranger: a session that is not theirs is unknown, whatever the header', async () => {
    const wire = await Wire.open(daemon, '2025-06-18');
    const key = await daemon.addKey('mallory');
    const stranger = new Wire(daemon, 'fx', key, wire.id, '2025-11-25');
    for (const header of ['2025-06-18', '2025-11-25', undefined])
      assert.equal((await stranger.post(ping, { 'mcp-protocol-version': header })).status, 404);
    for (const header of ['2025-06-18', '2025-11-25', undefined])
      assert.equal((await stranger.get(undefined, { 'mcp-protocol-version': header })).status, 404);
  });

  it('is not asked of `initialize`, which begins another session', async () => {
    const wire = await Wire.open(daemon, '2025-06-18');
    const response = await wire.post(initialize(), { 'mcp-protocol-version': '2025-11-25' });
    assert.equal(response.status, 200);
    assert.notEqual(response.headers.get('mcp-session-id'), wire.id);
    await response.body?.cancel();
  });

  it('holds for the end of a session too', async () => {
    const wire = await Wire.open(daemon, '2025-06-18');
    const end = (version: string) =>
      fetch(`${daemon.url}/servers/fx/mcp`, {
        method: 'DELETE',
        headers: {
          authorization: `Bearer ${daemon.key}`,
          'mcp-session-id': wire.id,
          'mcp-protocol-version': version,
        },
      });
    assert.equal((await end('2025-03-26')).status, 400);
    assert.equal((await wire.post(ping)).status, 200);
    assert.equal((await end('2025-06-18')).status, 204);
  });
});
