import { base64Lead } from './encodings.ts';
import { charset, isIn, Runs } from './runs.ts';
import { privateKey, type Shape, type Span } from './shapes.ts';

/** How many candidates may still be decoded in one text. When none is left, a candidate counts as found: fail closed. */
export type Budget = { left: number };

/** As much of a candidate as is decoded to tell whether it is one. */
const windowCharsMax = 1024;
const percentCharsMax = 512;

/** A literal's encoded form stands at `at`: is what it decodes to a secret? Says which encoded stretch to take out. */
export type EncodedShape = (runs: Runs, at: number, budget: Budget) => Span | undefined;

/** In base64 of either alphabet, with 0, 1 or 2 bytes before the literal in its first group. */
export function inBase64(literal: string, before: 0 | 1 | 2, shape: Shape): EncodedShape {
  return (runs, at, budget) => {
    const { text } = runs;
    const group = at - base64Lead[before];
    for (let it = group; it < at; it++) if (!isIn(text, it, charset.base64)) return undefined;
    const end = runs.end(at, charset.base64);
    if (budget.left-- <= 0) return { from: at, to: end };
    // One group more in front shows what stands before the literal.
    const inFront = [4, 3, 2, 1].every((it) => isIn(text, group - it, charset.base64)) ? 3 : 0;
    const start = group - (inFront === 3 ? 4 : 0);
    const decoded = Buffer.from(text.slice(start, Math.min(end, start + windowCharsMax)), 'base64').toString(
      'latin1',
    );
    const span = confirmed(decoded, inFront + before, literal, shape);
    if (span === undefined) return undefined;
    const from = group + Math.floor(((span.from - inFront) * 8) / 6);
    const to = span.to >= decoded.length ? end : group + Math.ceil(((span.to - inFront) * 8) / 6);
    if (to !== end && !(shape === privateKey && end > start + windowCharsMax)) return { from, to };
    return { from, to: padded(text, shape === privateKey ? throughLines(runs, end) : end) };
  };
}

/** In hexadecimal. */
export function inHex(literal: string, shape: Shape): EncodedShape {
  return (runs, at, budget) => {
    const { text } = runs;
    const end = runs.end(at, charset.hex);
    if (budget.left-- <= 0) return { from: at, to: end };
    const inFront = isIn(text, at - 1, charset.hex) && isIn(text, at - 2, charset.hex) ? 1 : 0;
    const start = at - 2 * inFront;
    const decoded = Buffer.from(text.slice(start, Math.min(end, start + windowCharsMax)), 'hex').toString(
      'latin1',
    );
    const span = confirmed(decoded, inFront, literal, shape);
    if (span === undefined) return undefined;
    return { from: start + 2 * span.from, to: span.to >= decoded.length ? end : start + 2 * span.to };
  };
}

/** In percent-encoding, all of it or some. */
export function inPercent(literal: string, shape: Shape): EncodedShape {
  return (runs, at, budget) => {
    if (budget.left-- <= 0) return { from: at, to: at + 3 * literal.length };
    const { text } = runs;
    const characters: string[] = [];
    const places: number[] = [at];
    let to = at;
    for (
      let step = percentStep(text, to);
      step > 0 && to < at + percentCharsMax;
      step = percentStep(text, to)
    ) {
      characters.push(
        step === 3 ? String.fromCharCode(Number.parseInt(text.slice(to + 1, to + 3), 16)) : text.charAt(to),
      );
      to += step;
      places.push(to);
    }
    const span = confirmed(characters.join(''), 0, literal, shape);
    if (span === undefined) return undefined;
    if (span.to < characters.length && !(shape === privateKey && to - at >= percentCharsMax))
      return { from: places[span.from] ?? at, to: places[span.to] ?? to };
    // It may go on beyond what was decoded; what it finds covers the rest, so this is walked once.
    for (let step = percentStep(text, to); step > 0; step = percentStep(text, to)) to += step;
    return { from: places[span.from] ?? at, to };
  };
}

/** How far the next character of a percent-encoded run goes; 0 at its end. */
function percentStep(text: string, at: number): 0 | 1 | 3 {
  if (text[at] === '%') return isIn(text, at + 1, charset.hex) && isIn(text, at + 2, charset.hex) ? 3 : 0;
  return isIn(text, at, charset.token68) ? 1 : 0;
}

function confirmed(decoded: string, at: number, literal: string, shape: Shape): Span | undefined {
  return decoded.startsWith(literal, at) ? shape(new Runs(decoded), at, literal) : undefined;
}

const LINE_END = /(?:\\+[rn]|[\r\n])+/y;

/** A key file in base64 comes in lines (`base64 key.pem`): takes the lines that follow, to the first short one. */
function throughLines(runs: Runs, end: number): number {
  let to = end;
  for (;;) {
    LINE_END.lastIndex = to;
    if (!LINE_END.test(runs.text)) return to;
    const from = LINE_END.lastIndex;
    const next = runs.end(from, charset.base64);
    if (next === from) return to;
    to = next;
    if (next - from < 60) return to;
  }
}

function padded(text: string, end: number): number {
  let to = end;
  while (to < end + 2 && text[to] === '=') to++;
  return to;
}
