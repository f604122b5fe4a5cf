import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { absent, corpusLines } from '../support/corpora.ts';
import { TestDaemon, type Rpc, type TestSession } from '../support/daemon.ts';
import { at, readTree, writeTree } from '../support/oracle.ts';
import { order } from './reference.ts';

type Line = { id: string; title: string; raw?: string; raw_b64?: string; expect: string; why: string };
type Finish = 'first' | 'last' | undefined;
type Case = {
  readonly line: Line;
  readonly reply: Rpc;
  /** What the child was told meanwhile, besides calls. */
  readonly heard: readonly Record<string, unknown>[];
  /** Lines of the child that mcpd threw away meanwhile. */
  readonly dropped: number;
};
type Verdict = {
  /** Whether the child answers properly as well, so that its nonsense is an extra. */
  readonly finish: Finish;
  readonly judge: (it: Case) => void;
};

const answered = ({ reply }: Case): void => {
  assert.equal(reply.status, 200);
  assert.deepEqual(reply.body.result?.['content'], []);
};
const failed = ({ reply }: Case): void => {
  assert.equal(reply.status, 200);
  assert.equal(reply.body.result, undefined);
  assert.ok([1504, 1505].includes(reply.body.error?.code ?? 0), JSON.stringify(reply.body).slice(0, 300));
};
/** One answer, whatever it says: the nonsense is inside a result, and a result of a tool is the tool's business. */
const oneAnswer = ({ reply }: Case): void => {
  assert.equal(reply.status, 200);
  assert.ok((reply.body.result === undefined) !== (reply.body.error === undefined));
};
const droppedSome = (it: Case): void => {
  answered(it);
  assert.ok(it.dropped >= 1, 'nothing was counted as dropped');
};
const deniedToChild = (it: Case): void => {
  answered(it);
  assert.deepEqual(it.reply.events, [], 'the caller was asked');
  const [told] = it.heard;
  assert.equal(told?.['id'], 5);
  assert.equal((told['error'] as { code: number } | undefined)?.code, -32601);
};

const verdicts: ReadonlyMap<string, Verdict> = new Map<string, Verdict>([
  ['DROP_COUNT', { finish: 'last', judge: droppedSome }],
  ['DROP_COUNT_THEN_CALL_TIMEOUT', { finish: undefined, judge: failed }],
  ['ERROR_TO_CLIENT', { finish: undefined, judge: failed }],
  ['ERROR_TO_CLIENT_OR_DROP_COUNT', { finish: undefined, judge: failed }],
  ['DENY_TO_CHILD', { finish: 'last', judge: deniedToChild }],
  ['NOT_SHARED', { finish: undefined, judge: oneAnswer }],
  ['TREAT_AS_0', { finish: undefined, judge: oneAnswer }],
  ['QUARANTINE', { finish: undefined, judge: oneAnswer }],
  ['NO_FETCH', { finish: undefined, judge: oneAnswer }],
  ['STALL_LE_250MS', { finish: undefined, judge: oneAnswer }],
  ['TOOL_EXCLUDED', { finish: undefined, judge: oneAnswer }],
  ['COALESCE', { finish: 'last', judge: answered }],
  [
    'REDACT',
    {
      finish: 'last',
      judge: (it) => {
        answered(it);
        assert.equal(it.reply.events.length, 1, 'the log line arrives');
        assert.ok(!JSON.stringify(it.reply.events).includes(canary));
        assert.match(JSON.stringify(it.reply.events), /token=\[redacted/);
      },
    },
  ],
  [
    'FORWARD_LITERAL_OR_REJECT',
    {
      finish: undefined,
      judge: ({ line, reply }) => {
        const result = at(readTree(JSON.stringify(reply.body)), 'result');
        const sent = at(readTree((line.raw ?? '').replace('$ID', '1')), 'result');
        assert.ok(result !== undefined && sent !== undefined);
        assert.equal(writeTree(result), writeTree(sent));
      },
    },
  ],
]);

/** What differs while the conversation is one of a legacy revision. */
const inLegacy: ReadonlyMap<string, Verdict> = new Map([
  // A server may ask there; no rule allows this question.
  ['s2c-008', { finish: 'last', judge: deniedToChild }],
  // `resultType` has a meaning in the modern revision only; a legacy client does not look at it.
  ['s2c-011', { finish: undefined, judge: oneAnswer }],
  ['s2c-012', { finish: undefined, judge: oneAnswer }],
  ['s2c-013', { finish: undefined, judge: oneAnswer }],
  // The first answer is the proper one; the second comes too late.
  ['s2c-005', { finish: 'first', judge: answered }],
]);

const canary = `ghp_${'C4nary'.repeat(6)}`;
const policy = (sharing: string): string => `
command = "$NODE"
args = ["$FIXTURES/replays.ts"]
sharing = "${sharing}"
answer_within = "1500ms"
[secrets]
TOKEN = "file:$DIR/policies/token"
[[rule]]
name = "all"
verdict = "allow"
tools = ["*"]
`;

async function start(sharing: 'session' | 'all'): Promise<TestDaemon> {
  return TestDaemon.start({
    servers: { child: policy(sharing), other: policy('session') },
    prepare: ({ policies }) => writeFileSync(join(policies, 'token'), canary, { mode: 0o600 }),
  });
}

async function dropped(daemon: TestDaemon): Promise<number> {
  const { servers } = (await order(daemon, 'status')) as { servers: { name: string; dropped: number }[] };
  return servers.find(({ name }) => name === 'child')?.dropped ?? Number.NaN;
}

const replay = (session: TestSession, lines: readonly Buffer[], finish: Finish): Promise<Rpc> =>
  session.call('replay', { lines: lines.map((line) => line.toString('base64')), finish });

describe('what a child may write to its caller', () => {
  for (const sharing of ['session', 'all'] as const) {
    test(
      `every line leads to one answer for each request (sharing = "${sharing}")`,
      { skip: absent('mcpd-own') },
      async (t) => {
        await using daemon = await start(sharing);
        let connections = 0;
        const listener = createServer((socket) => {
          connections++;
          socket.destroy();
        });
        await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
        t.after(() => listener.close());
        const address = listener.address();
        const port = typeof address === 'object' && address !== null ? address.port : 0;
        const session = await daemon.session('child');
        const bytesOf = ({ raw, raw_b64 }: Line): Buffer =>
          raw === undefined
            ? Buffer.from(raw_b64 ?? '', 'base64')
            : Buffer.from(raw.replaceAll('$CANARY', canary).replaceAll('$PORT', String(port)));

        const lines = corpusLines<Line>('mcpd-own/child-messages.jsonl');
        assert.equal(lines.length, 30);
        for (const line of lines) {
          // A child that serves all sessions cannot say whose a log line is, so it reaches nobody.
          if (sharing === 'all' && line.expect === 'REDACT') continue;
          await t.test(`${line.id} ${line.title}: ${line.expect}`, async () => {
            const verdict = inLegacy.get(line.id) ?? verdicts.get(line.expect);
            assert.ok(verdict !== undefined, `no assertion for ${line.expect}`);
            await session.call('heard');
            const before = await dropped(daemon);
            const storm = line.expect === 'COALESCE' ? 10_000 : 1;
            const reply = await replay(session, new Array<Buffer>(storm).fill(bytesOf(line)), verdict.finish);
            const { body } = await session.call('heard');
            const heard = (body.result?.['heard'] ?? []) as Record<string, unknown>[];
            verdict.judge({ line, reply, heard, dropped: (await dropped(daemon)) - before });
            assert.equal((await replay(session, [], 'last')).status, 200, 'the next call is served');
          });
        }
        assert.equal(connections, 0, 'something fetched what a child pointed at');
        const other = await daemon.session('other');
        assert.deepEqual((await replay(other, [], 'last')).body.result?.['content'], []);
        assert.ok(!daemon.output.includes(canary), 'the canary is in the log');
        assert.ok(!JSON.stringify(daemon.journal()).includes(canary), 'the canary is in the journal');
      },
    );
  }

  test('a storm of list_changed reaches the caller as a few', async () => {
    await using daemon = await start('session');
    const session = await daemon.session('child');
    const stop = new AbortController();
    const stream = await fetch(`${daemon.url}/servers/child/mcp`, {
      headers: {
        authorization: `Bearer ${session.key}`,
        accept: 'text/event-stream',
        'mcp-session-id': session.id,
      },
      signal: stop.signal,
    });
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream.body ?? []) text += Buffer.from(chunk).toString();
    })().catch(() => undefined);
    const line = Buffer.from('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
    await replay(session, new Array<Buffer>(10_000).fill(line), 'last');
    // The next of its kind would follow within one interval; a call there and back in between shows that they are served.
    await replay(session, [], 'last');
    stop.abort();
    await reading;
    const events = text.split('data: ').length - 1;
    assert.ok(events >= 1 && events <= 50, `${events} events`);
  });

  test('a child that writes nothing but nonsense is stopped, and its neighbour does not notice', async () => {
    await using daemon = await start('session');
    const session = await daemon.session('child');
    const other = await daemon.session('other');
    const reply = await replay(session, new Array<Buffer>(3_000).fill(Buffer.from('{not json')), undefined);
    assert.ok(reply.body.error !== undefined);
    assert.deepEqual((await replay(other, [], 'last')).body.result?.['content'], []);
    assert.equal(daemon.child?.exitCode, null);
  });
});
