import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { absent, corpusLines } from '../support/corpora.ts';
import { exchange, header, postText, type RawExchange, type RawReply } from '../support/raw-http.ts';
import { assertServes, Ear, errorCode, startReference } from './reference.ts';

type Line = { id: string; title: string; raw?: string; raw_b64?: string; expect: string; why: string };
type Judge = (reply: RawReply) => void;

const oneOf =
  (...statuses: readonly number[]): Judge =>
  ({ status, body }) =>
    assert.ok(statuses.includes(status), `status ${status}: ${body}`);
const fine: Judge = ({ status, body }) =>
  assert.ok(status >= 200 && status < 300, `status ${status}: ${body}`);
const neverData: Judge = ({ status, body }) =>
  assert.ok(status >= 400 && status < 500, `status ${status}: ${body}`);

/** What each expectation of the test data means. */
const verdicts: ReadonlyMap<string, Judge> = new Map([
  ['2xx', fine],
  [
    '401 + WWW-Authenticate',
    (reply) => {
      oneOf(401)(reply);
      assert.match(header(reply, 'www-authenticate') ?? '', /^Bearer/);
    },
  ],
  ['400', oneOf(400)],
  ['401', oneOf(401)],
  ['403', oneOf(403)],
  ['405', oneOf(405)],
  ['413 at once, before reading the body', oneOf(413)],
  ['415', oneOf(415)],
  ['431', oneOf(431)],
  ['4xx', neverData],
  ['4xx and closed', neverData],
  ['400 or 401', oneOf(400, 401)],
  ['400 or 403', oneOf(400, 403)],
  ['400 or 403 or 421', oneOf(400, 403, 421)],
  ['400 or 415', oneOf(400, 415)],
  ['400 or 505', oneOf(400, 505)],
  ['401 or 2xx, never 5xx', (reply) => (reply.status === 401 ? undefined : fine(reply))],
  ['401 or 404; never 2xx with data', oneOf(401, 404)],
  ['401 or 405', oneOf(401, 405)],
  ['401; rate-limit key unaffected', oneOf(401)],
  ['403 or 415', oneOf(403, 415)],
  ['403 or 421', oneOf(403, 421)],
  ['403 recommended', oneOf(403)],
  ['403 unless configured', oneOf(403)],
  ['406 or 2xx, documented', (reply) => (reply.status === 406 ? undefined : fine(reply))],
  ['414 or 431', oneOf(414, 431)],
  ['415 or bounded', oneOf(415)],
  ['431 or 400', oneOf(431, 400)],
  ['handled; auth is checked before 100', fine],
  ['ignored', fine],
  ['not upgraded', fine],
  [
    'no Access-Control-Allow-Origin for evil; never * with credentials',
    (reply) => {
      neverData(reply);
      assert.equal(header(reply, 'access-control-allow-origin'), undefined);
    },
  ],
  [
    '200 with no version, tool, path, server or user data',
    (reply) => {
      oneOf(200)(reply);
      assert.deepEqual(JSON.parse(reply.body), { status: 'ok' });
    },
  ],
]);

const numberOf = ({ id }: Line): number => Number(id.slice('http-'.length));
/** Requests of the revision of 2026-07-28, which knows no sessions. */
const isModern = (line: Line): boolean => numberOf(line) >= 83;

const modernVerdicts: ReadonlyMap<string, (reply: RawReply) => void> = new Map([
  ['2xx', answered],
  ['2xx with Mcp_Name ignored', answered],
  ['2xx; header ignored, not echoed, no session minted', answered],
  ['2xx; ignored', answered],
  ['400', oneOf(400)],
  ['400, or same policy enforced', oneOf(400)],
  ['400 -32020', refusedWith(-32020)],
  ['400 -32022', refusedWith(-32022)],
]);

/** The call was made, and the answer is one of the modern era. */
function answered(reply: RawReply): void {
  oneOf(200)(reply);
  const { result } = JSON.parse(reply.body) as { result?: { resultType?: string } };
  assert.equal(result?.resultType, 'complete', reply.body);
  assert.equal(header(reply, 'mcp-session-id'), undefined);
}

function refusedWith(code: number): (reply: RawReply) => void {
  return (reply) => {
    oneOf(400)(reply);
    assert.equal(errorCode(reply), code, reply.body);
    assert.equal(header(reply, 'mcp-session-id'), undefined);
  };
}

/** A GET: with a session it would be a proper request for an event stream, in which `Upgrade` is left alone. */
const opensStream = new Set(['http-054']);

/** `/mcp` of the test data is `/servers/fx/mcp` here. */
function atOurAddress(raw: string): string {
  const [first = '', ...rest] = raw.split('\n');
  const ours = first.includes('/mcp')
    ? first.replace('/mcp', '/servers/fx/mcp')
    : first.replace(/\/(%6dcp|MCP)/, '/servers/fx/$1');
  return [ours, ...rest].join('\n');
}

/** With a session, where the line has none: otherwise its lack would be the reason for every refusal. */
function inSession(raw: string, sessionId: string): string {
  return raw.replace(
    /Connection: close(\r?\n)/,
    (found, end: string) => `Mcp-Session-Id: ${sessionId}${end}${found}`,
  );
}

describe('a request that was refused', () => {
  test('ends its connection, whatever it was refused for', async () => {
    await using daemon = await startReference('all');
    const session = await daemon.session('fx');
    const key = { Authorization: `Bearer ${daemon.key}` };
    const own = { ...key, 'Mcp-Session-Id': session.id };
    for (const [what, headers, body, status] of [
      ['no session', key, '{"jsonrpc":"2.0","id":1,"method":"ping"}', 400],
      ['no JSON', own, '{', 400],
      ['no message', own, '{}', 400],
      ['a request as a notification', own, '{"jsonrpc":"2.0","method":"ping"}', 400],
      [
        'a wrong version',
        { ...own, 'MCP-Protocol-Version': '1' },
        '{"jsonrpc":"2.0","id":1,"method":"ping"}',
        400,
      ],
      ['too many bytes', { ...own, 'Content-Length': '99999999' }, '{', 413],
      ['a head too large', { ...own, 'X-Long': 'a'.repeat(20_000) }, '{}', 431],
    ] as const) {
      const { replies, closed } = await exchange(
        daemon.port,
        postText('/servers/fx/mcp', daemon.port, headers, body),
        { waitMs: 5_000 },
      );
      assert.equal(replies[0]?.status, status, what);
      assert.ok(closed, `${what}: the connection stays open`);
    }
  });
});

describe('who has no key', () => {
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND'];
  const paths = [
    '/',
    '*',
    '/healthz',
    '/healthz/',
    '/readyz',
    '/readyz?x=1',
    '/servers',
    '/servers/',
    '/servers/fx',
    '/servers/fx/mcp',
    '/servers/fx/mcp/',
    '/servers/fx/mcp?access_token=$KEY',
    '/servers/nope/mcp',
    '/servers/FX/mcp',
    '/servers/f%78/mcp',
    '/servers//mcp',
    '/servers/../servers/fx/mcp',
    '/servers/__proto__/mcp',
    '/metrics',
    '/debug/pprof',
    '/.well-known/oauth-protected-resource',
  ];
  const bare = new Set(['/healthz', '/readyz', '/readyz?x=1']);

  test('learns that the daemon lives, and nothing else on any route by any method', async () => {
    await using daemon = await startReference('all');
    const before = new Ear(daemon).mark;
    const stranger = `Bearer mcpd_00000000_${'A'.repeat(43)}`;
    for (const credential of [
      undefined,
      stranger,
      'Bearer ',
      'Bearer undefined',
      'Basic Og==',
      `Bearer ${daemon.key}x`,
    ]) {
      for (const method of methods) {
        for (const path of paths) {
          const authorization = credential === undefined ? '' : `Authorization: ${credential}\r\n`;
          const raw = `${method} ${path.replace('$KEY', daemon.key)} HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\n${authorization}Content-Type: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
          const { replies } = await exchange(daemon.port, raw, { headOnly: method === 'HEAD' });
          const [reply] = replies as [RawReply];
          const what = `${method} ${path} ${credential}: ${reply.status} ${reply.body}`;
          if (reply.status < 300) {
            assert.ok(
              bare.has(path) && credential === undefined && (method === 'GET' || method === 'HEAD'),
              what,
            );
            if (method === 'GET') assert.match(reply.body, /^\{"status":"(ok|healthy)"\}$/);
          } else assert.ok(reply.status >= 400 && reply.status < 500, what);
          // Neither which servers there are, nor how the daemon is made.
          assert.ok(!/\bfx\b|node|\/work|\/tmp|at .*:\d+:\d+/.test(reply.body), what);
        }
      }
    }
    assert.equal(new Ear(daemon).since(before).length, 0);
  });

  test('is not asked to go on', async () => {
    await using daemon = await startReference('all');
    const raw = `POST /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\nContent-Type: application/json\r\nContent-Length: 40\r\nExpect: 100-continue\r\n\r\n`;
    const { replies, received } = await exchange(daemon.port, raw);
    assert.equal(replies[0]?.status, 401);
    assert.ok(!received.includes('100 Continue'));
  });
});

describe('HTTP as no client writes it', () => {
  test(
    'every raw request gets the answer it deserves, and none calls a tool that it hides',
    { skip: absent('mcpd-own') },
    async (t) => {
      await using daemon = await startReference();
      const ear = new Ear(daemon);
      const session = await daemon.session('fx');
      const fill = ({ raw, raw_b64 }: Line): string =>
        (raw ?? Buffer.from(raw_b64 ?? '', 'base64').toString('latin1'))
          .replaceAll('$PORT', String(daemon.port))
          .replaceAll('$KEY', daemon.key);
      const send = (raw: string): Promise<RawExchange> =>
        exchange(daemon.port, raw, { headOnly: raw.startsWith('HEAD') });
      const lines = corpusLines<Line>('mcpd-own/http-raw.jsonl');
      assert.equal(lines.length, 98);

      for (const line of lines.filter((it) => !isModern(it))) {
        await t.test(`${line.id} ${line.title}: ${line.expect}`, async () => {
          const judge = verdicts.get(line.expect);
          assert.ok(judge !== undefined, `no assertion for ${line.expect}`);
          const raw = atOurAddress(fill(line));
          const { replies, closed } = await send(opensStream.has(line.id) ? raw : inSession(raw, session.id));
          assert.equal(replies.length, 1, 'one request has one response');
          assert.ok(closed, 'the connection is closed');
          judge(replies[0] as RawReply);
        });
      }

      await t.test('a route that is not ours has no unlocked twin', async () => {
        for (const line of lines.filter((it) => it.expect.startsWith('401 or 404'))) {
          const { replies } = await send(fill(line));
          assert.ok([401, 404].includes(replies[0]?.status ?? 0), `${line.id}: ${replies[0]?.status}`);
        }
      });

      for (const line of lines.filter(isModern)) {
        await t.test(`${line.id} ${line.title}: ${line.expect}`, async () => {
          const judge = modernVerdicts.get(line.expect);
          assert.ok(judge !== undefined, `no assertion for ${line.expect}`);
          const raw = atOurAddress(fill(line));
          // A session header changes nothing; a second one would be refused for standing twice.
          const sends = raw.includes('Mcp-Session-Id') ? [raw] : [raw, inSession(raw, session.id)];
          for (const sent of sends) {
            const { replies, closed } = await send(sent);
            assert.equal(replies.length, 1);
            assert.ok(closed);
            judge(replies[0] as RawReply);
          }
        });
      }

      await t.test('what follows a refused request on its connection is not read as a request', async () => {
        for (const line of lines) {
          if (opensStream.has(line.id)) continue;
          const kept = inSession(atOurAddress(fill(line)), session.id).replace(/Connection: close\r?\n/, '');
          // A second request in the bytes that a confused reader would take for the rest of the first one.
          const smuggled = `${kept}POST /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
          const { replies, closed } = await exchange(daemon.port, smuggled, {
            headOnly: kept.startsWith('HEAD'),
          });
          const [{ status } = { status: 0 }] = replies;
          assert.ok(closed, line.id);
          if ([400, 413, 431].includes(status)) assert.equal(replies.length, 1, `${line.id}: ${status}`);
        }
      });

      await t.test('a connection is not handed over to another protocol', async () => {
        for (const protocol of ['websocket', 'h2c', 'TLS/1.3']) {
          const raw = `GET /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\nAuthorization: Bearer ${daemon.key}\r\nMcp-Session-Id: ${session.id}\r\nAccept: application/json\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`;
          const { replies, closed } = await exchange(daemon.port, raw);
          assert.ok(closed);
          assert.deepEqual(
            replies.map(({ status }) => status),
            [406],
          );
        }
      });

      await session.request('ping');
      // The proper requests of the modern era were carried out, and nothing else.
      for (const { params } of ear.since(0)) assert.match(params, /^\{"name":"read_file",/);
      ear.assertClean();
      await assertServes(daemon);
    },
  );
});
