import type { Resources } from '../domain/wall.ts';
import type { Use } from './tree.ts';

/** How often a child is looked at; the first time soon, because what wants to get away does so when it starts. */
const lookEveryMs = 1_000;
const firstLookInMs = 100;
/** With a thousand processes a look takes 35 ms, in which nobody is served: then looks are rarer, but not rare. */
const restPerLook = 30;
const lookEveryMsMax = 5_000;

/**
 * Watches what a child uses and says once when it is too much. The kernel's own limits are for one process each, and one that
 * counts memory as V8 reserves it would end every program in JavaScript.
 */
export class Appetite {
  readonly #limits: Resources;
  readonly #tooMuch: (why: string) => void;
  #timer: NodeJS.Timeout | undefined;
  readonly #asked: () => number;
  #written = 0;
  /** Bytes of answers that somebody waited for, at the beginning of the span. */
  #askedBefore = 0;
  /** Steady milliseconds, at the beginning of the span in which is counted. */
  #since: number;

  /** `asked`: how many bytes of answers somebody waited for so far. */
  constructor(limits: Resources, steadyMs: number, asked: () => number, tooMuch: (why: string) => void) {
    this.#limits = limits;
    this.#asked = asked;
    this.#since = steadyMs;
    this.#tooMuch = tooMuch;
  }

  /** Looks from now on, until it was too much or `end`. `look` is told after how many processes it need not go on. */
  watch(look: (processesMax: number) => Use | undefined, inMs = firstLookInMs): void {
    this.#timer = setTimeout(() => {
      const from = performance.now();
      const use = look(this.#limits.processesMax);
      const why = use === undefined ? undefined : excess(use, this.#limits);
      if (why !== undefined) return this.#tooMuch(why);
      const rest = (performance.now() - from) * restPerLook;
      this.watch(look, Math.min(lookEveryMsMax, Math.max(lookEveryMs, rest)));
    }, inMs).unref();
  }

  /**
   * Counts output that nobody asked for: an addition for each chunk, and a look at the clock only when a span's worth is
   * full. So up to twice as much may come across the border of two spans. Answers are bounded by the calls that want them:
   * a child that is asked for a gigabyte a second is busy, and not faulty.
   */
  wrote(bytes: number, steadyMs: () => number): void {
    this.#written += bytes;
    const { bytesMax, perMs } = this.#limits.output;
    if (this.#written <= bytesMax) return;
    const asked = this.#asked();
    this.#written = Math.max(bytes, this.#written - (asked - this.#askedBefore));
    this.#askedBefore = asked;
    // An answer that is still on its way is not known for one yet.
    if (this.#written <= bytesMax) return;
    const now = steadyMs();
    const within = now - this.#since;
    [this.#since, this.#written] = [now, bytes];
    if (within < perMs || bytes > bytesMax)
      this.#tooMuch(
        `wrote more than ${bytesMax} bytes in ${Math.round(Math.min(within, perMs))} ms (output_max)`,
      );
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** What is too much, if anything. */
export function excess(use: Use, limits: Resources): string | undefined {
  const { memoryBytesMax, processesMax, cpuMsMax } = limits;
  if (use.memoryBytes > memoryBytesMax)
    return `used ${mebibytes(use.memoryBytes)} of memory, and may use ${mebibytes(memoryBytesMax)} (memory_max)`;
  if (use.processes > processesMax)
    return `ran ${use.processes} processes and threads, and may run ${processesMax} (processes_max)`;
  if (use.cpuMs > cpuMsMax)
    return `used ${Math.round(use.cpuMs / 1000)} s of processor time, and may use ${Math.round(cpuMsMax / 1000)} s (cpu_max)`;
  return undefined;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
