import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encode } from '../../src/protocol/codec.ts';
import { detectors } from '../../src/redact/detectors.ts';
import { Turns, type Work } from '../../src/redact/drive.ts';
import { Hunt } from '../../src/redact/hunt.ts';
import { meanings } from '../../src/redact/meanings.ts';
import { PersonalSearch, personalDetectors } from '../../src/redact/personal.ts';
import { Search } from '../../src/redact/search.ts';
import { given, ordersWith, redactorWith, result, rule, toolCall } from './support.ts';

const search = new Search(meanings([], false));

/** Characters looked at behind literals, for so many characters of a text. */
function stepsFor(piece: string, chars: number): number {
  const hunt = new Hunt(encode({ text: piece.repeat(Math.ceil(chars / piece.length)) }), search);
  while (hunt.step());
  return hunt.steps;
}

function looksFor(piece: string, chars: number): number {
  const personal = new PersonalSearch(personalDetectors);
  personal.run(piece.repeat(Math.ceil(chars / piece.length)), () => undefined);
  return personal.looks;
}

const sizes = [6_000, 12_000] as const;

describe('twice the text is twice the work, whatever the text', () => {
  const literals = [...new Set(detectors.flatMap((it) => it.literals))];
  const pieces = [
    ...literals,
    ...literals.map((it) => `${it}a1B2c3`),
    ...literals.map((it) => `+${it}aaaa`),
    ...literals.map((it) => Buffer.from(it).toString('base64').replaceAll('=', '')),
    ...literals.map((it) => Buffer.from(it).toString('hex')),
    ...literals.map((it) => [...it].map((one) => `&#${one.charCodeAt(0)};`).join('')),
    literals.join(''),
    literals.join(' '),
    'a',
    '-----BEGIN RSA PRIVATE KEY-----',
    'datadog_key=',
  ];
  test('for secrets', () => {
    for (const piece of pieces) {
      const [once, twice] = sizes.map((size) => stepsFor(piece, size)) as [number, number];
      assert.ok(twice <= once * 2.5 + 4_000, `${piece.slice(0, 40)}: ${once} → ${twice}`);
      assert.ok(twice <= 40 * sizes[1], `${piece.slice(0, 40)}: ${twice} steps`);
    }
  });
  test('for personal data', () => {
    const hostile = [
      '1',
      '1 ',
      '1-',
      '12 ',
      '@',
      'a@',
      '@a.',
      'a.',
      '+',
      '+1',
      '(',
      '(1',
      '0',
      '00 ',
      '4111 ',
      'A1 ',
      'DE',
      'DE89 ',
      'X1',
      '411111111111111 ',
      'ann@example.com ',
      '-',
      '+49 30 1234567 ',
    ];
    for (const piece of hostile) {
      const [once, twice] = sizes.map((size) => looksFor(piece, size)) as [number, number];
      assert.ok(twice <= once * 2.1 + 100, `${piece}: ${once} → ${twice}`);
      assert.ok(twice <= 12 * sizes[1], `${piece}: ${twice} looks`);
    }
  });
});

test('the worst messages come out as JSON, however much is asked for', async () => {
  const rules = [
    rule({ what: ['pii', 'secrets'] }),
    rule({ name: 'own', patterns: ['[a-z]{2,9}1', '(a|b)*c'], fields: ['*', 'a.*.b'] }),
  ];
  const pieces = [
    'a@b.cd ',
    '4111111111111111,',
    '"',
    '\\',
    '://a:b@',
    '{"a":[',
    '&#103;&#104;&#112;&#95;',
    '+1 ',
    'ghp_',
    '\u0000',
    '\ud800',
  ];
  for (const piece of pieces) {
    const long = piece.repeat(Math.ceil(60_000 / piece.length));
    const value = {
      content: [
        { type: 'text', text: long },
        { type: 'text', text: long },
      ],
      structuredContent: { [long]: long, b: [long] },
    };
    const outward = await redactorWith().outward(ordersWith(rules), toolCall('read'), result(value));
    assert.equal(typeof given(outward), 'object', piece);
  }
});

test('very many finds in one text are taken together rather than kept apart', async () => {
  const value = { content: [{ type: 'text', text: 'a@b.cd '.repeat(150_000) }] };
  const outward = await redactorWith().outward(
    ordersWith([rule({ what: ['email'] })]),
    toolCall('read'),
    result(value),
  );
  assert.ok(!JSON.stringify(given(outward)).includes('a@b'));
});

test('patterns that would hold up everybody are not run at once: the message is refused', () => {
  const call = toolCall('write', { text: 'x '.repeat(100_000) });
  const rules = [rule({ direction: 'in', patterns: ['EMP-[0-9]+'] })];
  assert.throws(() => redactorWith().inward(ordersWith(rules), call), { code: 'TOO_LARGE' });
});

test('with time to wait they read all of it', async () => {
  const call = toolCall('write', { text: `${'x '.repeat(100_000)}EMP-1` });
  const rules = [rule({ direction: 'in', patterns: ['EMP-[0-9]+'] })];
  const inward = await redactorWith().inwardSoon(ordersWith(rules), call);
  assert.ok(
    inward.kind === 'clean' && JSON.stringify(inward.call.params).endsWith('x [redacted:privacy]"}}'),
  );
});

test('of many large works each turn takes one step, and a failing one stops no other', async () => {
  const turns = new Turns();
  const told: string[] = [];
  function* work(name: string, steps: number): Work<string> {
    for (let step = 0; step < steps; step++) {
      told.push(name);
      yield;
    }
    if (name === 'b') throw new Error('b broke');
    return name;
  }
  let between = 0;
  let running = true;
  const count = (): void => {
    told.push('-');
    between++;
    if (running) setImmediate(count);
  };
  const works = [turns.take(work('a', 3)), turns.take(work('b', 2)), turns.take(work('c', 3))];
  setImmediate(count);
  const ended = await Promise.allSettled(works);
  running = false;
  assert.deepEqual(
    ended.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const steps = told.join('').replaceAll('-', '');
  assert.equal(steps, 'abcabcac');
  assert.doesNotMatch(told.join(''), /[abc]{2}/);
  assert.ok(between >= 8);
});
