/** Spans of which the worst is remembered: the last minute, in pieces. */
const piecesMax = 6;
const pieceMs = 10_000;
/** In a row, before something that was late is trusted again. */
const calmTicks = 2;

/**
 * How late the event loop is. Whatever waits for it, waits as long: beyond `lagMs` everything new would be late as well, and
 * make the rest later. It is over only when it was well below that for a while, so that the door does not open and shut with
 * every other tick. Times are steady milliseconds, handed in.
 */
export class Lateness {
  readonly tickMs: number;
  readonly #lagMs: number;
  /** The worst of each piece of the last minute, the newest last. */
  readonly #worst: number[] = [0];
  #pieceSince: number;
  #last: number;
  #isLate = false;
  #calm = 0;

  constructor(lagMs: number, nowMs: number) {
    this.#lagMs = lagMs;
    this.tickMs = Math.max(10, Math.min(250, lagMs / 4));
    this.#last = nowMs;
    this.#pieceSince = nowMs;
  }

  get isLate(): boolean {
    return this.#isLate;
  }

  /** The worst of about the last minute. */
  get worstMs(): number {
    return Math.max(...this.#worst);
  }

  /** Called every `tickMs`, or as soon after as can be. `turned`: it is late now, or not any more, and was not before. */
  tick(nowMs: number): 'same' | 'turned' {
    const lateMs = Math.max(0, nowMs - this.#last - this.tickMs);
    this.#last = nowMs;
    this.#note(lateMs, nowMs);
    const before = this.#isLate;
    this.#calm = lateMs < this.#lagMs / 2 ? this.#calm + 1 : 0;
    if (lateMs > this.#lagMs) this.#isLate = true;
    else if (this.#calm >= calmTicks) this.#isLate = false;
    return this.#isLate === before ? 'same' : 'turned';
  }

  #note(lateMs: number, nowMs: number): void {
    if (nowMs - this.#pieceSince >= pieceMs) {
      this.#pieceSince = nowMs;
      this.#worst.push(0);
      if (this.#worst.length > piecesMax) this.#worst.shift();
    }
    const at = this.#worst.length - 1;
    this.#worst[at] = Math.max(this.#worst[at] ?? 0, lateMs);
  }
}
