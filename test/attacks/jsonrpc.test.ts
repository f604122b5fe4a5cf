import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { absent, corpusFile, corpusLines } from '../support/corpora.ts';
import type { TestSession } from '../support/daemon.ts';
import { at, readTree } from '../support/oracle.ts';
import type { RawReply } from '../support/raw-http.ts';
import { readMessage, objectOf } from '../../src/protocol/codec.ts';
import {
  assertServes,
  Ear,
  errorCode,
  headersOf,
  order,
  paramsOf,
  postBytes,
  question,
  reference,
  startReference,
  type Heard,
} from './reference.ts';

type Line = { id: string; title: string; raw?: string; raw_b64?: string; expect: string; why: string };

/** What was sent, what came back, and what the child heard of it. */
type Case = { readonly sent: Buffer; readonly reply: RawReply; readonly heard: readonly Heard[] };

const silence = ({ heard }: Case): void => assert.deepEqual(heard, [], 'the child heard something');

function refused(it: Case, ...codes: readonly number[]): void {
  silence(it);
  const code = errorCode(it.reply);
  assert.ok(code !== undefined || isToolError(it.reply), `not a refusal: ${it.reply.body}`);
  if (codes.length > 0) assert.ok(codes.includes(code ?? 0), `code ${code}: ${it.reply.body}`);
  assert.ok(it.reply.status < 500, `status ${it.reply.status}`);
}

function isToolError({ body }: RawReply): boolean {
  return (JSON.parse(body) as { result?: { isError?: boolean } }).result?.isError === true;
}

/** It went out once, to the digit, and the answer carries the id that was sent. */
function forwardedOnce(it: Case): void {
  assert.equal(it.heard.length, 1, 'the child heard it exactly once');
  assert.equal(it.heard[0]?.method, 'tools/call');
  assert.equal(it.heard[0].params, paramsOf(it.sent));
  const answer = readTree(it.reply.body);
  assert.ok(at(answer, 'result') !== undefined, it.reply.body);
  assert.deepEqual(at(answer, 'id'), at(readTree(it.sent.toString()), 'id'));
}

function dropped(it: Case): void {
  silence(it);
  assert.ok(it.reply.status === 202 || it.reply.status === 400, `status ${it.reply.status}`);
  if (it.reply.status === 202) assert.equal(it.reply.body, '');
}

const either =
  (...ways: readonly ((it: Case) => void)[]) =>
  (it: Case): void => {
    const complaints: unknown[] = [];
    for (const way of ways) {
      try {
        return way(it);
      } catch (complaint) {
        complaints.push(complaint);
      }
    }
    throw new AggregateError(complaints, 'none of the allowed answers');
  };

const verdicts: ReadonlyMap<string, (it: Case) => void> = new Map([
  ['FORWARD_ONCE', forwardedOnce],
  ['FORWARD_LITERAL_OR_REJECT', either(forwardedOnce, (it) => refused(it, -32600, -32602))],
  ['REJECT_OR_EXACT', either(forwardedOnce, (it) => refused(it, -32700, -32600))],
  ['REJECT_OR_ECHO_NUMERIC_1', (it) => refused(it, -32600)],
  [
    'ANSWER',
    (it) => {
      silence(it);
      assert.ok(at(readTree(it.reply.body), 'result') !== undefined);
    },
  ],
  ['DENY', refused],
  ['DENY_OR_REJECT', refused],
  ['DENY_NOT_FOUND', (it) => refused(it, -32601, -32602)],
  ['DENY_UNKNOWN_METHOD', (it) => refused(it, -32601)],
  ['REJECT_PARSE', (it) => refused(it, -32700)],
  ['REJECT_INVALID', (it) => refused(it, -32600, -32602)],
  ['REJECT_TOO_DEEP', (it) => refused(it, -32600)],
  ['REJECT_TOO_LARGE', (it) => refused(it, -32600)],
  ['DROP', dropped],
]);

const bytesOf = ({ raw, raw_b64 }: Line): Buffer =>
  raw === undefined ? Buffer.from(raw_b64 ?? '', 'base64') : Buffer.from(raw);

async function play(session: TestSession, ear: Ear, sent: Buffer): Promise<Case> {
  const { mark } = ear;
  const reply = await postBytes(session.daemon, sent, headersOf(session));
  // The child hears things in order, so once it has heard this it has heard everything before.
  await session.request('ping');
  return { sent, reply, heard: ear.since(mark) };
}

/** Nothing goes out before a yes, and nothing after a no. */
async function mustAsk(session: TestSession, ear: Ear, sent: Buffer): Promise<void> {
  const { mark } = ear;
  const { daemon } = session;
  const reply = postBytes(daemon, sent, headersOf(session));
  const id = await question(daemon);
  await session.request('ping');
  assert.deepEqual(ear.since(mark), [], 'the child heard it before anybody said yes');
  assert.equal((await order(daemon, 'deny', { id }))['ok'], true);
  assert.ok(isToolError(await reply));
  await session.request('ping');
  assert.deepEqual(ear.since(mark), [], 'the child heard it although somebody said no');
}

describe('JSON-RPC messages that mean one thing to us and another to somebody else', () => {
  test(
    'the policy under attack is the one the test data was written for',
    { skip: absent('mcpd-own') },
    () => {
      const { tools, resources, prompts } = corpusPolicy();
      assert.deepEqual({ tools, resources, prompts }, reference);
    },
  );

  for (const sharing of ['session', 'all'] as const) {
    test(
      `every line gets the answer it deserves (sharing = "${sharing}")`,
      { skip: absent('mcpd-own') },
      async (t) => {
        await using daemon = await startReference(sharing);
        const ear = new Ear(daemon);
        const session = await daemon.session('fx');
        const lines = corpusLines<Line>('mcpd-own/jsonrpc.jsonl');
        assert.equal(lines.length, 80);
        for (const line of lines) {
          await t.test(`${line.id} ${line.title}: ${line.expect}`, async () => {
            const sent = bytesOf(line);
            if (line.expect !== 'CONFIRM') {
              const judge = verdicts.get(line.expect);
              assert.ok(judge !== undefined, `no assertion for ${line.expect}`);
              judge(await play(session, ear, sent));
            } else await mustAsk(session, ear, sent);
          });
        }
        await t.test(
          'no reader sees a denied call, and there is one way to read what the child was told',
          () => ear.assertClean(),
        );
        await assertServes(daemon);
      },
    );
  }

  test('a gated call goes out once, as it was, after a yes', async () => {
    await using daemon = await startReference();
    const ear = new Ear(daemon);
    const session = await daemon.session('fx');
    const sent = Buffer.from(
      '{"jsonrpc":"2.0","id":"\\u2028x","method":"tools/call","params":{"name":"write_file","arguments":{"n":1e400,"2":-0,"1":9007199254740993,"s":"\\u0085\\u2028\\ud800"}}}',
    );
    const { mark } = ear;
    const reply = postBytes(daemon, sent, headersOf(session));
    await order(daemon, 'approve', { id: await question(daemon) });
    forwardedOnce({ sent, reply: await reply, heard: ear.since(mark) });
    assert.deepEqual((await order(daemon, 'approvals'))['approvals'], []);
    ear.assertClean(({ method, target }) => method === 'tools/call' && target === 'write_file');
  });

  test('what somebody says yes to is what goes out, to the byte', async () => {
    await using daemon = await startReference();
    const ear = new Ear(daemon);
    const session = await daemon.session('fx');
    const { mark } = ear;
    const reply = session.request('tools/call', {
      task: { ttl: 60_000 },
      name: 'write_file',
      arguments: { path: '/a', text: '\u2028' },
    });
    const id = await question(daemon);
    const [asked] = (await order(daemon, 'approvals'))['approvals'] as {
      argsText: string;
      argsSha256: string;
    }[];
    await order(daemon, 'approve', { id });
    await reply;
    const [told, ...more] = ear.since(mark);
    assert.deepEqual(more, []);
    assert.equal(
      told?.params,
      '{"task":{"ttl":60000},"name":"write_file","arguments":{"path":"/a","text":"\u2028"}}',
    );
    assert.equal(asked?.argsText, told.params);
    assert.equal(asked.argsSha256, createHash('sha256').update(told.params).digest('hex'));
  });

  test('no message changes what every object inherits', { skip: absent('mcpd-own') }, () => {
    for (const line of corpusLines<Line>('mcpd-own/jsonrpc.jsonl')) {
      try {
        const message = readMessage(bytesOf(line).toString('utf8'), { bytesMax: 1 << 22, depthMax: 64 });
        if (message.kind !== 'reply') objectOf(message.params);
      } catch {
        // Most of them are refused; what counts is what they leave behind.
      }
    }
    assert.equal(({} as Record<string, unknown>)['isAdmin'], undefined);
    assert.deepEqual(Object.keys(Object.prototype), []);
  });
});

function corpusPolicy(): Record<string, unknown> {
  return JSON.parse(readFileSync(corpusFile('mcpd-own/reference-policy.json'), 'utf8')) as Record<
    string,
    unknown
  >;
}
