import { detectors } from './detectors.ts';
import { inBase64, inHex, inPercent } from './encoded.ts';
import { endsEscape } from './escapes.ts';
import { base64Interior, formsOf, percentAll, toBase64Url } from './encodings.ts';
import type { Meaning } from './hunt.ts';
import { charset, isIn, type Runs } from './runs.ts';
import { literalCharsMin, type Entry } from './scanner.ts';
import type { Span } from './shapes.ts';
import { isWindowed } from './windows.ts';

/** Everything that is searched for. `raw`: in text that is not JSON, values stand as they are too. */
export function meanings(secrets: readonly string[], raw: boolean): readonly Entry<Meaning>[] {
  return [...fromDetectors, ...secrets.flatMap((secret) => fromSecret(secret, raw))];
}

function fromSecret(secret: string, raw: boolean): Entry<Meaning>[] {
  return formsOf(secret, raw).map(({ text: literal, edge }) => ({
    literal,
    meaning: { name: 'secret', find: edge ? withEdges : exactly },
    windowed: isWindowed(literal),
  }));
}

function exactly(_runs: Runs, at: number, literal: string): Span {
  return { from: at, to: at + literal.length };
}

/** In base64 the character on either side holds some bits of the secret too. */
function withEdges({ text }: Runs, at: number, literal: string): Span {
  const end = at + literal.length;
  return {
    // Not the `n` of a `\n`: a hit that cuts an escape is none, and the value would stay.
    from: isIn(text, at - 1, charset.base64) && !endsEscape(text, at) ? at - 1 : at,
    to: isIn(text, end, charset.base64) ? end + 1 : end,
  };
}

/** Their secrets hold blanks or any characters at all, so they are no long runs. */
const anywhere = new Set(['private-key', 'url-password']);

const fromDetectors: readonly Entry<Meaning>[] = detectors.flatMap(({ name, literals, shape, encoded }) =>
  literals.flatMap((literal) => {
    const plain: Entry<Meaning> = { literal, meaning: { name, find: shape }, windowed: !anywhere.has(name) };
    if (!encoded) return [plain];
    const bytes = Buffer.from(literal);
    const hex = bytes.toString('hex');
    const percent = percentAll(bytes);
    const found = new Map<string, Meaning>();
    for (const before of [0, 1, 2] as const) {
      const look = inBase64(literal, before, shape);
      const interior = base64Interior(bytes, before);
      for (const it of [interior, toBase64Url(interior)])
        found.set(it, { name, find: (runs, at, _literal, budget) => look(runs, at, budget) });
    }
    for (const it of [hex, hex.toUpperCase()]) {
      const look = inHex(literal, shape);
      found.set(it, { name, find: (runs, at, _literal, budget) => look(runs, at, budget) });
    }
    for (const it of [percent, percent.toUpperCase()]) {
      const look = inPercent(literal, shape);
      found.set(it, { name, find: (runs, at, _literal, budget) => look(runs, at, budget) });
    }
    const others = [...found].filter(([it]) => it.length >= literalCharsMin);
    return [plain, ...others.map(([it, meaning]) => ({ literal: it, meaning, windowed: true }))];
  }),
);
