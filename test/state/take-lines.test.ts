import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { firstLine, readTakes, TakeLines, type TakeAt } from '../../src/state/take-lines.ts';

const fail = (line: number): never => {
  throw new Error(`line ${line}`);
};
const read = (text: string): TakeAt[] => [...readTakes(text, fail)];

const takes = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 1e14 }),
    takes: fc.uniqueArray(
      fc.record({
        key: fc.constantFrom('a', 'b', 'a$', 'Zz-_9'),
        keepMs: fc.constantFrom(1000, 60_000, 86_400_000),
        amount: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      }),
      { minLength: 1, maxLength: 4, selector: ({ key }) => key },
    ),
  }),
  { maxLength: 30 },
);

test('what was written is what is read, in order', () => {
  fc.assert(
    fc.property(takes, (all) => {
      const lines = new TakeLines();
      const text = all.map((it) => lines.write(it.at, it.takes)).join('');
      const expected = all.flatMap((it) => it.takes.map((take) => ({ ...take, at: it.at })));
      assert.deepEqual(
        read(firstLine + text),
        expected.map(({ key, keepMs, amount, at }) => ({ key, keepMs, amount, at })),
      );
    }),
  );
});

test('wherever a write was cut off, all that was whole before it is read', () => {
  const lines = new TakeLines();
  const whole = Array.from({ length: 5 }, (_, at) =>
    lines.write(at, [{ key: `k${at}`, keepMs: 10, amount: 1 }]),
  );
  const text = firstLine + whole.join('');
  for (let cut = firstLine.length; cut <= text.length; cut++) {
    const complete = whole.filter(
      (_, index) => firstLine.length + whole.slice(0, index + 1).join('').length <= cut,
    );
    assert.equal(read(text.slice(0, cut)).length, complete.length);
  }
});

const damaged: readonly (readonly [string, string, number])[] = [
  ['nothing at all', '', 1],
  ['another format', 'mcpd takes 2\n', 1],
  ['zeros, as a power cut leaves them', `${firstLine}\0\0\0\0\n`, 2],
  ['a count that nobody named', `${firstLine}t 5 1:1\n`, 2],
  ['an amount that is no number', `${firstLine}k 1 10 a\nt 5 1:x\n`, 3],
  ['an amount that no double holds', `${firstLine}k 1 10 a\nt 5 1:9999999999999999\n`, 3],
  ['a negative time', `${firstLine}k 1 10 a\nt -5 1:1\n`, 3],
  ['a take of nothing', `${firstLine}t 5\n`, 2],
  ['an empty line', `${firstLine}\n`, 2],
  ['a name with spaces', `${firstLine}k 1 10 a b\n`, 2],
];
for (const [what, text, line] of damaged) {
  test(`${what} is not read as if it were right`, () => {
    assert.throws(() => read(text), { message: `line ${line}` });
  });
}

test('after a write that failed, every count is named again', () => {
  const lines = new TakeLines();
  const take = [{ key: 'a', keepMs: 10, amount: 1 }];
  const first = lines.write(1, take);
  lines.forget();
  const second = lines.write(2, take);
  assert.deepEqual(read(firstLine + second), [{ key: 'a', keepMs: 10, amount: 1, at: 2 }]);
  assert.equal(read(firstLine + first + second).length, 2);
});
