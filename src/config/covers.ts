/**
 * Whether everything that the narrow pattern fits is fitted by the wide one. Never wrongly yes; `*` stands for any run of
 * characters in names, and within one segment of a URI, where `**` crosses segments.
 */
export function covers(wide: string, narrow: string, kind: 'name' | 'uri' = 'name'): boolean {
  if (wide === narrow) return true;
  const [head = '', ...rest] = wide.split('*');
  if (rest.length === 0) return false;
  // What stands before the first star and behind the last one can only be taken in by itself.
  if (!narrow.startsWith(head) || !narrow.endsWith(rest.at(-1) ?? '')) return false;
  const [outer, inner] = [steps(wide, kind), steps(narrow, kind)];
  // Which beginnings of the wide pattern can have taken in the narrow one so far. A star of the narrow one is taken in by a
  // star of the wide one that reaches as far, and by nothing else.
  let open = closure(new Set([0]), outer);
  for (const step of inner) {
    const next = new Set<number>();
    for (const at of open) {
      const here = outer[at];
      if (here === undefined) continue;
      if (here === 'far' || (here === 'near' && step !== 'far' && step !== '/')) next.add(at);
      else if (here === step && step !== 'near') next.add(at + 1);
    }
    open = closure(next, outer);
    if (open.size === 0) return false;
  }
  return open.has(outer.length);
}

type Step = string;

function steps(pattern: string, kind: 'name' | 'uri'): readonly Step[] {
  if (kind === 'name') return pattern.split('').map((char) => (char === '*' ? 'far' : char));
  return pattern
    .split(/(\*+)/)
    .flatMap((piece) => (piece.startsWith('*') ? [piece.length > 1 ? 'far' : 'near'] : piece.split('')));
}

/** A star may also stand for nothing. */
function closure(states: ReadonlySet<number>, outer: readonly Step[]): Set<number> {
  const all = new Set(states);
  for (let at of states) {
    while (outer[at] === 'far' || outer[at] === 'near') all.add((at += 1));
  }
  return all;
}
