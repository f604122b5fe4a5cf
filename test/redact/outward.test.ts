import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Json, JsonObject, JsonText } from '../../src/domain/message.ts';
import type { RedactText } from '../../src/domain/orders.ts';
import { canonical, encode } from '../../src/protocol/codec.ts';
import type { Outward } from '../../src/redact/outward.ts';
import { callOf, given, ordersWith, redactorWith, result, rule, toolCall } from './support.ts';

const token = `ghp_${'aB3dE5gH7jK9'.repeat(3)}`;

async function sent(value: object, rules: readonly RedactText[], tool = 'read'): Promise<Outward> {
  return redactorWith().outward(ordersWith(rules), toolCall(tool), result(value));
}
async function seen(value: object, rules: readonly RedactText[], tool = 'read'): Promise<Json> {
  return given(await sent(value, rules, tool));
}
const block = (text: string): object => ({ content: [{ type: 'text', text }] });

describe('without rules', () => {
  test('an answer without secrets is the same text, and given at once', () => {
    const answer = result(block('plain words'));
    const outward = redactorWith().outward(ordersWith([]), toolCall('read'), answer);
    assert.ok(!(outward instanceof Promise));
    assert.ok(outward.kind === 'clean' && outward.answer.text === answer.text);
    assert.deepEqual(outward.found, []);
  });
  test('secrets are taken out and counted, personal data stays', async () => {
    const outward = await sent(block(`${token} ann@example.com 4111111111111111`), []);
    assert.deepEqual(given(outward), block('[redacted:github-token] ann@example.com 4111111111111111'));
    assert.deepEqual(outward.found, [{ name: 'github-token', count: 1 }]);
  });
  test('a secret that is split over two text blocks is found', async () => {
    const split = {
      content: [
        { type: 'text', text: `a ${token.slice(0, 12)}` },
        { annotations: {}, text: token.slice(12, 20), type: 'text' },
        { type: 'text', text: `${token.slice(20)} b` },
      ],
    };
    const text = JSON.stringify(await seen(split, []));
    assert.ok(!text.includes(token.slice(12, 20)) && !text.includes(token.slice(20)), text);
    assert.match(text, /"a \[redacted:github-token\]"/);
    assert.match(text, / b"/);
  });
  test('a key file that is split over two text blocks is taken out to its end', async () => {
    const lines = `${'aB3dE5gH7jK9mN1p'.repeat(4)}\n`.repeat(3);
    const split = {
      content: [
        { type: 'text', text: `-----BEGIN PRIVATE KEY-----\n${lines}` },
        { type: 'text', text: `${lines}-----END PRIVATE KEY----- after` },
      ],
    };
    const back = JSON.stringify(await seen(split, []));
    assert.ok(!back.includes('aB3dE5') && back.includes(' after'), back);
  });
  test('a secret at the end of a block does not take the begin of the next one with it', async () => {
    const blocks = {
      content: [
        { type: 'text', text: token },
        { type: 'text', text: 'next' },
      ],
    };
    const back = (await seen(blocks, [])) as { content: { text: string }[] };
    assert.equal(back.content[1]?.text, 'next');
  });
  test('blocks with something between them are not one text', async () => {
    const apart = {
      content: [
        { type: 'text', text: token.slice(0, 12) },
        { type: 'image', data: '', mimeType: 'image/png' },
        { type: 'text', text: token.slice(12) },
      ],
    };
    assert.deepEqual(await seen(apart, []), apart);
  });
  test('a secret over the seam of two long blocks is found, and no escape is cut', async () => {
    const filler = '\n"\\'.repeat(2000);
    const value = {
      content: [
        { type: 'text', text: filler + token.slice(0, 9) },
        { type: 'text', text: token.slice(9) + filler },
      ],
    };
    const back = (await seen(value, [])) as { content: { text: string }[] };
    assert.equal(back.content[0]?.text, `${filler}[redacted:github-token]`);
    assert.equal(back.content[1]?.text, `[redacted:github-token]${filler}`);
  });
  test('a text file in base64 stays a file', async () => {
    const file = (text: string): object => ({
      contents: [{ uri: 'file:///a', blob: Buffer.from(text).toString('base64') }],
    });
    assert.deepEqual(
      await seen(file(`x Authorization: Bearer ${'a1b2c3d4'.repeat(4)} y`), []),
      file('x Authorization: Bearer [redacted:authorization] y'),
    );
  });
  test('a picture that holds a token stays base64 of the same length', async () => {
    const bytes = Buffer.concat([
      Buffer.from([137, 80, 78, 71, 255]),
      Buffer.from(token),
      Buffer.from([0, 255]),
    ]);
    const data = bytes.toString('base64');
    const back = (await seen({ content: [{ type: 'image', data, mimeType: 'image/png' }] }, [])) as {
      content: { data: string }[];
    };
    const after = back.content[0]?.data ?? '';
    assert.equal(after.length, data.length);
    const decoded = Buffer.from(after, 'base64');
    assert.equal(decoded.length, bytes.length);
    assert.ok(!decoded.toString('latin1').includes('aB3dE5'), after);
  });
  test('numbers keep their digits beside a find', async () => {
    const text =
      `{"content":[],"structuredContent":{"n":12345678901234567890.10,"t":"${token}"}}` as JsonText;
    const outward = await redactorWith(() => true).outward(ordersWith([]), toolCall('read'), {
      kind: 'result',
      text,
    });
    assert.ok(outward.kind === 'clean');
    assert.ok(outward.answer.text.includes('12345678901234567890.10'));
  });
});

describe('an action', () => {
  const cases: [action: RedactText['action'], expected: string][] = [
    ['redact', 'to [redacted:email], now'],
    ['mask', 'to ***********.com, now'],
    ['report', 'to ann@example.com, now'],
  ];
  for (const [action, expected] of cases) {
    test(action, async () => {
      const outward = await sent(block('to ann@example.com, now'), [rule({ what: ['email'], action })]);
      assert.deepEqual(given(outward), block(expected));
      assert.deepEqual(outward.found, [{ name: 'privacy: email', count: 1 }]);
    });
  }
  test('hash: the same for the same value under one key, and another for another', async () => {
    const hashing = [rule({ what: ['email'], action: 'hash' })];
    const one = JSON.stringify(
      await seen(block('ann@example.com, ann@example.com, bob@example.com'), hashing),
    );
    const marks = one.match(/\[hash:email:[0-9a-f]{12}\]/g) ?? [];
    assert.equal(marks.length, 3);
    assert.equal(marks[0], marks[1]);
    assert.notEqual(marks[1], marks[2]);
  });
  test('block: nothing goes out, the rule is named and what was found is not', async () => {
    const outward = await sent(block('to ann@example.com'), [
      rule({ name: 'no mail', what: ['email'], action: 'block' }),
    ]);
    assert.ok(outward.kind === 'blocked');
    assert.equal(outward.why.rule, 'built-in: redaction');
    assert.equal(outward.why.hidden, false);
    assert.match(outward.why.reason, /"no mail"/);
    assert.ok(!JSON.stringify(outward).includes('ann@'));
  });
  test('block for secrets refuses what would otherwise be cleaned', async () => {
    const outward = await sent(block(token), [rule({ what: ['secrets'], action: 'block' })]);
    assert.equal(outward.kind, 'blocked');
    assert.equal(
      (await sent(block('nothing'), [rule({ what: ['secrets'], action: 'block' })])).kind,
      'clean',
    );
  });
  test('nothing makes secrets show: no mask, no hash, no report', async () => {
    for (const action of ['mask', 'hash', 'report'] as const)
      assert.deepEqual(
        await seen(block(token), [rule({ what: ['secrets'], action })]),
        block('[redacted:github-token]'),
      );
  });
  test('of two rules about one find, the one that shows less counts', async () => {
    const rules = [
      rule({ name: 'a', what: ['email'], action: 'mask' }),
      rule({ name: 'b', what: ['email'], action: 'redact' }),
    ];
    assert.deepEqual(await seen(block('ann@example.com'), rules), block('[redacted:email]'));
  });
});

describe('a rule', () => {
  test('speaks about its tools only', async () => {
    const rules = [rule({ what: ['email'], tools: ['get_*'] })];
    assert.deepEqual(await seen(block('ann@example.com'), rules, 'get_user'), block('[redacted:email]'));
    assert.deepEqual(await seen(block('ann@example.com'), rules, 'read'), block('ann@example.com'));
  });
  test('for what comes in says nothing about what goes out', async () => {
    assert.deepEqual(
      await seen(block('ann@example.com'), [rule({ what: ['email'], direction: 'in' })]),
      block('ann@example.com'),
    );
  });
  test('with patterns of the owner marks by its own name', async () => {
    const rules = [rule({ name: 'Staff numbers!', patterns: ['EMP-[0-9]{4}'] })];
    const outward = await sent({ content: [], structuredContent: { a: 'EMP-1234 EMP-12', n: 1 } }, rules);
    assert.deepEqual(given(outward), {
      content: [],
      structuredContent: { a: '[redacted:staff-numbers] EMP-12', n: 1 },
    });
    assert.deepEqual(outward.found, [{ name: 'Staff numbers!', count: 1 }]);
  });
  test('finds numbers, member names, errors, links and what the server notes beside', async () => {
    const rules = [rule({ what: ['pii'] })];
    const value = {
      content: [{ type: 'resource_link', uri: 'mailto:ann@example.com', name: 'ann@example.com' }],
      structuredContent: {
        'ann@example.com': 1,
        'bob@example.com': 2,
        card: 4111111111111111,
        exp: 4111111111111112,
      },
      _meta: { 'x/y': 'IBAN DE89370400440532013000' },
    };
    assert.deepEqual(await seen(value, rules), {
      content: [{ type: 'resource_link', uri: 'mailto:[redacted:email]', name: '[redacted:email]' }],
      structuredContent: {
        '[redacted:email]': 1,
        '[redacted:email] 2': 2,
        card: '[redacted:card]',
        exp: 4111111111111112,
      },
      _meta: { 'x/y': 'IBAN [redacted:iban]' },
    });
    const error = await redactorWith().outward(ordersWith(rules), toolCall('read'), {
      kind: 'error',
      text: encode({ code: -32000, message: 'no ann@example.com', data: { who: ['bob@example.com'] } }),
    });
    assert.deepEqual(given(error), {
      code: -32000,
      message: 'no [redacted:email]',
      data: { who: ['[redacted:email]'] },
    });
  });
  test('replaces whole fields, through lists and all members', async () => {
    const rules = [rule({ fields: ['customer.name', 'items.*.iban', 'all.*', 'list.0'] })];
    const structuredContent = {
      customer: { name: 'Ann', id: 1 },
      items: [{ iban: 'x', n: 1 }, { n: 2 }, { iban: null }],
      all: { a: true, b: [1], c: { d: 2 } },
      list: ['p', 'q'],
    };
    const marker = '[redacted:privacy]';
    assert.deepEqual(await seen({ content: [], structuredContent }, rules), {
      content: [],
      structuredContent: {
        customer: { name: marker, id: 1 },
        items: [{ iban: marker, n: 1 }, { n: 2 }, { iban: null }],
        all: { a: marker, b: marker, c: marker },
        list: [marker, 'q'],
      },
    });
  });
  test('takes out all that a pattern matches, also behind a backslash', async () => {
    const rules = [rule({ patterns: ['u[0-9]{3,5}', 'ulrich@[a-z.]+'] })];
    const cases: [text: string, left: string][] = [
      ['CORP\\u12345 and u12345', 'CORP[redacted:privacy] and [redacted:privacy]'],
      ['CORP\\u123 and', 'CORP\\[redacted:privacy] and'],
      ['CORP\\ulrich@corp.example', 'CORP\\[redacted:privacy]'],
      ['{"a":"CORP\\u12345"}', '{"a":"CORP[redacted:privacy]"}'],
    ];
    for (const [text, left] of cases) assert.deepEqual(await seen(block(text), rules), block(left));
  });
  test('keeps JSON in a text JSON, numbers too', async () => {
    const inner = JSON.stringify({ card: 4111111111111111, mail: '\nann@example.com' });
    const back = (await seen(block(inner), [rule({ what: ['pii'] })])) as { content: { text: string }[] };
    assert.deepEqual(JSON.parse(back.content[0]?.text ?? ''), {
      card: '[redacted:card]',
      mail: '\n[redacted:email]',
    });
  });
  test('looks into text files in base64, and leaves pictures', async () => {
    const png = Buffer.from('\u0089PNG +49301234567 ann@example.com', 'latin1').toString('base64');
    const value = {
      content: [
        {
          type: 'resource',
          resource: { uri: 'file:///a', blob: Buffer.from('ann@example.com').toString('base64') },
        },
        { type: 'image', mimeType: 'image/png', data: png },
      ],
    };
    const back = (await seen(value, [rule({ what: ['pii'] })])) as {
      content: { resource: { blob: string }; data: string }[];
    };
    assert.equal(Buffer.from(back.content[0]?.resource.blob ?? '', 'base64').toString(), '[redacted:email]');
    assert.equal(back.content[1]?.data, png);
  });
  test('does not touch what the protocol finds its way by', async () => {
    const value = { tools: [], nextCursor: 'ann@example.com' };
    const call = callOf(
      { kind: 'listing', of: 'tools' },
      { kind: 'request', id: 1, method: 'tools/list', params: undefined },
    );
    const outward = await redactorWith().outward(ordersWith([rule({ what: ['pii'] })]), call, result(value));
    assert.deepEqual(given(outward), value);
  });
  test('looks at every member of structured content, of an error and of what a server adds', async () => {
    const staff = 'EMP-123456';
    const members = { id: staff, type: 'jane@corp.example', method: staff, taskId: staff, requestId: staff };
    const value = { content: [], structuredContent: members, extra: { id: staff } };
    const orders = ordersWith([rule({ patterns: ['EMP-[0-9]{6}'], what: ['pii'] })]);
    const cleaned = given(await redactorWith().outward(orders, toolCall('read'), result(value)));
    assert.doesNotMatch(JSON.stringify(cleaned), /EMP-|jane@/);
    const error = { kind: 'error', text: encode({ code: -1, message: 'x', data: members }) } as const;
    assert.doesNotMatch(
      JSON.stringify(given(await redactorWith().outward(orders, toolCall('read'), error))),
      /EMP-|jane@/,
    );
    const blocking = ordersWith([rule({ patterns: ['EMP-[0-9]{6}'], action: 'block' })]);
    assert.equal(
      (await redactorWith().outward(blocking, toolCall('read'), result({ structuredContent: { id: staff } })))
        .kind,
      'blocked',
    );
  });
  test('keeps what says which task and which request an answer is about', async () => {
    const value = {
      resultType: 'task',
      task: { taskId: 'EMP-123456', status: 'working' },
      _meta: { progressToken: 'EMP-123456' },
      result: { resultType: 'EMP-123456' },
    };
    const orders = ordersWith([rule({ patterns: ['EMP-[0-9]{6}'] })]);
    assert.deepEqual(given(await redactorWith().outward(orders, toolCall('read'), result(value))), value);
  });
  test('that names no detector, or a pattern that is none, lets nothing out', async () => {
    await assert.rejects(sent(block('a'), [rule({ what: ['emial'] })]));
    await assert.rejects(sent(block('a'), [rule({ patterns: ['('] })]));
  });
});

describe('structured content whose schema forbids a marker', () => {
  const check =
    (fits: (it: JsonObject) => boolean) =>
    async (structuredContent: JsonObject, rules: readonly RedactText[]): Promise<Json> => {
      const redactor = redactorWith((_server, _tool, it) => fits(it as JsonObject));
      return given(
        await redactor.outward(
          ordersWith(rules),
          toolCall('read'),
          result({ content: [], structuredContent }),
        ),
      );
    };
  test('a number becomes 0, and a note says so', async () => {
    const numeric = check((it) => typeof it['card'] === 'number');
    assert.deepEqual(await numeric({ card: 4111111111111111 }, [rule({ what: ['card'] })]), {
      content: [],
      structuredContent: { card: 0 },
      _meta: { 'mcpd/redacted': { neutral: 1, removed: 0 } },
    });
  });
  test('what fits neither way is left out', async () => {
    const positive = check((it) => it['card'] === undefined || Number(it['card']) > 0);
    assert.deepEqual(await positive({ a: 1, card: 4111111111111111 }, [rule({ what: ['card'] })]), {
      content: [],
      structuredContent: { a: 1 },
      _meta: { 'mcpd/redacted': { neutral: 0, removed: 1 } },
    });
  });
  test('what holds it is left out where it cannot be alone', async () => {
    const whole = check((it) => {
      const list = it['list'];
      return Array.isArray(list) && list.every((one) => Number((one as JsonObject)['card']) > 0);
    });
    const value = { list: [{ card: 1 }, { card: 4111111111111111 }, { card: 2 }] };
    assert.deepEqual(await whole(value, [rule({ what: ['card'] })]), {
      content: [],
      structuredContent: { list: [{ card: 1 }, { card: 2 }] },
      _meta: { 'mcpd/redacted': { neutral: 0, removed: 1 } },
    });
  });
  test('where nothing fits the result is refused', async () => {
    const never = check((it) => it['card'] === 4111111111111111);
    assert.match(
      JSON.stringify(await never({ card: 4111111111111111 }, [rule({ what: ['card'] })])),
      /output schema/,
    );
  });
  test('a secret is held to the same', async () => {
    const none = check((it) => it['token'] === undefined || JSON.stringify(it['token']).length > 32);
    assert.deepEqual(await none({ token }, []), {
      content: [],
      structuredContent: {},
      _meta: { 'mcpd/redacted': { neutral: 0, removed: 1 } },
    });
  });
  test('one that did not fit before is given with its markers', async () => {
    const never = check(() => false);
    assert.deepEqual(await never({ token }, []), {
      content: [],
      structuredContent: { token: '[redacted:github-token]' },
    });
  });
});

describe('a large answer', () => {
  const filler = 'ordinary words, one after the other. '.repeat(30_000);
  test('is worked on in turns with everything else, and comes out the same', async () => {
    const rules = [rule({ what: ['pii'] }), rule({ name: 'staff', patterns: ['EMP-[0-9]{4}'] })];
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    const text = `${filler}ann@example.com ${filler}${token} EMP-1234${filler}`;
    const back = await seen(block(text), rules);
    running = false;
    assert.deepEqual(
      back,
      block(`${filler}[redacted:email] ${filler}[redacted:github-token] [redacted:staff]${filler}`),
    );
    assert.ok(turns > 10, String(turns));
  });
  test('finds what lies across every cut between its pieces', async () => {
    const redactor = redactorWith();
    redactor.learn('an injected value with blanks');
    const cut = 256 * 1024;
    const samples: [text: string, marker: string][] = [
      [token, '[redacted:github-token]'],
      ['an injected value with blanks', '[redacted:secret]'],
      ['postgres://me:hunter2@db', 'postgres://me:[redacted:url-password]@db'],
      [`Bearer ${'a1'.repeat(12)}`, 'Bearer [redacted:bearer-token]'],
    ];
    for (const [sample, marker] of samples) {
      for (let shift = 0; shift <= sample.length; shift += 3) {
        const before = 'a '.repeat(cut / 2).slice(0, cut - 36 - shift);
        const value = block(`${before} ${sample} ${filler}`);
        const outward = await redactor.outward(ordersWith([]), toolCall('read'), result(value));
        assert.deepEqual(given(outward), block(`${before} ${marker} ${filler}`), String(shift));
      }
    }
  });
});

test('whatever is in an answer, it stays canonical JSON', async () => {
  const piece = fc.constantFrom(
    'ann@example.com',
    '4111 1111 1111 1111',
    '+49 30 1234567',
    '\\',
    '"',
    '\n',
    '\\n',
    'é',
    '\ud800',
    'EMP-1',
    '[redacted:',
    ']',
    ' ',
    '{',
    '1',
    token,
    '😀',
  );
  const text = fc.array(piece, { maxLength: 8 }).map((it) => it.join(''));
  const json = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.integer(),
      fc.constant(4111111111111111),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).value;
  const rules = [rule({ what: ['pii'] }), rule({ name: 'own', patterns: ['EMP-[0-9]'], fields: ['a.*'] })];
  await fc.assert(
    fc.asyncProperty(json, text, async (structuredContent, plain) => {
      const answer = result({
        content: [{ type: 'text', text: plain }],
        structuredContent: { a: structuredContent, b: structuredContent },
      });
      const once = await redactorWith().outward(ordersWith(rules), toolCall('read'), answer);
      assert.ok(once.kind === 'clean');
      assert.equal(canonical(once.answer.text, { bytesMax: 1e7, depthMax: 64 }), once.answer.text);
      assert.ok(!once.answer.text.includes('ann@example.com'));
    }),
    { numRuns: 400 },
  );
});
