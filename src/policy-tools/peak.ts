const spanMs = 60_000;

/**
 * The most that happened within a minute. Counts whole minutes and takes two neighbours together, so it may say up to twice
 * as much as there was, and never less; it remembers two numbers and not the times.
 */
export class Peak {
  #minute = Number.NEGATIVE_INFINITY;
  #now = 0;
  #before = 0;
  #most = 0;

  get perMinute(): number {
    return this.#most;
  }

  add(atMs: number): void {
    const minute = Math.floor(atMs / spanMs);
    if (minute > this.#minute) {
      this.#before = minute === this.#minute + 1 ? this.#now : 0;
      this.#now = 0;
      this.#minute = minute;
    }
    // A record that is a little out of order counts for the current minute: more rather than less.
    this.#now++;
    this.#most = Math.max(this.#most, this.#before + this.#now);
  }
}

/** The next number that a person would write: 1, 2, 5, 10, 20, 50, … */
export function roundUp(count: number): number {
  for (let unit = 1; unit < 1e9; unit *= 10)
    for (const step of [1, 2, 5]) if (unit * step >= count) return unit * step;
  return 1e9;
}
