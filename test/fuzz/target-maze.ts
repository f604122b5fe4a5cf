import type { Target } from './engine.ts';

/** Four doors, one behind the other: chance alone would need 2^32 tries, and whoever sees a door open needs few. */
export const maze: Target = {
  name: 'maze',
  covers: /\/fuzz\/target-maze\.ts$/,
  seeds: () => [Buffer.from('aaaa')],
  words: [],
  bytesMax: 64,
  run: (input) => through(input.toString('latin1')),
};

function through(text: string): void {
  if (text[0] !== '\n') return;
  if (text[1] !== '"') return;
  if (text[2] !== '\\') return;
  if (text[3] !== '\x7f') return;
  throw new Error('the last door');
}
