import assert from 'node:assert/strict';
import { readFileSync, writeSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Audit as PlaneAudit } from '../../src/call/data-plane.ts';
import type { Arrival } from '../../src/domain/call.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { JsonText } from '../../src/domain/message.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { Grounds } from '../../src/domain/pass.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { journalFiles } from '../../src/audit/journal-files.ts';
import type { AuditParts } from '../../src/audit/trail.ts';
import {
  bench,
  disk,
  linesIn,
  sampleArrival,
  sampleCall,
  samplePermit,
  sampleSession,
  tempDir,
  type Bench,
} from './sample.ts';

const answered = (text: string, kind: 'result' | 'error' = 'result'): Outcome => ({
  kind: 'answered',
  answer: { kind, text: text as RedactedJson },
  opened: undefined,
});

function grounds(more: Partial<Grounds> = {}): Grounds {
  const call = sampleCall(sampleArrival());
  return {
    call,
    permit: samplePermit(),
    receipt: { kind: 'paid', done: () => undefined, would: undefined },
    approval: { kind: 'approved', by: 'policy' },
    ordersVersion: 'v7',
    attempt: 1,
    stands: () => true,
    ...more,
  };
}

function begin({ audit }: Bench, arrival = sampleArrival(), why = samplePermit()) {
  const trail = audit.open(arrival);
  const call = sampleCall(arrival);
  trail.named(call);
  trail.decided(why, { version: 'v7' });
  return { trail, call, grounds: grounds({ call, permit: why }) };
}

async function recordOf(t: TestContext, arrival: Arrival, outcome: Outcome, more: Partial<AuditParts> = {}) {
  const dir = tempDir(t);
  const it = bench(t, dir, more);
  begin(it, arrival).trail.close(outcome);
  await it.audit.flush();
  return linesIn(dir)[1] ?? {};
}

test('the audit is what the data plane asks for', (t) => {
  const plane: PlaneAudit = bench(t, tempDir(t)).audit;
  assert.ok(plane);
});

test('an intent says who wanted what, under which rule, and who agreed, before there is a pass', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const { trail, grounds } = begin(it);
  const pass = await trail.commit(grounds);
  assert.equal(pass.grounds, grounds);
  assert.deepEqual(linesIn(dir)[1], {
    seq: 2,
    prev: linesIn(dir)[1]?.['prev'],
    kind: 'decision',
    phase: 'intent',
    time: '2026-01-02T03:04:05.006Z',
    id: 'call-1',
    caller: 'alice',
    client: { name: 'desk', version: '9' },
    session: linesIn(dir)[1]?.['session'],
    userAgent: 'agent/1',
    remote: '127.0.0.1',
    server: 'files',
    serverVersion: '1.2.3',
    toolDigest: 'abcdef012345',
    method: 'tools/call',
    target: { kind: 'tool', name: 'read' },
    resources: { path: '/a' },
    decision: { kind: 'allow', rule: 'reads', orders: 'v7', approvedBy: 'policy' },
    argBytes: 41,
  });
  assert.match(JSON.stringify(linesIn(dir)[1]?.['session']), /^"[0-9a-f]{12}"$/);
});

test('the outcome of a call that went out has sizes, records, duration and the id', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const { trail, grounds } = begin(it);
  await trail.commit(grounds);
  it.clock.now += 12.3456;
  trail.close(answered('{"content":[{"type":"text","text":"é"},{"type":"text","text":"]"}]}'));
  trail.close({ kind: 'accepted' });
  await it.audit.flush();
  assert.deepEqual(linesIn(dir)[2], {
    seq: 3,
    prev: linesIn(dir)[2]?.['prev'],
    kind: 'outcome',
    time: '2026-01-02T03:04:05.006Z',
    id: 'call-1',
    committed: true,
    outcome: 'answered',
    resultBytes: 68,
    records: 2,
    durationMs: 12.346,
  });
  assert.equal(linesIn(dir).length, 3);
});

const endings: readonly (readonly [string, Outcome, object])[] = [
  [
    'a tool error',
    answered('{"content":[],"isError":true}'),
    { outcome: 'answered', error: 'tool-error', errorSide: 'upstream', records: 0 },
  ],
  [
    'a text that only looks like a tool error',
    answered('{"content":[{"text":"\\"isError\\":true"}],"x":{"isError":true}}'),
    { outcome: 'answered', records: 1, error: undefined },
  ],
  [
    'an error of the server',
    answered('{"code":-32602,"message":"m"}', 'error'),
    { outcome: 'answered', error: '-32602', errorSide: 'upstream' },
  ],
  [
    'a denial',
    {
      kind: 'refused',
      why: { kind: 'deny', rule: 'r', reason: 'no such argument', hidden: true },
      target: { kind: 'tool', name: 'read' },
    },
    {
      outcome: 'refused',
      error: 'denied',
      errorSide: 'policy',
      // The decision in this record let the call pass; this is what did not.
      refusedBy: { rule: 'r', reason: 'no such argument' },
    },
  ],
  [
    'a limit',
    {
      kind: 'refused',
      why: { kind: 'exhausted', limit: '10/min per caller', retryInMs: 5 },
      target: { kind: 'tool', name: 'read' },
    },
    { outcome: 'refused', error: 'rate-limited', limit: '10/min per caller', retryInMs: 5 },
  ],
  [
    'a limit that no waiting helps against',
    {
      kind: 'refused',
      why: { kind: 'exhausted', limit: 'sum(args.amount) <= 5/day', retryInMs: Infinity },
      target: { kind: 'tool', name: 'read' },
    },
    { outcome: 'refused', error: 'rate-limited', retryInMs: undefined },
  ],
  [
    'a question that the caller was given',
    { kind: 'awaiting', answer: { kind: 'result', text: '{"ticket":"t-1"}' as RedactedJson } },
    { outcome: 'awaiting', error: undefined, result: undefined },
  ],
  [
    'a no',
    {
      kind: 'declined',
      why: { kind: 'declined', by: 'operator', reason: 'not today' },
      target: { kind: 'tool', name: 'read' },
    },
    { outcome: 'declined', error: 'declined', declinedBy: 'operator', reason: 'not today' },
  ],
  [
    'no answer in time',
    { kind: 'declined', why: { kind: 'expired', afterMs: 5 }, target: { kind: 'tool', name: 'read' } },
    { outcome: 'declined', error: 'expired' },
  ],
  [
    'a fault',
    { kind: 'failed', fault: new Fault('UPSTREAM_TIMEOUT', { detail: 'inner' }) },
    { outcome: 'failed', error: 'UPSTREAM_TIMEOUT', errorSide: 'upstream', reason: undefined },
  ],
];
for (const [what, outcome, expected] of endings) {
  test(`${what} is one record with the decision inside`, async (t) => {
    const record = await recordOf(t, sampleArrival(), outcome);
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(record[name], value, name);
    assert.deepEqual([record['kind'], record['committed']], ['outcome', undefined]);
    assert.deepEqual(record['decision'], { kind: 'allow', rule: 'reads', orders: 'v7' });
  });
}

test('a listing and a completion count what they returned', async (t) => {
  const count = async (method: string, result: string) => {
    const arrival = sampleArrival({ message: { kind: 'request', id: 1, method, params: undefined } });
    return (await recordOf(t, arrival, answered(result)))['records'];
  };
  assert.equal(await count('tools/list', '{"tools":[{},{},{}]}'), 3);
  assert.equal(await count('completion/complete', '{"completion":{"values":["a","b"]}}'), 2);
  assert.equal(await count('tools/call', '{"content":"no list"}'), undefined);
  assert.equal(await count('ping', '{}'), undefined);
});

test('recorded resources keep their digits, follow only own members, and skip what is not there', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const params =
    '{"name":"read","arguments":{"id":9007199254740993,"n":12,"deep":{"x":[1.0,"a"]},"flag":true,"nil":null}}' as JsonText;
  const arrival = sampleArrival({ message: { kind: 'request', id: 1, method: 'tools/call', params } });
  const record = [
    'id',
    'n',
    'deep.x',
    'flag',
    'nil',
    'missing',
    'constructor',
    'deep.x.length',
    '__proto__.a',
  ];
  begin(it, arrival, samplePermit({ record })).trail.close({ kind: 'accepted' });
  await it.audit.flush();
  assert.deepEqual(linesIn(dir)[1]?.['resources'], {
    id: '9007199254740993',
    n: 12,
    'deep.x': '[1.0,"a"]',
    flag: true,
    nil: null,
  });
});

test('reading a resource always records its uri', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const arrival = sampleArrival();
  const trail = it.audit.open(arrival);
  trail.named(sampleCall(arrival, { kind: 'resource', uri: 'file:///a' }));
  trail.close({ kind: 'accepted' });
  await it.audit.flush();
  assert.deepEqual(linesIn(dir)[1]?.['resources'], { uri: 'file:///a' });
});

test('payloads are kept only where the policy says so, redacted, and never beyond the bound', async (t) => {
  const params = '{"name":"read","arguments":{"path":"sk-secret-123"}}' as JsonText;
  const arrival = sampleArrival({ message: { kind: 'request', id: 1, method: 'tools/call', params } });
  const without = await recordOf(t, arrival, answered('{"content":[]}'));
  assert.deepEqual([without['params'], without['result']], [undefined, undefined]);
  const policyOf = () => ({ recordPayloads: true });
  const kept = await recordOf(t, arrival, answered('{"content":[]}'), { policyOf });
  assert.deepEqual(kept['params'], { name: 'read', arguments: { path: '[redacted]' } });
  assert.deepEqual(kept['result'], { content: [] });
  const large = await recordOf(t, arrival, answered(`{"content":["${'x'.repeat(1_100_000)}"]}`), {
    policyOf,
  });
  assert.deepEqual([large['result'], large['resultOmitted']], [undefined, 'too large']);
});

test('a secret, a presented key and a session id never reach the journal', async (t) => {
  const record = await recordOf(t, sampleArrival({ userAgent: 'curl sk-secret-99' }), { kind: 'accepted' });
  const text = JSON.stringify(record);
  assert.doesNotMatch(text, /sk-secret|presented|full-session-id/);
  assert.match(text, /\[redacted\]/);
});

test('whatever a caller sends, a record stays one line that a terminal only shows', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const userAgent = 'a\n{"seq":9,"kind":"forged"}\r\u001b[2J\u2028\u202e\u200b\u0085';
  begin(it, sampleArrival({ userAgent })).trail.close({ kind: 'accepted' });
  await it.audit.flush();
  assert.match(readFileSync(journalFiles(dir)[0] ?? '', 'utf8'), /^([\x20-\x7e]+\n){2}$/);
  assert.equal(linesIn(dir)[1]?.['userAgent'], userAgent);
});

test('grounds of another call, a second commit and a commit after the end give no pass', async (t) => {
  const it = bench(t, tempDir(t));
  const { trail, grounds: own } = begin(it);
  await assert.rejects(trail.commit({ ...own, call: sampleCall(sampleArrival()) }), { code: 'BUG' });
  await assert.rejects(trail.commit({ ...own, permit: samplePermit() }), { code: 'BUG' });
  await trail.commit(own);
  await assert.rejects(trail.commit(own), { code: 'BUG' });
  const other = begin(it);
  other.trail.close({ kind: 'accepted' });
  await assert.rejects(other.trail.commit(other.grounds), { code: 'BUG' });
});

test('each try of a call has an intent of its own, in turn, and there is one outcome', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const { trail, grounds: own } = begin(it);
  await assert.rejects(trail.commit({ ...own, attempt: 2 }), { code: 'BUG' });
  await trail.commit(own);
  await trail.commit({ ...own, attempt: 2 });
  await assert.rejects(trail.commit({ ...own, attempt: 4 }), { code: 'BUG' });
  trail.close(answered('{"content":[]}'));
  await it.audit.flush();
  assert.deepEqual(
    linesIn(dir)
      .slice(1)
      .map((line) => [line['kind'], line['attempt'], line['committed']]),
    [
      ['decision', undefined, undefined],
      ['decision', 2, undefined],
      ['outcome', undefined, true],
    ],
  );
});

test('a try that cannot be written is not made, and the outcome belongs to the tries before it', async (t) => {
  const dir = tempDir(t);
  const small = disk((fd, bytes, offset, length) => writeSync(fd, bytes, offset, length));
  const it = bench(t, dir, { writeSome: small.writeSome });
  const { trail, grounds: own } = begin(it);
  await trail.commit(own);
  small.freeBytes = 5;
  await assert.rejects(trail.commit({ ...own, attempt: 2 }), { code: 'AUDIT_UNAVAILABLE' });
  await assert.rejects(trail.commit({ ...own, attempt: 2 }), { code: 'BUG' });
  small.freeBytes = Infinity;
  it.clock.now += 1000;
  trail.close({ kind: 'failed', fault: new Fault('AUDIT_UNAVAILABLE') });
  await it.audit.flush();
  const last = linesIn(dir).at(-1);
  assert.deepEqual([last?.['kind'], last?.['committed'], last?.['caller']], ['outcome', true, undefined]);
});

test('what was only observed stands beside the verdict', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const why = samplePermit({ would: { kind: 'deny', rule: 'no writes' } });
  const { trail, grounds: own } = begin(it, sampleArrival(), why);
  await trail.commit({
    ...own,
    receipt: { kind: 'paid', done: () => undefined, would: '10/min per caller' },
    approval: { kind: 'approved', by: 'operator:ana, webhook:chat/bob' },
  });
  assert.deepEqual(linesIn(dir)[1]?.['decision'], {
    kind: 'allow',
    rule: 'reads',
    orders: 'v7',
    approvedBy: 'operator:ana, webhook:chat/bob',
    would: { kind: 'deny', rule: 'no writes', limit: '10/min per caller' },
  });
});

test('what was found is on record by name and count, on the way in with the intent, on the way out with the outcome', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const { trail, grounds: own } = begin(it);
  trail.found('in', [{ name: 'email', count: 2 }]);
  trail.found('out', []);
  await trail.commit(own);
  trail.found('out', [{ name: 'iban', count: 1 }]);
  trail.found('out', [
    { name: 'iban', count: 2 },
    { name: '__proto__', count: 1 },
  ]);
  trail.close(answered('{"content":[]}'));
  await it.audit.flush();
  const [, intent, outcome] = linesIn(dir);
  assert.deepEqual(intent?.['found'], { in: { email: 2 } });
  assert.equal(JSON.stringify(outcome?.['found']), '{"out":{"iban":3,"__proto__":1}}');
});

test('a payload is the call as it was judged, and none where something was found in a call that did not go out', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir, { policyOf: () => ({ recordPayloads: true }) });
  const arrival = sampleArrival();
  const params = '{"name":"read","arguments":{"path":"[mail]"}}' as JsonText;
  const call = sampleCall(
    sampleArrival({ message: { kind: 'request', id: 1, method: 'tools/call', params } }),
  );
  const judge = (findings: readonly { name: string; count: number }[]) => {
    const trail = it.audit.open(arrival);
    const permit = samplePermit();
    trail.named(call);
    trail.found('in', findings);
    trail.decided(permit, { version: 'v7' });
    return { trail, own: grounds({ call, permit }) };
  };
  const goes = judge([{ name: 'email', count: 1 }]);
  await goes.trail.commit(goes.own);
  judge([]).trail.close({ kind: 'accepted' });
  judge([{ name: 'email', count: 1 }]).trail.close({ kind: 'accepted' });
  await it.audit.flush();
  const [, went, plain, held] = linesIn(dir);
  assert.deepEqual(went?.['params'], { name: 'read', arguments: { path: '[mail]' } });
  assert.deepEqual(plain?.['params'], { name: 'read', arguments: { path: '[mail]' } });
  assert.deepEqual(
    [held?.['params'], held?.['paramsOmitted'], held?.['resources'], held?.['found']],
    [undefined, 'findings', undefined, { in: { email: 1 } }],
  );
});

test('a question and the ticket in it are never kept as a payload', async (t) => {
  const outcome: Outcome = {
    kind: 'awaiting',
    answer: { kind: 'result', text: '{"ticket":"t-1"}' as RedactedJson },
  };
  const record = await recordOf(t, sampleArrival(), outcome, { policyOf: () => ({ recordPayloads: true }) });
  assert.doesNotMatch(JSON.stringify(record), /t-1/);
});

const digest = (value: string) => `hmac:<${value.length}>`;

test('arguments are on record as digests, small ones before the call goes out, large ones when it has ended', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir, { digest });
  const goesOut = async (params: string) => {
    const { trail, grounds: own } = begin(
      it,
      sampleArrival({
        message: { kind: 'request', id: 1, method: 'tools/call', params: params as JsonText },
      }),
    );
    await trail.commit(own);
    const before = linesIn(dir).length;
    trail.close(answered('{"content":[]}'));
    await it.audit.flush();
    return linesIn(dir)
      .slice(before - 1)
      .map((line) => line['args']);
  };
  assert.deepEqual(await goesOut('{"name":"read","arguments":{"path":"/a","n":7}}'), [
    { path: 'hmac:<4>', n: 'hmac:<1>' },
    undefined,
  ]);
  assert.deepEqual(await goesOut(`{"name":"read","arguments":{"text":"${'x'.repeat(5000)}"}}`), [
    undefined,
    { text: 'hmac:<5002>' },
  ]);
  assert.deepEqual(await goesOut('{"name":"read"}'), [undefined, undefined]);
  assert.deepEqual(await goesOut('{"name":"read","arguments":{}}'), [undefined, undefined]);
});

test('a call that did not go out has its digests too, unless something was found in it; a stranger has none', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir, { digest });
  const arrival = sampleArrival();
  begin(it, arrival).trail.close({ kind: 'accepted' });
  const found = begin(it, arrival).trail;
  found.found('in', [{ name: 'email', count: 1 }]);
  found.close({ kind: 'accepted' });
  it.audit.open(arrival).close({ kind: 'failed', fault: new Fault('UNAUTHENTICATED') });
  const listing = sampleArrival({
    message: { kind: 'request', id: 1, method: 'tools/list', params: undefined },
  });
  const trail = it.audit.open(listing);
  trail.named(sampleCall(listing, { kind: 'listing', of: 'tools' }));
  trail.close({ kind: 'accepted' });
  await it.audit.flush();
  assert.deepEqual(
    linesIn(dir)
      .slice(1)
      .map((line) => line['args']),
    [{ path: 'hmac:<4>' }, undefined, undefined, undefined],
  );
});

test('names of arguments are other people’s text: redacted, and not without end', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`a${at}`, at]));
  const params = JSON.stringify({ name: 'read', arguments: { 'sk-secret-1': 1, ...many } }) as JsonText;
  const arrival = sampleArrival({ message: { kind: 'request', id: 1, method: 'tools/call', params } });
  const record = await recordOf(t, arrival, { kind: 'accepted' }, { digest });
  const args = Object.keys(record['args'] as object);
  assert.deepEqual([args.length, args[0], args[1], record['argsOmitted']], [32, '[redacted]', 'a0', 9]);
});

test('an intent is as safe as its call needs, and on the disk where nobody says', async (t) => {
  for (const [durabilityOf, expected] of [
    [() => 'os' as const, 'os'],
    [() => 'disk' as const, 'disk'],
    [undefined, 'disk'],
  ] as const) {
    const it = bench(t, tempDir(t), { durabilityOf });
    const asked: string[] = [];
    const append = it.scribe.append.bind(it.scribe);
    it.scribe.append = (text, durability) => {
      asked.push(durability);
      return append(text, durability);
    };
    const { trail, grounds: own } = begin(it);
    await trail.commit(own);
    assert.deepEqual(asked, [expected]);
  }
});

test('without room on the disk there is no pass, no new trail, and the failure is on record later', async (t) => {
  const dir = tempDir(t);
  const small = disk((fd, bytes, offset, length) => writeSync(fd, bytes, offset, length));
  const it = bench(t, dir, { writeSome: small.writeSome });
  const { trail, grounds } = begin(it);
  small.freeBytes = 5;
  await assert.rejects(trail.commit(grounds), { code: 'AUDIT_UNAVAILABLE' });
  trail.close({ kind: 'failed', fault: new Fault('AUDIT_UNAVAILABLE') });
  assert.equal(it.audit.healthy, false);
  assert.throws(() => it.audit.open(sampleArrival()), { code: 'AUDIT_UNAVAILABLE', detail: /no space left/ });
  small.freeBytes = Infinity;
  it.clock.now += 1000;
  it.audit.open(sampleArrival());
  const [, , late] = linesIn(dir);
  assert.deepEqual(
    [late?.['error'], late?.['committed'], late?.['caller']],
    ['AUDIT_UNAVAILABLE', undefined, 'alice'],
  );
});

test('failed sign-ins are on record with address and reason; of a flood only the first sixty and a count', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const fail = (remote: string) => {
    it.audit
      .open(sampleArrival({ remote }))
      .close({ kind: 'failed', fault: new Fault('UNAUTHENTICATED', { detail: 'no such key' }) });
  };
  for (let count = 0; count < 100; count++) fail('203.0.113.9');
  fail('198.51.100.1');
  it.clock.now += 60_000;
  it.audit.open(sampleArrival());
  await it.audit.flush();
  const records = linesIn(dir).slice(1);
  assert.equal(records.filter((it) => it['remote'] === '203.0.113.9' && it['kind'] === 'outcome').length, 60);
  assert.deepEqual(
    [records[0]?.['error'], records[0]?.['reason'], records[0]?.['caller']],
    ['UNAUTHENTICATED', 'no such key', undefined],
  );
  assert.equal(records.filter((it) => it['remote'] === '198.51.100.1').length, 1);
  const last = records.at(-1);
  assert.deepEqual([last?.['kind'], last?.['suppressed'], last?.['remote']], ['sign-ins', 40, '203.0.113.9']);
});

test('suppressed sign-ins are counted on record when the daemon stops', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  for (let count = 0; count < 61; count++) {
    it.audit.open(sampleArrival()).close({ kind: 'failed', fault: new Fault('UNAUTHENTICATED') });
  }
  await it.audit.close();
  assert.equal(linesIn(dir).at(-1)?.['suppressed'], 1);
});

test('upcalls and commands have records of their own', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const upcall = {
    server: 'files',
    audience: { kind: 'everyone' },
    message: { kind: 'request', id: 's-1', method: 'sampling/createMessage', params: '{"a":1}' as JsonText },
    callId: 'call-1',
    settle: () => undefined,
  } as const;
  it.audit.upcall(
    upcall,
    sampleSession(),
    { kind: 'deny', rule: 'none', reason: 'r', hidden: false },
    'v7',
    false,
  );
  await it.audit.command({
    by: 'root',
    command: 'disable-tool',
    args: ['files/write', 'sk-secret-1'],
    result: 'done',
  });
  const [, up, command] = linesIn(dir);
  assert.deepEqual(
    [
      up?.['kind'],
      up?.['id'],
      up?.['caller'],
      up?.['method'],
      up?.['asked'],
      up?.['argBytes'],
      up?.['decision'],
    ],
    [
      'upcall',
      'call-1',
      'alice',
      'sampling/createMessage',
      false,
      7,
      { kind: 'deny', rule: 'none', reason: 'r', orders: 'v7' },
    ],
  );
  assert.deepEqual(
    [command?.['kind'], command?.['by'], command?.['command'], command?.['args'], command?.['result']],
    ['command', 'root', 'disable-tool', ['files/write', '[redacted]'], 'done'],
  );
});

test('a session that agreed meanwhile is recorded with its client from then on', async (t) => {
  const dir = tempDir(t);
  const it = bench(t, dir);
  const session: {
    -readonly [K in keyof ReturnType<typeof sampleSession>]: ReturnType<typeof sampleSession>[K];
  } = sampleSession({
    agreed: undefined,
  });
  for (const agreed of [undefined, sampleSession().agreed]) {
    session.agreed = agreed;
    const arrival = sampleArrival();
    const trail = it.audit.open(arrival);
    trail.named(sampleCall(arrival, { kind: 'tool', name: 'read' }, session));
    trail.close({ kind: 'accepted' });
  }
  await it.audit.flush();
  assert.deepEqual(
    linesIn(dir).map((it) => it['client']),
    [undefined, undefined, { name: 'desk', version: '9' }],
  );
});

const likely = {
  who: [0, 1],
  agreed: [0, 1, 2],
  userAgent: ['agent/1', 'agent/2', 'agent/s3cret', undefined],
  remote: ['127.0.0.1', '10.0.0.9'],
  server: ['files', 'mail'],
  method: ['tools/call', 'tools/odd'],
  tool: ['read', 'write', 's3cret'],
  version: ['1', '2', undefined],
  digest: ['aaaa', 'bbbb', undefined],
  isTool: [true, false],
  isKnown: [false, true],
} as const;
type Like = { readonly [Name in keyof typeof likely]: (typeof likely)[Name][number] };
const names = Object.keys(likely) as (keyof Like)[];

/** Calls that differ from the one before in one thing at most. */
const likeCalls = fc
  .array(fc.tuple(fc.constantFrom(...names), fc.nat()), { minLength: 1, maxLength: 40 })
  .map((changes) => {
    let last = Object.fromEntries(names.map((name) => [name, likely[name][0]])) as unknown as Like;
    return changes.map(([name, at]) => (last = { ...last, [name]: likely[name][at % likely[name].length] }));
  });

test('a record says what is true of its call, however alike the calls before it were', async (t) => {
  await fc.assert(
    fc.asyncProperty(likeCalls, async (calls) => {
      const records = async (remembers: boolean) => {
        const dir = tempDir(t);
        let [known, described] = [false, {}];
        const it = bench(t, dir, {
          redact: (text) => (known ? text.replaceAll('s3cret', '[gone]') : text),
          knows: remembers ? () => (known ? 2 : 1) : undefined,
          describe: () => described,
        });
        const people = [{ name: 'alice', via: 'key A' }, { name: 'bob' }] as const;
        const clients = ['desk', 's3cret'].map((name) => ({
          protocolVersion: '2025-11-25',
          client: { name, version: '9' },
          clientCapabilities: [],
        }));
        const session = { ...sampleSession() };
        for (const { who, agreed, method, tool, version, digest, isTool, isKnown, ...rest } of calls) {
          known = isKnown;
          described = { serverVersion: version, toolDigest: digest };
          Object.assign(session, { principal: people[who], agreed: clients[agreed] });
          const message = { kind: 'request', id: 1, method, params: '{}' as JsonText } as const;
          const arrival = sampleArrival({ ...rest, message });
          const trail = it.audit.open(arrival);
          trail.named(
            sampleCall(
              arrival,
              isTool ? { kind: 'tool', name: tool } : { kind: 'resource', uri: tool },
              session,
            ),
          );
          trail.close({ kind: 'accepted' });
        }
        await it.audit.flush();
        return linesIn(dir).map(({ prev: _, ...line }) => line);
      };
      const [plainly, remembering] = [await records(false), await records(true)];
      assert.equal(plainly.length, calls.length + 1);
      assert.deepEqual(remembering, plainly);
    }),
    { numRuns: 150 },
  );
});
