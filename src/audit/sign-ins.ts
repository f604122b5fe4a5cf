import { placeOf } from '../domain/place-of.ts';

/** Failed sign-ins that were not written one by one. `remote`: an address, or a network of which whoever has one has all. */
export type Suppressed = { readonly remote: string; readonly count: number; readonly sinceMs: number };

type Tally = {
  readonly startedMs: number;
  readonly startedWallMs: number;
  written: number;
  suppressed: number;
};

const perMinuteMax = 60;
const spanMs = 60_000;
/** Addresses counted at once; beyond them all others count as one. */
const remotesMax = 4096;
const otherRemotes = '(other addresses)';

/** Keeps a guesser from filling the disk: so many records for an address and minute, then only a count. */
export class SignIns {
  readonly #byRemote = new Map<string, Tally>();

  /** Whether this failed sign-in still gets a record of its own. */
  count(remote: string, nowMs: number, wallMs: number): 'write' | 'suppress' {
    const place = placeOf(remote);
    const key = this.#byRemote.has(place) || this.#byRemote.size < remotesMax ? place : otherRemotes;
    let tally = this.#byRemote.get(key);
    if (tally === undefined) {
      tally = { startedMs: nowMs, startedWallMs: wallMs, written: 0, suppressed: 0 };
      this.#byRemote.set(key, tally);
    }
    if (tally.written < perMinuteMax) {
      tally.written++;
      return 'write';
    }
    tally.suppressed++;
    return 'suppress';
  }

  /** When the oldest minute under count ends; infinity when nothing is counted. */
  nextEndMs(): number {
    for (const tally of this.#byRemote.values()) return tally.startedMs + spanMs;
    return Infinity;
  }

  /** Forgets the minutes that are over, and says what was suppressed in them. `Infinity`: all of them. */
  takeEnded(nowMs: number): readonly Suppressed[] {
    const ended: Suppressed[] = [];
    // In order of their start, because each is put in when it starts.
    for (const [remote, tally] of this.#byRemote) {
      if (nowMs - tally.startedMs < spanMs) break;
      this.#byRemote.delete(remote);
      if (tally.suppressed > 0) ended.push({ remote, count: tally.suppressed, sinceMs: tally.startedWallMs });
    }
    return ended;
  }
}
