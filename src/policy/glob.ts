/** What a star may stand for: any run of characters, or any run within one segment of a path. */
export type Star = 'any' | 'segment';

/** A pattern taken apart: the characters between the stars, and the stars by the number of characters before them. */
export type Glob = { readonly literal: string; readonly stars: ReadonlyMap<number, Star> };

const SLASH = 0x2f;

/**
 * A test for a glob that takes time linear in the value, whatever the value is: every state of the pattern is one bit, and
 * each character moves all of them at once. Nothing is ever tried twice, so no value can make it slow.
 */
export function tester(glob: Glob): (value: string) => boolean {
  const { literal, stars } = glob;
  const firstStar = Math.min(literal.length, ...stars.keys());
  const lastStar = Math.max(0, ...stars.keys());
  if (stars.size === 0) return (value) => value === literal;
  const head = literal.slice(0, firstStar);
  const tail = literal.slice(lastStar);
  if (stars.size === 1) {
    // One star: both ends must fit and must not overlap; what is between them belongs to the star.
    const sizeMin = literal.length;
    if (stars.get(firstStar) === 'any') {
      if (tail === '') return (value) => value.startsWith(head);
      if (head === '') return (value) => value.endsWith(tail);
      return (value) => value.length >= sizeMin && value.startsWith(head) && value.endsWith(tail);
    }
    return (value) => {
      if (value.length < sizeMin || !value.startsWith(head) || !value.endsWith(tail)) return false;
      const slash = value.indexOf('/', head.length);
      return slash < 0 || slash >= value.length - tail.length;
    };
  }
  const all = automaton(glob);
  return (value) => value.startsWith(head) && value.endsWith(tail) && all(value);
}

/** Bit `i` of the state means: the first `i` characters of the pattern are matched. A star keeps its bit alive. */
function automaton({ literal, stars }: Glob): (value: string) => boolean {
  const size = literal.length;
  const words = (size >>> 5) + 1;
  const stayOnSlash = new Uint32Array(words);
  const stay = new Uint32Array(words);
  for (const [at, star] of stars) {
    set(stay, at);
    if (star === 'any') set(stayOnSlash, at);
  }
  const steps = new Map<number, Uint32Array>();
  for (let at = 0; at < size; at++) {
    const code = literal.charCodeAt(at);
    const step = steps.get(code) ?? new Uint32Array(words);
    set(step, at);
    steps.set(code, step);
  }
  const nowhere = new Uint32Array(words);
  const state = new Uint32Array(words);
  return (value) => {
    state.fill(0);
    state[0] = 1;
    for (let at = 0; at < value.length; at++) {
      const code = value.charCodeAt(at);
      const step = steps.get(code) ?? nowhere;
      const kept = code === SLASH ? stayOnSlash : stay;
      let carry = 0;
      let alive = 0;
      for (let word = 0; word < words; word++) {
        const now = state[word] ?? 0;
        const moved = now & (step[word] ?? 0);
        const next = (moved << 1) | carry | (now & (kept[word] ?? 0));
        carry = moved >>> 31;
        state[word] = next;
        alive |= next;
      }
      if (alive === 0) return false;
    }
    return (((state[size >>> 5] ?? 0) >>> (size & 31)) & 1) === 1;
  };
}

function set(bits: Uint32Array, at: number): void {
  const word = at >>> 5;
  bits[word] = (bits[word] ?? 0) | (1 << (at & 31));
}
