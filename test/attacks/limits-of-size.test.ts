import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { describe, test } from 'node:test';
import { absent, corpusFile } from '../support/corpora.ts';
import { until, type TestDaemon, type TestSession } from '../support/daemon.ts';
import { exchange, postText, type RawReply } from '../support/raw-http.ts';
import { assertServes, Ear, errorCode, headersOf, order, postBytes, startReference } from './reference.ts';

const bodyMax = 64 * 1024;
const depthMax = 12;
const small = `
[requests]
body_max = "64KiB"
depth_max = ${depthMax}
read_within = "1s"
headers_within = "500ms"
`;

const startSmall = (): Promise<TestDaemon> => startReference('all', { daemon: small });
const call = (args: string, id = '1'): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":${args}}}`;

/** A valid call of exactly so many bytes. */
function ofBytes(size: number): string {
  const bare = call('{"text":""}');
  return call(`{"text":"${'a'.repeat(size - bare.length)}"}`);
}

/** A valid call of exactly so many levels; the envelope, `params` and `arguments` are three of them. */
const ofDepth = (levels: number): string => call(`{"a":${'['.repeat(levels - 3)}${']'.repeat(levels - 3)}}`);

async function forwarded(session: TestSession, ear: Ear, sent: string): Promise<RawReply> {
  const { mark } = ear;
  const reply = await postBytes(session.daemon, sent, headersOf(session));
  await session.request('ping');
  assert.equal(
    ear.since(mark).length,
    reply.status === 200 ? 1 : 0,
    'forwarded exactly when it was answered',
  );
  return reply;
}

describe('messages one step over a bound', () => {
  test('bytes, depth and id length end exactly where they should', async () => {
    await using daemon = await startSmall();
    const ear = new Ear(daemon);
    const session = await daemon.session('fx');
    for (const [what, sent, status] of [
      ['one byte less', ofBytes(bodyMax - 1), 200],
      ['as many bytes as may be', ofBytes(bodyMax), 200],
      ['one byte more', ofBytes(bodyMax + 1), 413],
      ['one level less', ofDepth(depthMax - 1), 200],
      ['as many levels as may be', ofDepth(depthMax), 200],
      ['one level more', ofDepth(depthMax + 1), 400],
      ['five thousand levels', ofDepth(5000), 400],
      ['an id with one character less', call('{}', `"${'i'.repeat(1023)}"`), 200],
      ['an id of the full length', call('{}', `"${'j'.repeat(1024)}"`), 200],
      ['an id with one character more', call('{}', `"${'k'.repeat(1025)}"`), 413],
      ['the largest integer id', call('{}', '9007199254740991'), 200],
      ['one more than that', call('{}', '9007199254740992'), 400],
    ] as const) {
      const reply = await forwarded(session, ear, sent);
      assert.equal(reply.status, status, `${what}: ${reply.body.slice(0, 200)}`);
      if (status !== 200) assert.equal(errorCode(reply), -32600, what);
    }
    ear.assertClean();
    await assertServes(daemon);
  });

  test('a name of 512 characters is a name, one of 513 is not', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    assert.equal(
      (await session.call('n'.repeat(512))).body.error?.message,
      `Unknown tool: ${'n'.repeat(512)}`,
    );
    const { body } = await session.call('n'.repeat(513));
    assert.equal(body.error?.code, -32602);
    assert.ok(!body.error.message.includes('nnn'));
  });

  test('a wide object and a long list pass as they are', async () => {
    await using daemon = await startSmall();
    const ear = new Ear(daemon);
    const session = await daemon.session('fx');
    const wide = Array.from({ length: 4000 }, (_, at) => `"${at}":0`).join(',');
    assert.equal((await forwarded(session, ear, call(`{${wide}}`))).status, 200);
    assert.equal((await forwarded(session, ear, call(`{"a":[${'0,'.repeat(30_000)}0]}`))).status, 200);
    ear.assertClean();
  });
});

describe('bodies that are not what their headers say', () => {
  test('a body in chunks ends at the bound, and the connection with it', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
    const bytes = chunkedPost(daemon, session, chunk.repeat(64));
    const { replies, closed } = await exchange(daemon.port, bytes);
    assert.ok(closed);
    // Whoever is still writing when the connection ends may not get to read why.
    assert.ok(replies.length === 0 || replies[0]?.status === 413);
    await assertServes(daemon);
  });

  test('a body in chunks that fits is read', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    const body = call('{"text":"x"}');
    const chunks = [...body].map((character) => `1;ext="a\\"b"\r\n${character}\r\n`).join('');
    const { replies } = await exchange(daemon.port, chunkedPost(daemon, session, `${chunks}0\r\n\r\n`));
    assert.equal(replies[0]?.status, 200);
  });

  test('chunks that readers count differently are refused, and the connection ends', async (t) => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    for (const [what, chunks] of [
      ['a chunk size that overflows', 'ffffffffffffffffff\r\n'],
      ['a negative chunk size', '-1\r\nx\r\n0\r\n\r\n'],
      ['a chunk size that is no number', '0x10\r\n0123456789abcdef\r\n0\r\n\r\n'],
      ['a chunk longer than it says', '1\r\n{}\r\n0\r\n\r\n'],
      ['a bare LF after the size', '1\n{\r\n0\r\n\r\n'],
      ['a chunk extension without end', `1;${'a'.repeat(40_000)}\r\n`],
      ['trailers without end', `0\r\n${'X-A: b\r\n'.repeat(5000)}\r\n`],
    ] as const) {
      await t.test(what, async () => {
        const { replies, closed } = await exchange(daemon.port, chunkedPost(daemon, session, chunks));
        assert.ok(closed);
        assert.ok(
          replies.every(({ status }) => status >= 400 && status < 500),
          String(replies[0]?.status),
        );
      });
    }
    await assertServes(daemon);
  });

  test('nothing compressed is unpacked', { skip: absent('mcpd-own') }, async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    const bomb = readFileSync(corpusFile('mcpd-own/gzip-bomb-64MiB.gz'));
    for (const encoding of [
      'gzip',
      'GZIP',
      'x-gzip',
      'deflate',
      'br',
      'zstd',
      'gzip, gzip',
      'identity',
      '',
    ]) {
      const { status } = await postBytes(daemon, bomb.subarray(0, bodyMax), {
        ...headersOf(session),
        'Content-Encoding': encoding,
      });
      assert.equal(status, 415, encoding);
    }
    // Without the header it is what it looks like: no JSON.
    assert.equal((await postBytes(daemon, bomb.subarray(0, bodyMax), headersOf(session))).status, 400);
    await assertServes(daemon);
  });

  test('a body that never ends is cut off', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    const whole = postText('/servers/fx/mcp', daemon.port, headersOf(session), call('{}'));
    const { closed, replies } = await exchange(daemon.port, whole.subarray(0, -1));
    assert.ok(closed);
    assert.ok(replies.every(({ status }) => status === 408 || status === 400));
    await assertServes(daemon);
  });

  test('a body that trickles is cut off', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    const whole = postText(
      '/servers/fx/mcp',
      daemon.port,
      { ...headersOf(session), 'Content-Length': '60000' },
      '{',
    );
    let trickle: NodeJS.Timeout | undefined;
    const { closed } = await exchange(daemon.port, whole, {
      then: (socket) => {
        trickle = setInterval(() => socket.write(' '), 100);
      },
    });
    clearInterval(trickle);
    assert.ok(closed);
    await assertServes(daemon);
  });

  test('headers that never end, or trickle, are cut off', async () => {
    await using daemon = await startSmall();
    const start = `POST /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\n`;
    let trickle: NodeJS.Timeout | undefined;
    const [silent, trickling, nothing] = await Promise.all([
      exchange(daemon.port, start),
      exchange(daemon.port, start, {
        then: (socket) => {
          trickle = setInterval(() => socket.write('X-A: b\r\n'), 100);
        },
      }),
      exchange(daemon.port, ''),
    ]);
    clearInterval(trickle);
    assert.ok(silent.closed && trickling.closed);
    assert.ok(nothing.closed, 'a connection that says nothing at all is cut off');
    await assertServes(daemon);
  });

  test(
    'who was refused cannot keep the connection by never closing its own half',
    {
      skip: existsSync('/proc/self/fd') ? false : 'open files of another process are seen in /proc only',
    },
    async (t) => {
      await using daemon = await startSmall();
      for (const [what, raw] of [
        ['garbage', 'GET / HTTP/1.1\r\nbad header\r\n\r\n'],
        ['a head that is too large', `GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`],
        [
          'a body that is too large',
          'POST /servers/fx/mcp HTTP/1.1\r\nHost: $HOST\r\nAuthorization: Bearer $KEY\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{',
        ],
        [
          'no credential',
          'POST /servers/fx/mcp HTTP/1.1\r\nHost: $HOST\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
        ],
        ['a tunnel', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: $HOST\r\n\r\n'],
      ] as const) {
        await t.test(what, async () => {
          const before = sockets(daemon);
          const bytes = raw.replaceAll('$HOST', `127.0.0.1:${daemon.port}`).replaceAll('$KEY', daemon.key);
          const done = new AbortController();
          let connected = 0;
          const held = Array.from({ length: 10 }, () =>
            exchange(daemon.port, bytes, { holdOn: true, until: done.signal, then: () => connected++ }),
          );
          await until('all are connected', () => connected === held.length);
          await until('the daemon has closed all of them', () => sockets(daemon) <= before);
          done.abort();
          await Promise.all(held);
        });
      }
    },
  );
});

/** Sockets that the daemon has open. */
function sockets(daemon: TestDaemon): number {
  const dir = `/proc/${daemon.pid}/fd`;
  return readdirSync(dir).filter((fd) => {
    try {
      return readlinkSync(`${dir}/${fd}`).startsWith('socket:');
    } catch {
      // Closed in the meantime.
      return false;
    }
  }).length;
}

describe('heads that are too large', () => {
  test('a head within the bound is read, one beyond it is refused before anything else', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    const withHeader = (size: number) =>
      postBytes(daemon, call('{}'), { ...headersOf(session), 'X-Long': 'a'.repeat(size) });
    assert.equal((await withHeader(14 * 1024)).status, 200);
    assert.equal((await withHeader(17 * 1024)).status, 431);
    const many = Object.fromEntries(Array.from({ length: 1900 }, (_, at) => [`X-${at}`, '']));
    assert.ok(
      [200, 431].includes((await postBytes(daemon, call('{}'), { ...headersOf(session), ...many })).status),
    );
    await assertServes(daemon);
  });

  test('a header that Node would drop for being one of too many cannot hide from the guard', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    // Node keeps the first 2000 headers. A second Authorization beyond them must not go unnoticed by one reader alone.
    const filler = Array.from({ length: 2100 }, () => 'a:\r\n').join('');
    const raw = `POST /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\nAuthorization: Bearer ${daemon.key}\r\nMcp-Session-Id: ${session.id}\r\nContent-Type: application/json\r\nConnection: close\r\n${filler}Transfer-Encoding: chunked\r\nOrigin: https://evil.example\r\n\r\n0\r\n\r\n`;
    const { replies } = await exchange(daemon.port, raw);
    assert.ok((replies[0]?.status ?? 0) >= 400);
  });
});

describe('the operator’s door', () => {
  test('the daemon serves on after a body of every kind of garbage', async () => {
    await using daemon = await startSmall();
    const session = await daemon.session('fx');
    for (const body of ['', ' ', '\u0000', '{', '"', '[', 'null', '1e', '{"a"', '\ud83d', '\\']) {
      const { status } = await postBytes(daemon, body, headersOf(session));
      assert.equal(status, 400, JSON.stringify(body));
    }
    assert.equal((await order(daemon, 'status'))['ok'], true);
    await assertServes(daemon);
  });
});

function chunkedPost(daemon: TestDaemon, session: TestSession, chunks: string): string {
  const headers = Object.entries(headersOf(session)).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${headers.join('')}\r\n${chunks}`;
}
