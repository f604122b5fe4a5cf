import type { Dice } from '../support/dice.ts';

const numbers = [
  '0',
  '-0',
  '1',
  '-1',
  '1e400',
  '1.0',
  '9007199254740993',
  '18446744073709551616',
  '0x10',
  'NaN',
];
const edges = [0x00, 0x09, 0x0a, 0x0d, 0x1b, 0x20, 0x22, 0x5c, 0x7f, 0x80, 0xc0, 0xe2, 0xed, 0xef, 0xff];

/** A changed copy. `words`: what means something to the target; `other`: an input to take a piece from. */
export function mutate(
  input: Buffer,
  other: Buffer,
  words: readonly string[],
  dice: Dice,
  bytesMax: number,
): Buffer {
  let bytes = input;
  // Cut after each change: what repeats a repetition would otherwise grow beyond all memory.
  for (let times = 1 + dice.upTo(3); times > 0; times--)
    bytes = once(bytes, other, words, dice).subarray(0, bytesMax);
  return bytes;
}

function once(bytes: Buffer, other: Buffer, words: readonly string[], dice: Dice): Buffer {
  const at = dice.upTo(bytes.length);
  const to = Math.min(bytes.length, at + dice.upTo(dice.is(0.8) ? 8 : bytes.length));
  switch (dice.upTo(9)) {
    case 0:
      return spliced(bytes, at, to, '');
    case 1:
      return spliced(bytes, at, at, bytes.subarray(at, to));
    case 2:
      return spliced(bytes, at, to, other.subarray(dice.upTo(other.length)).subarray(0, dice.upTo(64)));
    case 3:
    case 4:
      return spliced(bytes, at, dice.is(0.5) ? at : to, words.length === 0 ? 'a' : dice.one(words));
    case 5:
      return spliced(bytes, at, at + 1, Buffer.from([dice.one(edges)]));
    case 6:
      return spliced(bytes, at, at + 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << dice.upTo(7))]));
    case 7:
      return spliced(bytes, at, to, dice.one(numbers));
    case 8:
      return node(bytes, other, dice);
    default: {
      // The same thing many times: what is linear for one may not be for a thousand.
      const piece = bytes.subarray(at, to);
      return spliced(bytes, at, at, Buffer.concat(Array.from({ length: 2 + dice.upTo(60) }, () => piece)));
    }
  }
}

function spliced(bytes: Buffer, from: number, to: number, piece: Buffer | string): Buffer {
  return Buffer.concat([bytes.subarray(0, from), Buffer.from(piece), bytes.subarray(to)]);
}

/** Changes a JSON text by its structure: one value for another, a member twice, one level more. Other texts stay. */
function node(bytes: Buffer, other: Buffer, dice: Dice): Buffer {
  const places = valuesIn(bytes);
  const others = valuesIn(other);
  if (places.length === 0) return bytes;
  const [from, to] = dice.one(places);
  const value = bytes.subarray(from, to);
  const [otherFrom, otherTo] = others.length === 0 ? [0, 0] : dice.one(others);
  const wrapped: readonly (Buffer | string)[] = [
    other.subarray(otherFrom, otherTo),
    `[${value.toString('latin1')}]`,
    `{"a":${value.toString('latin1')}}`,
    `${value.toString('latin1')},${value.toString('latin1')}`,
    'null',
    '{}',
    '""',
  ];
  return spliced(bytes, from, to, Buffer.from(dice.one(wrapped) as string, 'latin1'));
}

/** Where strings, numbers, words and brackets of a JSON-like text stand; a rough cut is enough to change it. */
function valuesIn(bytes: Buffer): [number, number][] {
  const text = bytes.toString('latin1', 0, 4096);
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|\w+|[[{][^[\]{}]*[\]}]/g)].map((found) => [
    found.index,
    found.index + found[0].length,
  ]);
}
