// Wherever a secret stands in what a record is made of, and whenever it became one: it is not on record.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { argumentDigest, argumentKey } from '../../src/audit/argument-digest.ts';
import { journalFiles } from '../../src/audit/journal-files.ts';
import type { JsonText } from '../../src/domain/message.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { bench, sampleArrival, sampleCall, samplePermit, sampleSession, tempDir } from './sample.ts';

const secret = 'hunter2-é"\\-and-more';
const digits = 738_201_945;

test('a secret is on no record, in whatever it stands, also when it was harmless a record ago', async (t) => {
  const dir = tempDir(t);
  const redactor = new Redactor();
  const it = bench(t, dir, {
    redact: (text) => redactor.clean(text as JsonText),
    knows: () => redactor.generation,
    describe: () => ({ serverVersion: secret, toolDigest: 'abcdef012345' }),
    policyOf: () => ({ recordPayloads: true }),
    digest: argumentDigest(argumentKey(Buffer.alloc(32, 3))),
  });
  const params = JSON.stringify({
    name: secret,
    arguments: { path: secret, n: digits, deep: { list: [digits, secret] }, [secret]: 1 },
  }) as JsonText;
  const arrival = sampleArrival({
    remote: secret,
    server: secret,
    userAgent: secret,
    message: { kind: 'request', id: 1, method: secret, params },
  });
  const session = sampleSession({
    principal: { name: secret, via: secret },
    agreed: {
      protocolVersion: '2025-11-25',
      client: { name: secret, version: secret },
      clientCapabilities: [],
    },
  });
  const call = sampleCall(arrival, { kind: 'tool', name: secret }, session);
  const permit = samplePermit({ rule: secret, record: ['path', 'n', 'deep', secret] });
  const answer = { kind: 'error', text: `{"code":"${'x'.repeat(30)}"}` as RedactedJson } as const;
  const outcomes: readonly Outcome[] = [
    { kind: 'answered', answer, opened: undefined },
    {
      kind: 'refused',
      why: { kind: 'deny', rule: secret, reason: secret, hidden: false },
      target: call.target,
    },
    { kind: 'declined', why: { kind: 'declined', by: secret, reason: secret }, target: call.target },
    {
      kind: 'refused',
      why: { kind: 'exhausted', limit: secret, retryInMs: 5 },
      target: call.target,
    },
  ];
  const round = async (): Promise<string> => {
    for (const outcome of outcomes)
      for (const goesOut of [true, false]) {
        const trail = it.audit.open(arrival);
        trail.named(call);
        trail.decided(permit, { version: secret });
        if (goesOut)
          await trail.commit({
            call,
            permit,
            receipt: { kind: 'paid', done: () => undefined, would: secret },
            approval: { kind: 'approved', by: secret },
            ordersVersion: secret,
            attempt: 1,
            stands: () => true,
          });
        trail.close(outcome);
      }
    await it.audit.command({
      by: secret,
      as: secret,
      role: secret,
      command: secret,
      args: [secret],
      result: secret,
    });
    return journalFiles(dir)
      .map((file) => readFileSync(file, 'utf8'))
      .join('');
  };
  const forms = [JSON.stringify(secret).slice(1, -1), String(digits)];
  const before = await round();
  for (const form of forms) assert.ok(before.includes(form), 'the test would see it');
  for (const value of [secret, String(digits)]) assert.equal(redactor.learn(value).kind, 'learned');
  const after = (await round()).slice(before.length);
  assert.equal(after.trim().split('\n').length, before.trim().split('\n').length - 1);
  for (const line of after.trim().split('\n')) JSON.parse(line);
  for (const form of forms) assert.ok(!after.includes(form), after);
});

test('what only its name makes a secret is not on record either, where a rule records it by that name', async (t) => {
  const dir = tempDir(t);
  const redactor = new Redactor();
  const it = bench(t, dir, {
    redact: (text) => redactor.clean(text as JsonText),
    knows: () => redactor.generation,
  });
  const value = 'Zx81kQp0aaWm27TtLq93Vb6N';
  const params = JSON.stringify({
    name: 'fetch',
    arguments: { authorization: value, headers: { 'x-api-key': value }, path: '/srv/a' },
  }) as JsonText;
  const arrival = sampleArrival({ message: { kind: 'request', id: 1, method: 'tools/call', params } });
  const trail = it.audit.open(arrival);
  trail.named(sampleCall(arrival, { kind: 'tool', name: 'fetch' }, sampleSession({})));
  trail.decided(samplePermit({ record: ['authorization', 'headers.x-api-key', 'headers', 'path'] }), {
    version: 'v',
  });
  trail.close({ kind: 'accepted' });
  await it.audit.flush();
  const text = journalFiles(dir)
    .map((file) => readFileSync(file, 'utf8'))
    .join('');
  assert.match(text, /"resources":\{"authorization":"\[redacted:.*"path":"\/srv\/a"/);
  assert.ok(!text.includes(value), text);
});
