/** Something in a file that its owner has to mend, or (a warning) may want to. */
export type Complaint = {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly what: string;
  /** Empty where `what` says it all. */
  readonly expected: string;
  /** The valid name that what was written comes closest to. */
  readonly nearest?: string;
};

/** One line for a person, in the shape editors and terminals turn into a link. */
export function printComplaint(complaint: Complaint): string {
  const { file, line, column, what, expected, nearest, severity } = complaint;
  const kind = severity === 'warning' ? 'warning: ' : '';
  const wanted = expected === '' ? '' : ` — expected ${expected}`;
  const advice = nearest === undefined ? wanted : ` — did you mean ${quote(nearest)}?`;
  return plain(`${file}:${String(line)}:${String(column)}: ${kind}${what}${advice}`);
}

/** Quotes a word from a file, cut short. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
}

/** The candidate within a few keystrokes of the word, if there is one. */
export function nearestTo(word: string, candidates: readonly string[]): string | undefined {
  const [first] = candidates
    .map((candidate) => ({
      candidate,
      steps: distance(word.slice(0, 64).toLowerCase(), candidate.toLowerCase()),
    }))
    .filter(({ candidate, steps }) => steps <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.steps - b.steps);
  return first?.candidate;
}

/** How many letters must be added, dropped, replaced or swapped with their neighbour. */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1];
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const steps = [(last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1)];
      if (swapped) steps.push((before[j - 2] ?? 0) + 1);
      row.push(Math.min(...steps));
    }
    before = last;
    last = row;
  }
  return last[to.length] ?? 0;
}

// A key or a file name could carry escape sequences that rewrite what a terminal shows above it.
function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');
}
