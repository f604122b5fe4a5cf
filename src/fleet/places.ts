/** Places for the children of one server. A child has one from before it is started until it is gone. */
export class Places {
  readonly #max: number;
  /** Children that count, and were started by others. */
  readonly #elsewhere: () => number;
  #taken = 0;

  constructor(max: number, elsewhere: () => number) {
    this.#max = max;
    this.#elsewhere = elsewhere;
  }

  get max(): number {
    return this.#max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Others have started more children than there were places left. */
  get overfull(): boolean {
    return this.#taken + this.#elsewhere() > this.#max;
  }

  /** False: all places are taken. */
  take(): boolean {
    if (this.#taken + this.#elsewhere() >= this.#max) return false;
    this.#taken++;
    return true;
  }

  giveBack(): void {
    this.#taken--;
  }
}
