import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Target } from '../../src/domain/call.ts';
import { Fault, faults, type FaultCode } from '../../src/domain/faults.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { answerText, sendReply } from '../../src/front/send-reply.ts';
import { wordFault, wordTurnedAway, wordOutcome } from '../../src/protocol/wire-errors.ts';

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'errors.md'), 'utf8');
const codes = Object.keys(faults) as FaultCode[];

/** 2026-07-28 basic/index, error codes. */
const specified: ReadonlyMap<string, number> = new Map([
  ['HEADER_MISMATCH', -32020],
  ['LACKS_CAPABILITY', -32021],
  ['UNSUPPORTED_REVISION', -32022],
]);

describe('a fault on the wire', () => {
  for (const code of codes) {
    it(`${code} says no more than anyone may know, and how to find it`, () => {
      const fault = new Fault(code, {
        detail: 'a path /home/ana',
        hint: 'a hint',
        cause: new Error('inside'),
      });
      const { body, status, retryInMs } = wordFault(fault, 'c-1');
      const error = JSON.parse(body) as { code: number; message: string; data: unknown };
      const again = retryInMs === undefined ? {} : { retryInMs };
      assert.deepEqual(error.data, { correlationId: 'c-1', ...again });
      // Who is sent away for now is told when to come back.
      if (status === 429 || status === 503) assert.ok((retryInMs ?? 0) > 0);
      assert.equal(error.message, faults[code].says);
      assert.ok(status >= 200 && status < 600);
      // Ours are positive; the spec keeps -32099 to -32000 for itself, but for the -32000 that older fronts use.
      const given = specified.get(code);
      const own = error.code > 0 || error.code === -32000 || error.code <= -32600;
      assert.ok(given === undefined ? own : error.code === given, `${code}: ${error.code}`);
    });

    it(`${code} stands in the document with these numbers`, () => {
      if (code === 'UNKNOWN_METHOD') return;
      const row = text.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${code}\``));
      assert.ok(row !== undefined, `docs/errors.md has no row for ${code}`);
      const { status, body } = wordFault(new Fault(code), '');
      const number = String((JSON.parse(body) as { code: number }).code).replace('-', '−');
      if (code === 'CONFIG_INVALID' || code === 'PLACE_TAKEN') return;
      assert.ok(row.includes(number), `${code} is ${number} on the wire: ${row}`);
      if (status !== 200) assert.ok(row.includes(String(status)), `${code} is ${status} on the wire: ${row}`);
    });
  }
});

it('being turned away says when to come back, and whether it is the caller or everybody', () => {
  const told = (['everybody', 'caller'] as const).map((who) => {
    const reply = wordTurnedAway({ kind: 'turned away', who, retryInMs: 1500 }, 'c-1');
    const error = JSON.parse(reply.body) as { code: number; message: string; data: object };
    assert.deepEqual(error.data, { correlationId: 'c-1', retryInMs: 1500 });
    assert.match(error.message, /Come back in 2 s\.$/);
    const row = text.split('\n').find((line) => line.startsWith('|') && line.includes(String(error.code)));
    assert.ok(row?.includes(String(reply.status)), `docs/errors.md has no row for ${error.code}`);
    return [reply.status, error.code];
  });
  assert.deepEqual(told, [
    [503, 1514],
    [429, 1429],
  ]);
});

it('a hidden denial and something that does not exist are worded alike', () => {
  const hidden = { kind: 'deny', rule: 'no moving', reason: 'too dangerous', hidden: true } as const;
  const absent = {
    kind: 'deny',
    rule: 'built-in: default deny',
    reason: 'No rule allows this.',
    hidden: true,
  } as const;
  for (const target of [
    { kind: 'tool', name: 'x' },
    { kind: 'prompt', name: 'x' },
    { kind: 'resource', uri: 'file:///x' },
    { kind: 'unknown', method: 'x/y' },
    { kind: 'protocol', method: 'ping' },
  ] as const) {
    const worded = [hidden, absent].map((why) =>
      wordOutcome({ kind: 'refused', why, target }, 'c', 'legacy'),
    );
    assert.deepEqual(worded[0], worded[1]);
  }
});

it('the modern era has its own numbers for some errors, and its results say their type', () => {
  const absent = { kind: 'deny', rule: 'x', reason: 'x', hidden: true } as const;
  const worded = (target: Target) => wordOutcome({ kind: 'refused', why: absent, target }, 'c', 'modern');
  const codeOf = (target: Target) => (JSON.parse(worded(target).body) as { code: number }).code;
  assert.equal(worded({ kind: 'unknown', method: 'x/y' }).status, 404);
  assert.equal(codeOf({ kind: 'unknown', method: 'x/y' }), -32601);
  assert.equal(codeOf({ kind: 'resource', uri: 'file:///x' }), -32602);
  const limited = { kind: 'exhausted', limit: '1/min', retryInMs: 1000 } as const;
  const refused = wordOutcome(
    { kind: 'refused', why: limited, target: { kind: 'tool', name: 'x' } },
    'c',
    'modern',
  );
  assert.equal((JSON.parse(refused.body) as { resultType: string }).resultType, 'complete');
});

describe('a limit on the wire', () => {
  const worded = (limit: string, retryInMs: number, target: Target = { kind: 'tool', name: 'x' }) =>
    wordOutcome({ kind: 'refused', why: { kind: 'exhausted', limit, retryInMs }, target }, 'c', 'legacy');

  it('says when to come back to programs, and for a tool also to the model', () => {
    for (const era of ['legacy', 'modern'] as const) {
      const why = { kind: 'exhausted', limit: '10/min per caller', retryInMs: 1500 } as const;
      const reply = wordOutcome({ kind: 'refused', why, target: { kind: 'tool', name: 'x' } }, 'c', era);
      assert.deepEqual([reply.status, reply.kind, reply.retryInMs], [200, 'result', 1500]);
      assert.match(
        reply.body,
        /Too many calls: the limit is 10\/min per caller\. Try again in 2 s\. .*"mcpd\/retryInMs":1500/,
      );
    }
    assert.equal(worded('10/min', 1500, { kind: 'prompt', name: 'x' }).retryInMs, 1500);
  });

  it('names a budget, a limit of its own and a resting tool as what they are', () => {
    for (const limit of [
      'sum(args.amount) <= 500/day',
      'the limit "transfers": 3/h',
      'the tool rests after 5 failures',
    ])
      assert.ok(
        worded(limit, 1).body.includes(
          JSON.stringify(`Refused for now: ${limit}. Try again in 1 s.`).slice(1, -1),
        ),
      );
  });

  it('that no waiting helps against sends nobody back', () => {
    const { body, retryInMs } = worded('sum(args.amount) <= 500/day', Infinity);
    assert.equal(retryInMs, undefined);
    assert.match(body, /Waiting does not help/);
    assert.doesNotMatch(body, /retryInMs|null|Infinity/);
  });
});

describe('a question to the caller on the wire', () => {
  const awaiting = (text: string, era: 'legacy' | 'modern', kind: 'result' | 'error' = 'result') =>
    wordOutcome({ kind: 'awaiting', answer: { kind, text: text as RedactedJson } }, 'c', era);

  it('is the answer to its call, as it stands', () => {
    const text = '{"resultType":"input_required","requestState":"x","n":1.0}';
    for (const era of ['legacy', 'modern'] as const)
      assert.deepEqual(awaiting(text, era), {
        status: 200,
        kind: 'result',
        body: text,
        retryInMs: undefined,
      });
  });

  it('that holds a ticket is a complete result in the modern era', () => {
    assert.equal(awaiting('{"content":[]}', 'legacy').body, '{"content":[]}');
    assert.equal(awaiting('{"content":[]}', 'modern').body, '{"content":[],"resultType":"complete"}');
  });

  it('that is an error has the status of its code', () => {
    const error = '{"code":-32021,"message":"m"}';
    assert.deepEqual(
      [awaiting(error, 'legacy', 'error').status, awaiting(error, 'modern', 'error').status],
      [200, 400],
    );
  });
});

it('a limit reaches the caller as a Retry-After header, whatever the HTTP status', async () => {
  const why = { kind: 'exhausted', limit: '1/min', retryInMs: 1500 } as const;
  const reply = wordOutcome({ kind: 'refused', why, target: { kind: 'tool', name: 'x' } }, 'c', 'legacy');
  const server = createServer((_req, res) => sendReply(res, answerText(1, reply), reply, 'c', undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await response.arrayBuffer();
    assert.deepEqual([response.status, response.headers.get('retry-after')], [200, '2']);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
