import type { OverloadTerms } from '../domain/care.ts';
import { Admission, type TurnedAwayCounts } from './admission.ts';
import { Connections } from './connections.ts';
import { descriptorsFor } from './descriptors.ts';
import { Lateness } from './lateness.ts';
import { Pace } from './pace.ts';

export type PressureParts = {
  readonly terms: OverloadTerms;
  /** For how long a reader may take nothing of what it is told. */
  readonly readWithinMs: number;
  /** Children that are expected: each has pipes to us. */
  readonly children: number;
  readonly steadyMs: () => number;
  readonly random: () => number;
  readonly log?: PressureLog | undefined;
};

export type PressureLog = (
  level: 'info' | 'warn',
  fields: Readonly<Record<string, unknown>>,
  message: string,
) => void;

/** How much is under way, and what was turned away since the start. For `ctl status`; the shape is a promise. */
export type PressureReport = {
  readonly requests: number;
  readonly streams: number;
  readonly bodyBytes: number;
  readonly connections: number;
  readonly connectionsMax: number;
  /** The worst that the event loop was late in about the last minute. */
  readonly lateMs: number;
  /** Whether everything new is turned away for now. */
  readonly isLate: boolean;
  /** `connections`: told so, or not even taken. */
  readonly turnedAway: Readonly<TurnedAwayCounts>;
  /** Connections that were ended: they lay idle when there was no room, or did not read. */
  readonly letGo: { readonly idle: number; readonly slowReaders: number };
};

/** How many slow readers may have as much unread as one may have. */
const fullReadersMax = 32;
const lookEveryMs = 500;
const tellEveryMs = 10_000;

/** What keeps too much from coming in: who may come in, on which connections, and whether mcpd keeps up. */
export class Pressure {
  readonly admission: Admission;
  readonly connections: Connections;
  readonly pace = new Pace();
  readonly unreadBytesMax: number;
  readonly #parts: PressureParts;
  readonly #lateness: Lateness;
  readonly #timer: NodeJS.Timeout;
  #lookedMs: number;
  #toldMs: number;
  #told = 0;

  constructor(parts: PressureParts) {
    const { terms, readWithinMs, children, steadyMs, random } = parts;
    this.#parts = parts;
    this.#lookedMs = this.#toldMs = steadyMs();
    const lateness = new Lateness(terms.lagMs, this.#lookedMs);
    this.#lateness = lateness;
    this.admission = new Admission({ terms, random, isLate: () => lateness.isLate });
    const { connectionsMax, descriptorMax, limit } = descriptorsFor(terms.connectionsMax, children);
    this.connections = new Connections({
      connectionsMax,
      descriptorMax,
      readWithinMs,
      allUnreadBytesMax: terms.unreadBytesMax * fullReadersMax,
    });
    this.unreadBytesMax = terms.unreadBytesMax;
    if (connectionsMax < terms.connectionsMax)
      parts.log?.(
        'warn',
        { connections: connectionsMax, wanted: terms.connectionsMax, openFiles: limit },
        'the system lets mcpd have fewer files open than overload.connections_max needs; raise it: ulimit -n, or LimitNOFILE=',
      );
    this.#timer = setInterval(() => this.#tick(), lateness.tickMs).unref();
  }

  report(): PressureReport {
    const { admission, connections } = this;
    return {
      requests: admission.requests,
      streams: admission.streams,
      bodyBytes: admission.bodyBytes,
      connections: connections.count,
      connectionsMax: connections.max,
      lateMs: Math.round(this.#lateness.worstMs),
      isLate: this.#lateness.isLate,
      turnedAway: {
        ...admission.turnedAway,
        connections: admission.turnedAway.connections + connections.refused,
      },
      letGo: { idle: connections.evicted, slowReaders: connections.slowReaders },
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = this.#parts.steadyMs();
    if (this.#lateness.tick(nowMs) === 'turned') this.#tellLateness();
    if (nowMs - this.#lookedMs >= lookEveryMs) {
      this.#lookedMs = nowMs;
      this.connections.look(nowMs);
    }
    if (nowMs - this.#toldMs >= tellEveryMs) this.#tellTurnedAway(nowMs);
  }

  #tellLateness(): void {
    if (this.#lateness.isLate)
      this.#parts.log?.(
        'warn',
        { lateMs: Math.round(this.#lateness.worstMs) },
        'mcpd is late; what is new is turned away',
      );
    else this.#parts.log?.('info', {}, 'mcpd keeps up again');
  }

  /** Once for a span, however many there were: a flood must not become a flood of lines. */
  #tellTurnedAway(nowMs: number): void {
    this.#toldMs = nowMs;
    const { turnedAway, letGo } = this.report();
    const all = Object.values(turnedAway).reduce((sum, count) => sum + count, letGo.slowReaders);
    if (all > this.#told)
      this.#parts.log?.(
        'warn',
        { turnedAway, letGo, more: all - this.#told },
        'requests were turned away, or slow readers let go',
      );
    this.#told = all;
  }
}
