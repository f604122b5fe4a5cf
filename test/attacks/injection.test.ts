import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { absent, corpusLines } from '../support/corpora.ts';
import { TestDaemon, until } from '../support/daemon.ts';
import { hasTwins, readTree } from '../support/oracle.ts';
import { exchange, postText } from '../support/raw-http.ts';
import { order, question, referenceToml, startReference } from './reference.ts';
import { readEvents } from './sse-reader.ts';

/** Texts that want to be something else: another line, another record, an order to the terminal, or invisible. */
const nasty: readonly string[] = [
  'a\nb',
  'a\r\nb',
  'a\rOVERWRITTEN',
  '\u001b[2J\u001b[31mred\u001b]0;title\u0007',
  '\u009b31mred',
  'a\u2028b\u2029c\u0085d',
  '\u202efdp.exe\u2066\u2069',
  'a\u200b\u200d\u2060\ufeffb\u{e0041}',
  'x"}\n{"kind":"outcome","time":"2026-01-01T00:00:00.000Z","id":"forged","outcome":"answered"}',
  '\\u001b[31m',
  '\u0000\u0007\b\u007f',
  '\ud800 half',
  '%1b[31m %s %n ${jndi:ldap://x} $(id) `id`',
  'question   00000000\ncaller     root\narguments.',
];

/** What a terminal obeys, hides or reorders instead of showing it; line ends are ours to write. */
const obeyed = /[^\P{Cc}\n]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

function assertPlain(what: string, text: string): void {
  const found = obeyed.exec(text);
  assert.equal(
    found,
    null,
    `${what} holds ${JSON.stringify(found?.[0])} near ${JSON.stringify(text.slice(Math.max(0, (found?.index ?? 0) - 40), (found?.index ?? 0) + 20))}`,
  );
}

/** The journal as the bytes on disk: every line is one record, and nothing in it can act on whoever looks at it. */
function journalLines(daemon: TestDaemon): Record<string, unknown>[] {
  const dir = join(daemon.state, 'audit');
  const files = readdirSync(dir).filter((file) => file.startsWith('journal-'));
  const text = files
    .sort()
    .map((file) => readFileSync(join(dir, file), 'utf8'))
    .join('');
  assert.ok(text.endsWith('\n'));
  assertPlain('the journal', text);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      assert.ok(line.startsWith('{') && line.endsWith('}'), line.slice(0, 100));
      return JSON.parse(line) as Record<string, unknown>;
    });
}

describe('text that wants to be a record, a line or an order to the terminal', () => {
  test('each call has its records and no others, and each is one line', async () => {
    await using daemon = await startReference();
    const session = await daemon.session('fx');
    // An operator's command is answered when everything said before it is written.
    await order(daemon, 'status');
    const before = journalLines(daemon).length;
    for (const text of nasty) {
      // Two records for a call that goes out, one for a refusal, one for what cannot be read.
      await session.call('read_file', { path: text, text });
      await session.call(text, { path: text });
      await session.request(text.slice(0, 500), { uri: text });
      await session.request('resources/read', { uri: text });
      await session.raw(`{"jsonrpc":"2.0","id":1,"method":${JSON.stringify(text)}`);
    }
    await order(daemon, 'status');
    const records = journalLines(daemon).slice(before, -1);
    assert.equal(records.length, nasty.length * 6);
    assert.ok(!records.some(({ id }) => id === 'forged'));
    for (const text of nasty.filter((it) => it.isWellFormed())) {
      assert.ok(
        records.some(({ resources }) => (resources as { path?: string } | undefined)?.path === text),
        `the path ${JSON.stringify(text)} is on record as it was`,
      );
    }
  });

  test('a client’s name, version and user agent cannot break a record or a terminal', async () => {
    await using daemon = await startReference('all');
    const before = journalLines(daemon).length;
    for (const text of nasty) {
      const body = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: {
          protocolVersion: '2025-11-25',
          capabilities: { [text]: {} },
          clientInfo: { name: text, version: text, title: text },
        },
      });
      // What HTTP lets through: bytes from 0x80 on, among them the one-byte form of ESC [.
      const agent = Buffer.from(text, 'utf8')
        .toString('latin1')
        .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?');
      const headers = {
        Authorization: `Bearer ${daemon.key}`,
        'User-Agent': `x\u009b31m ${agent}`,
        Connection: 'close',
      };
      const { replies } = await exchange(
        daemon.port,
        postText('/servers/fx/mcp', daemon.port, headers, body),
      );
      assert.equal(replies[0]?.status, 200);
    }
    await order(daemon, 'status');
    assert.equal(journalLines(daemon).length, before + nasty.length * 2 + 1);
    for (const options of [[], ['--caller', 'tester'], ['--json']]) {
      const { stdout } = await daemon.mcpd(['audit', 'query', '--limit', '1000', ...options]);
      assertPlain('audit query', stdout);
      assert.ok(stdout.length > 100);
    }
  });

  test('fields of a megabyte leave short records', async () => {
    await using daemon = await startReference();
    const session = await daemon.session('fx');
    const long = 'L\n'.repeat(500_000);
    await session.call('read_file', { path: long, text: long });
    await session.call(long);
    await session.request('resources/read', { uri: long });
    await session.request(long);
    await session.raw({ jsonrpc: '2.0', id: long, method: 'ping' });
    await session.raw({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: long } });
    await order(daemon, 'status');
    for (const record of journalLines(daemon))
      assert.ok(JSON.stringify(record).length < 10_000, JSON.stringify(record).slice(0, 300));
    const { stdout } = await daemon.mcpd(['audit', 'query', '--limit', '100']);
    for (const line of stdout.split('\n')) assert.ok(line.length < 600, line.slice(0, 100));
  });

  test('a waiting question shows its arguments and obeys none of them', async () => {
    await using daemon = await startReference();
    const session = await daemon.session('fx');
    for (const text of nasty.slice(0, 9)) {
      const waiting = session.call('write_file', { [text]: text, path: text });
      const id = await question(daemon);
      const { stdout } = await daemon.mcpd(['ctl', 'approvals']);
      assertPlain('ctl approvals', stdout);
      assert.equal(stdout.match(/^question /gm)?.length, 1, stdout);
      assert.equal(stdout.match(/^caller /gm)?.length, 1, stdout);
      assert.equal(stdout.match(/^arguments /gm)?.length, 1, stdout);
      await order(daemon, 'deny', { id, reason: text });
      const { body } = await waiting;
      assert.equal(body.result?.['isError'], true);
    }
    assertPlain('ctl approvals --json', (await daemon.mcpd(['ctl', 'approvals', '--json'])).stdout);
  });

  test('an operator’s reason stays one field, on the journal and on the screen', async () => {
    await using daemon = await startReference();
    const before = journalLines(daemon).length;
    for (const [at, reason] of nasty.entries()) {
      // A command line cannot hold NUL or half a pair; the socket can.
      await order(daemon, 'disable-tool', { tool: `fx/tool${at}`, reason });
      await order(daemon, 'disable-tool', { tool: `fx/${reason}`, reason: 'x' });
      await order(daemon, `no-such-${reason}`, {});
    }
    const commands = journalLines(daemon)
      .slice(before)
      .filter(({ kind }) => kind === 'command');
    assert.equal(commands.length, nasty.length * 3);
    for (const args of [
      ['ctl', 'status'],
      ['ctl', 'status', '--json'],
      ['audit', 'query', '--limit', '1000'],
    ])
      assertPlain(args.join(' '), (await daemon.mcpd(args)).stdout);
    const { stdout, stderr } = await daemon.mcpd(['ctl', 'enable-tool', 'fx/\u001b[31m\u202e\u009b1m']);
    assertPlain('ctl enable-tool', stdout + stderr);
    const refused = await daemon.mcpd(['ctl', 'approve', '\u001b[31m\u202e']);
    assertPlain('ctl approve', refused.stdout + refused.stderr);
  });

  test('every line of the log is one record that means one thing, whatever callers say', async () => {
    // Whatever is held for a yes is told to the operator, by the name that the caller chose.
    const held = referenceToml().replace('tools = ["write_file"]', 'tools = ["*"]');
    await using daemon = await TestDaemon.start({ servers: { fx: held } });
    const session = await daemon.session('fx');
    for (const text of nasty) {
      const waiting = session.call(text);
      await order(daemon, 'deny', { id: await question(daemon), reason: text });
      await waiting;
    }
    const dir = join(daemon.state, 'log');
    const log = readdirSync(dir)
      .map((file) => readFileSync(join(dir, file), 'utf8'))
      .join('');
    assertPlain('the log', log);
    const lines = log.split('\n').slice(0, -1);
    assert.ok(lines.length >= nasty.length);
    for (const line of lines) {
      const tree = readTree(line);
      assert.equal(tree?.kind, 'object', line);
      assert.ok(!hasTwins(tree), `a member stands twice: ${line}`);
    }
  });
});

describe('text of a tool inside an event stream', () => {
  type Line = { id: string; title: string; text: string };

  test('events in are events out, and no text becomes a field', { skip: absent('mcpd-own') }, async (t) => {
    await using daemon = await TestDaemon.start({
      servers: {
        fx: `${referenceToml()}\n[[rule]]\nname = "log"\nverdict = "allow"\ntools = ["log"]\n`,
        child: `
command = "$NODE"
args = ["$FIXTURES/replays.ts"]
[[rule]]
name = "all"
verdict = "allow"
tools = ["*"]
`,
      },
    });
    const fx = await daemon.session('fx');
    const child = await daemon.session('child');
    for (const { id, title, text } of corpusLines<Line>('mcpd-own/sse.jsonl')) {
      await t.test(`${id} ${title}`, async () => {
        const headers = (session: { key: string; id: string }) => ({
          Authorization: `Bearer ${session.key}`,
          'Mcp-Session-Id': session.id,
          Connection: 'close',
        });
        const play = async (session: typeof fx, name: string, args: object, progressToken: string) => {
          const body = JSON.stringify({
            jsonrpc: '2.0',
            id: text,
            method: 'tools/call',
            params: { name, arguments: args, _meta: { progressToken } },
          });
          const path = `/servers/${session.server}/mcp`;
          const { replies } = await exchange(
            daemon.port,
            postText(path, daemon.port, headers(session), body),
          );
          const [mark, ...events] = readEvents(replies[0]?.body ?? '');
          const [, stream] = /^([\w-]{8}\.\d+)\.0\.1$/.exec(mark?.lastEventId ?? '') ?? [];
          assert.ok(stream !== undefined, 'the stream begins with a mark of ours');
          assert.deepEqual([mark?.data, mark?.retry], ['', 1000]);
          for (const [at, event] of events.entries()) {
            assert.equal(event.type, 'message');
            assert.equal(event.lastEventId, `${stream}.${at + 1}`, 'a text set an event id');
            assert.equal(event.retry, 1000, 'a text set a retry time');
          }
          return events.map(({ data }) => JSON.parse(data) as Record<string, Record<string, unknown>>);
        };

        const [log, answer, ...more] = await play(fx, 'log', { text }, 'p');
        assert.deepEqual(more, []);
        assert.equal(log?.['params']?.['data'], text);
        assert.equal(answer?.['id'], text);

        const lines = [
          { method: 'notifications/progress', params: { progressToken: '$ID', progress: 1, message: text } },
          {
            method: 'notifications/message',
            params: { level: 'info', logger: text, data: { [text]: text } },
          },
          { id: '$ID', error: { code: -1, message: text, data: text } },
        ].map((line) =>
          Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...line }).replaceAll('"$ID"', '$ID')).toString(
            'base64',
          ),
        );
        const [progress, logged, failed, ...rest] = await play(child, 'replay', { lines }, text);
        assert.deepEqual(rest, []);
        assert.equal(progress?.['params']?.['message'], text);
        assert.equal(progress['params']['progressToken'], text);
        assert.deepEqual(logged?.['params'], { level: 'info', logger: text, data: { [text]: text } });
        assert.deepEqual(failed?.['error'], { code: -1, message: text, data: text });
      });
    }
  });
});

describe('the reader of event streams that judges us', () => {
  test('sees what a text could do if it were not escaped', () => {
    assert.deepEqual(
      readEvents(
        'event: message\ndata: a\n\n: x\nid: 9\rretry: 5\r\nevent: e\ndata: b\ndata: c\n\ndata: lost',
      ),
      [
        { type: 'message', data: 'a', lastEventId: '', retry: undefined },
        { type: 'e', data: 'b\nc', lastEventId: '9', retry: 5 },
      ],
    );
  });
});

describe('lines at the operator’s door', () => {
  test('what is no command changes nothing, and the next one is served', async (t) => {
    await using daemon = await startReference('all');
    for (const [what, bytes] of [
      ['ten megabytes without an end', Buffer.alloc(10 * 1024 * 1024, 0x61)],
      [
        'ten megabytes of a command',
        Buffer.from(`{"command":"status","args":{"x":"${'a'.repeat(10 * 1024 * 1024)}"},"operator":"x"}\n`),
      ],
      [
        'two commands at once',
        Buffer.from('{"command":"status","operator":"x"}\n{"command":"lockdown","operator":"x"}\n'),
      ],
      [
        'a command that stands twice',
        Buffer.from('{"command":"status","command":"lockdown","operator":"x"}\n'),
      ],
      ['a member too many', Buffer.from('{"command":"status","operator":"x","as":"root"}\n')],
      ['an operator who is a list', Buffer.from('{"command":"lockdown","operator":["x"]}\n')],
      ['no operator', Buffer.from('{"command":"lockdown"}\n')],
      [
        'an argument from Object.prototype',
        Buffer.from('{"command":"lockdown","args":{"constructor":"x"},"operator":"x"}\n'),
      ],
      ['a command from Object.prototype', Buffer.from('{"command":"constructor","operator":"x"}\n')],
      [
        'invalid UTF-8',
        Buffer.concat([
          Buffer.from('{"command":"lockdown","operator":"'),
          Buffer.from([0xff]),
          Buffer.from('"}\n'),
        ]),
      ],
      [
        'an HTTP request from a page',
        Buffer.from('POST / HTTP/1.1\r\nHost: x\r\n\r\n{"command":"lockdown","operator":"x"}\n'),
      ],
      ['nothing', Buffer.from('\n')],
    ] as const) {
      await t.test(what, async () => {
        const answer = await say(daemon, bytes);
        // What was too long may be cut off before its answer is read.
        if (answer !== '')
          assert.equal((JSON.parse(answer) as { ok: boolean }).ok, false, answer.slice(0, 200));
        assert.equal(answer.split('\n').length <= 2, true);
        const { ok, switches } = (await order(daemon, 'status')) as {
          ok: boolean;
          switches: { lockdown: unknown };
        };
        assert.equal(ok, true);
        assert.equal(switches.lockdown, null);
        journalLines(daemon);
      });
    }
  });

  test('two hundred who connect and say nothing do not keep the operator out', async () => {
    await using daemon = await startReference('all');
    const idle = Array.from({ length: 200 }, () => connect(join(daemon.state, 'control', 'mcpd.sock')));
    for (const socket of idle) socket.on('error', () => undefined);
    let connected = 0;
    for (const socket of idle) socket.on('connect', () => connected++).on('close', () => connected++);
    await until('they are there', () => connected >= 100);
    assert.equal((await order(daemon, 'lockdown'))['ok'], true);
    for (const socket of idle) socket.destroy();
  });
});

/** Says something at the control socket and gives back what came, all of it. */
function say(daemon: TestDaemon, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(join(daemon.state, 'control', 'mcpd.sock'));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    socket.write(bytes);
  });
}
