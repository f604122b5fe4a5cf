/** A wall clock that a test can move under a running daemon (Debian package faketime). Monotonic time is left alone, as on a real host. */
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const library = globSync('/usr/lib/*/faketime/libfaketime.so.1')[0];

/** Why the clock cannot be moved here; false when it can. */
export const unmovable: string | false =
  library === undefined ? 'needs libfaketime (Debian package faketime)' : false;

export class FalseClock {
  readonly #file: string;

  constructor(dir: string) {
    this.#file = join(dir, 'clock');
    this.move(0);
  }

  /** For the daemon alone: whoever judges it goes by the true time. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      // Files keep the times that the disk gave them; only the clock is wrong.
      NO_FAKE_STAT: '1',
    };
  }

  /** From now on the clock is so far from the true time. */
  move(seconds: number): void {
    writeFileSync(this.#file, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`);
  }
}
