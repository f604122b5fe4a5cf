const perMinuteMax = 30;
const spanMs = 60_000;

/** What to do about one more stranger: whether to write it down, and how many before it were not. */
export type Knock = { readonly record: boolean; readonly unrecorded: number };

/** Keeps a stranger from filling the disk: so many records a minute, then only a count, told with the next record. */
export class Knocks {
  #sinceMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #unrecorded = 0;

  count(nowMs: number): Knock {
    if (nowMs - this.#sinceMs >= spanMs) {
      this.#sinceMs = nowMs;
      this.#written = 0;
    }
    if (this.#written >= perMinuteMax) {
      this.#unrecorded++;
      return { record: false, unrecorded: 0 };
    }
    this.#written++;
    const unrecorded = this.#unrecorded;
    this.#unrecorded = 0;
    return { record: true, unrecorded };
  }
}
