/**
 * How takes stand in their file: lines of ASCII, the first one names the format. `k` gives a count a short number, with how
 * long its takes count and the digest that names it; `t` says when, and what was added to which counts.
 *
 *     mcpd takes 1
 *     k 1 60000 q1MKE-RZFJgrefm34-uplRM-R6_si3bzqlEqkV0nX5g
 *     t 1767225600000 1:1
 */
export const firstLine = 'mcpd takes 1\n';

export type Take = {
  readonly key: string;
  readonly keepMs: number;
  readonly amount: number;
};

/** `at`: wall clock, whole milliseconds since 1970. */
export type TakeAt = Take & { readonly at: number };

/** Writes takes as lines. Remembers which counts have a number already: one writer for each file. */
export class TakeLines {
  readonly #known = new Map<string, { readonly id: number; keepMs: number }>();

  /** What one call takes: one line, and those before it that name what is new. */
  write(at: number, takes: readonly Take[]): string {
    let names = '';
    let line = `t ${at}`;
    for (const { key, keepMs, amount } of takes) {
      let known = this.#known.get(key);
      if (known === undefined) this.#known.set(key, (known = { id: this.#known.size + 1, keepMs: -1 }));
      if (known.keepMs !== keepMs) {
        known.keepMs = keepMs;
        names += `k ${known.id} ${keepMs} ${key}\n`;
      }
      line += ` ${known.id}:${amount}`;
    }
    return `${names}${line}\n`;
  }

  /** What `write` gave did not reach the file: nothing can be taken as known any more. */
  forget(): void {
    for (const known of this.#known.values()) known.keepMs = -1;
  }
}

const named = /^k ([1-9]\d{0,8}) (\d{1,12}) ([\w-]{1,64}\$?)$/;
const taken = /^t (\d{1,15})((?: [1-9]\d{0,8}:\d{1,16})+)$/;

/**
 * Reads a whole file, oldest first. A last line that has no end is left out: whoever wrote it died before the call went out.
 * Calls `fail`, which throws, with the number of a line that is not as it should be.
 */
export function* readTakes(text: string, fail: (line: number) => never): Generator<TakeAt> {
  const counts = new Map<string, { readonly keepMs: number; readonly key: string }>();
  if (!text.startsWith(firstLine)) fail(1);
  let number = 1;
  let from = firstLine.length;
  for (let end = text.indexOf('\n', from); end >= 0; end = text.indexOf('\n', from)) {
    const line = text.slice(from, end);
    from = end + 1;
    number++;
    const name = named.exec(line);
    if (name !== null) {
      counts.set(name[1] ?? '', { keepMs: Number(name[2]), key: name[3] ?? '' });
      continue;
    }
    const entry = taken.exec(line) ?? fail(number);
    const at = Number(entry[1]);
    for (const part of (entry[2] ?? '').trim().split(' ')) {
      const [id = '', digits] = part.split(':');
      const amount = Number(digits);
      const count = counts.get(id);
      if (count === undefined || !Number.isSafeInteger(amount)) fail(number);
      else yield { ...count, at, amount };
    }
  }
}
