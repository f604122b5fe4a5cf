import assert from 'node:assert/strict';
import { Lines } from '../../src/fleet/lines.ts';
import { readLine } from '../../src/fleet/read-line.ts';
import { Dice } from '../support/dice.ts';
import type { Target } from './engine.ts';
import { linesOf, texts } from './seeds.ts';

const lineBytesMax = 200;
const bounds = { bytesMax: lineBytesMax, depthMax: 16 };

/** However a stream is cut into chunks, its lines are the same, and each line has one meaning. */
export const framer: Target = {
  name: 'framer',
  covers: /\/src\/(fleet\/(lines|read-line)|protocol\/)/,
  seeds: () => [
    ...texts(
      '{"jsonrpc":"2.0","id":1,"result":{}}\n{"jsonrpc":"2.0","method":"notifications/progress"}\r\n',
      `${'x'.repeat(300)}\n{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":"no"}}\n`,
      '[{"jsonrpc":"2.0","id":1,"result":{}}]\n\n\r\n\ufeff{}\n{"id":"a"',
    ),
    ...linesOf('mcpd-own', /child-messages\.jsonl$/),
  ],
  words: [
    '\n',
    '\r',
    '\r\n',
    '\u2028',
    '\u0085',
    '\ufeff',
    '{"jsonrpc":"2.0","id":1,"result":{}}\n',
    '"id":',
    '\0',
  ],
  bytesMax: 2048,
  run: (input) => {
    const whole = linesIn([input]);
    const dice = new Dice(input.length * 31 + (input[0] ?? 0));
    const chunks: Buffer[] = [];
    for (let at = 0; at < input.length;) {
      const size = 1 + dice.upTo(dice.is(0.5) ? 2 : 90);
      chunks.push(input.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(linesIn(chunks), whole);
    // By definition: what stands between line feeds, without one carriage return at its end.
    const parts = input.toString('latin1').split('\n');
    if (parts.at(-1) === '') parts.pop();
    const expected = parts
      .map((it) => it.replace(/\r$/, ''))
      .map((it) => (it.length > lineBytesMax ? 'overlong' : it));
    assert.deepEqual(
      whole.filter((it) => it !== ''),
      expected.filter((it) => it !== ''),
    );
    for (const line of whole) {
      const read = readLine(Buffer.from(line, 'latin1'), bounds);
      assert.ok(typeof read.kind === 'string');
    }
  },
};

function linesIn(chunks: readonly Buffer[]): string[] {
  const seen: string[] = [];
  const lines = new Lines(lineBytesMax, {
    line: (bytes) => seen.push(bytes.toString('latin1')),
    overlong: () => seen.push('overlong'),
  });
  for (const chunk of chunks) lines.feed(chunk);
  lines.end();
  return seen;
}
