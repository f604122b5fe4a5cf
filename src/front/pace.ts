/** Begun in one turn of the event loop, at most. Their records and their lines to a child are still one write each. */
const inATurn = 64;

/**
 * Has no more than so many requests begin in one turn of the event loop; the others begin in the next turns, in the order they
 * came. When a thousand come at once, what is on its way back, an operator's command and the timers do not wait for all of them.
 * And fewer are half done at any moment, which is less for the collector to carry from one small collection to the next.
 *
 * Only for requests that count for a caller already (`Stay.of`): one caller's burst would otherwise wait here in places that are
 * nobody's yet, and take those of everybody. So `Admission` bounds how many wait, of all and of each.
 */
export class Pace {
  readonly #inATurn: number;
  #line: (() => void)[] = [];
  #begun = 0;
  #isTurning = false;

  constructor(most = inATurn) {
    this.#inATurn = most;
  }

  /** Who waits for their turn. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Undefined: it may begin now. */
  turn(): Promise<void> | undefined {
    this.#keepTurning();
    if (this.#begun < this.#inATurn && this.#line.length === 0) {
      this.#begun++;
      return undefined;
    }
    return new Promise((resolve) => this.#line.push(resolve));
  }

  #keepTurning(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#isTurning = false;
    const due = this.#line.slice(0, this.#inATurn);
    this.#line = this.#line.slice(due.length);
    this.#begun = due.length;
    if (due.length > 0) this.#keepTurning();
    for (const begin of due) begin();
  }
}
