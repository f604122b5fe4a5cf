import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Errand, Opened, Report } from './errand.ts';
import type { Slice } from './slice.ts';

const openWithinMs = 90_000;
const closeWithinMs = 5_000;
const beyondSliceMs = 30_000;

/** The driver process, seen from outside. Every errand has an end: rejects when the driver fails, dies or is late. */
export class DriverLink {
  readonly #process: ChildProcess;
  #lost: string | undefined;

  constructor() {
    this.#process = fork(fileURLToPath(new URL('./driver.ts', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async open(errand: Omit<Extract<Errand, { do: 'open' }>, 'do'>): Promise<Opened> {
    const report = await this.#send({ do: 'open', ...errand }, openWithinMs);
    if (report.kind !== 'opened') throw new Error(failure(report));
    return report.opened;
  }

  async slice(target: string, forMs: number): Promise<Slice> {
    const report = await this.#send({ do: 'slice', target, forMs }, forMs + beyondSliceMs);
    if (report.kind !== 'slice') throw new Error(failure(report));
    return report.slice;
  }

  /** Closes every session and ends the echo child. */
  async close(): Promise<void> {
    await this.#send({ do: 'close' }, closeWithinMs);
  }

  end(): void {
    if (this.#lost !== undefined) this.#process.kill('SIGKILL');
    else if (this.#process.connected) this.#process.disconnect();
  }

  #send(errand: Errand, withinMs: number): Promise<Report> {
    if (this.#lost !== undefined) return Promise.reject(new Error(this.#lost));
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(late);
        this.#process.off('message', hear);
        this.#process.off('exit', lost);
        end();
      };
      const hear = (report: Report): void => settle(() => resolve(report));
      // From then on its reports could belong to another errand, so it is given none.
      const lose = (why: string): void => {
        this.#lost = why;
        settle(() => reject(new Error(why)));
      };
      const lost = (): void => lose('the driver died');
      const late = setTimeout(() => lose(`the driver took longer than ${String(withinMs)} ms`), withinMs);
      this.#process.on('message', hear);
      this.#process.on('exit', lost);
      this.#process.send(errand);
    });
  }
}

function failure(report: Report): string {
  return report.kind === 'failed' ? report.reason : `the driver reported "${report.kind}"`;
}
