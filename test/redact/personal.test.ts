import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isIban, luhn } from '../../src/redact/checks.ts';
import { PersonalSearch, personalDetectors } from '../../src/redact/personal.ts';

function foundIn(text: string): [name: string, found: string][] {
  const found: [string, string][] = [];
  new PersonalSearch(personalDetectors).run(text, (name, from, to) =>
    found.push([name, text.slice(from, to)]),
  );
  return found;
}

const hits: [name: string, found: string][] = [
  ['email', 'ann@example.com'],
  ['email', "o'brien.x+tag@mail.example.co.uk"],
  ['email', 'jürgen@müller.de'],
  ['email', '用户@例子.公司'],
  ['card', '4111111111111111'],
  ['card', '4111 1111 1111 1111'],
  ['card', '4111-1111-1111-1111'],
  ['card', '378282246310005'],
  ['card', '3782 822463 10005'],
  ['card', '5555555555554444'],
  ['card', '2223003122003222'],
  ['card', '6011111111111117'],
  ['card', '3530111333300000'],
  ['card', '30569309025904'],
  ['card', '6304000000000000'],
  ['iban', 'DE89370400440532013000'],
  ['iban', 'DE89 3704 0044 0532 0130 00'],
  ['iban', 'GB82 WEST 1234 5698 7654 32'],
  ['iban', 'fr1420041010050500013m02606'],
  ['iban', 'NO9386011117947'],
  ['us-ssn', '123-45-6789'],
  ['us-ssn', '123 45 6789'],
  ['uk-nino', 'AB123456C'],
  ['uk-nino', 'AB 12 34 56 C'],
  ['de-tax-id', '86095742719'],
  ['de-tax-id', '86 095 742 719'],
  ['fr-nir', '255081416802538'],
  ['fr-nir', '2 55 08 14 168 025 38'],
  ['es-dni', '12345678Z'],
  ['es-dni', 'X1234567L'],
  ['it-codice-fiscale', 'RSSMRA85T10A562S'],
  ['phone', '+49 30 1234567'],
  ['phone', '+4930123456'],
  ['phone', '+1 (202) 555-0173'],
  ['phone', '(555) 234-5678'],
  ['phone', '555-234-5678'],
  ['phone', '1-555-234-5678'],
  ['phone', '020 7946 0958'],
  ['phone', '01 23 45 67 89'],
  ['phone', '030/1234567'],
  ['phone', '00 49 30 123456'],
];

describe('personal data is found', () => {
  for (const [name, sample] of hits) {
    for (const text of [sample, `to ${sample}, please`, `"${sample}"`, `\n${sample}\n`, `<b>${sample}</b>`])
      test(`${name}: ${JSON.stringify(text)}`, () => assert.deepEqual(foundIn(text), [[name, sample]]));
  }
  const beside: [text: string, found: string[]][] = [
    ['id,card\n17,4111111111111111,12', ['4111111111111111']],
    ['[4111111111111111,4242424242424242]', ['4111111111111111', '4242424242424242']],
    ['DE89370400440532013000,100.00', ['DE89370400440532013000']],
    ['a 536-90-4399,3', ['536-90-4399']],
    ['12345678Z,5', ['12345678Z']],
    ['86095742719,5', ['86095742719']],
    ['Jane,555-234-4567', ['555-234-4567']],
    ['Tel:030 1234567', ['030 1234567']],
    ['phone:555-234-4567', ['555-234-4567']],
    ['{"n":"pay\\n4111 1111 1111 1111"}', ['4111 1111 1111 1111']],
    ['{"n":"x\\n+49 30 1234567"}', ['+49 30 1234567']],
    ['{"n":"x\\t555-234-4567"}', ['555-234-4567']],
    ['{"n":"x\\r\\nDE89370400440532013000\\n"}', ['DE89370400440532013000']],
  ];
  for (const [text, found] of beside)
    test(`beside a comma, or behind an escape: ${text}`, () =>
      assert.deepEqual(
        foundIn(text).map(([, it]) => it),
        found,
      ));
  test('a Dutch number only where its name stands before it', () => {
    assert.deepEqual(foundIn('BSN: 123456782'), [['nl-bsn', '123456782']]);
    assert.deepEqual(foundIn('count 123456782'), []);
  });
  test('every kind has a sample', () => {
    for (const { name } of personalDetectors)
      assert.ok(name === 'nl-bsn' || hits.some(([it]) => it === name), name);
  });
});

describe('what only looks like it stays', () => {
  const misses = [
    'git commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12',
    '786512e2-9e0d-44bd-8f29-789f320fe840',
    '2026-01-02T03:04:05.678Z 01-02-2024 10:20 04/05/2026 1718',
    '10.0.0.12 192.168.100.200 020.030.040.050',
    '1.2.3-4 v10.20.30 node 26.3.0',
    '4111111111111112',
    '0000000000000000 4444444444444444',
    '1718000000000 17180000000001234 9007199254740991',
    '0.4111111111111111 4111111111111111.5',
    'a4111111111111111 4111111111111111b',
    'DE89370400440532013001 XX89370400440532013000 DE8937040044053201300',
    '000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 123-45-67890',
    'GB123456A AB123456E',
    '12345678A X1234567A',
    '12345678901 11111111111',
    'RSSMRA85T10A562T',
    '@types/node user@host left@1.25 a@b @ me@',
    'pkg@1.2.3 actions/checkout@v4',
    '1,234,567,890 12345678901234567890',
    '(2024) 123-4567 and 155-234-5678',
    'func(12345678) x+12345678',
    '12:555-234-4567 1,555-234-4567 x+4930123456',
    '0800',
  ];
  for (const text of misses) test(text, () => assert.deepEqual(foundIn(text), []));
});

describe('check digits', () => {
  test('of a card: exactly one last digit passes', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{12,18}$/), (digits) => {
        assert.equal([...'0123456789'].filter((last) => luhn(digits + last)).length, 1);
      }),
    );
  });
  test('of an IBAN: no digit can be changed', () => {
    const good = 'DE89370400440532013000';
    for (let at = 2; at < good.length; at++)
      for (const digit of '0123456789')
        if (digit !== good[at]) assert.ok(!isIban(good.slice(0, at) + digit + good.slice(at + 1)));
  });
});

test('in pieces the same is found as at once', () => {
  const piece = fc.constantFrom(
    ...hits.map(([, it]) => it),
    ' ',
    ', ',
    '\n',
    '\\n',
    ',',
    'x:',
    '1',
    'a',
    '@',
    '+',
    '(',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 40 }), (pieces, step) => {
      const text = pieces.join('');
      const search = new PersonalSearch(personalDetectors);
      const found = new Set<string>();
      let done = 0;
      for (let from = 0; from < text.length; from += step) {
        const tell = (name: string, begin: number): void => void found.add(`${name} ${begin}`);
        done = search.run(text, tell, from, Math.min(text.length, from + step), done);
      }
      const whole = new Set<string>();
      search.run(text, (name, begin) => whole.add(`${name} ${begin}`));
      assert.deepEqual(found, whole);
    }),
    { numRuns: 1000 },
  );
});
