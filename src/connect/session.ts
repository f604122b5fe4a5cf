import { setTimeout as pause } from 'node:timers/promises';
import { send, type Headers, type HttpReply, type Upstream } from './wire.ts';

/** Where a stream stopped, and when to come back for the rest (2025-11-25 basic/transports, resumability). */
export type Mark = { id: string | undefined; retryMs: number };

export const fresh = (): Mark => ({ id: undefined, retryMs: 1_000 });

export type SessionParts = {
  readonly upstream: Upstream;
  /** The session's id; undefined where the daemon gave none. */
  readonly id: string | undefined;
  /** What was agreed in `initialize`. */
  readonly revision: string;
  /** Passes on every message of a stream, and moves the mark along. Rejects when the stream breaks off. */
  readonly listen: (reply: HttpReply, mark: Mark) => Promise<void>;
};

/** Who may not have a standing stream: not with this key, not in this session, not of this daemon. */
const refusedForGood: ReadonlySet<number> = new Set([401, 404, 405]);
/** Between two tries for a standing stream, twice as long each time: a daemon that starts anew should find its feet. */
const firstBackOffMs = 1_000;
const backOffMsMax = 30_000;
const endWithinMs = 1_000;

/** A legacy client's standing conversation with the daemon: begun by `initialize`, ended by DELETE. */
export class LegacySession {
  readonly headers: Headers;
  readonly #parts: SessionParts;
  readonly #over = new AbortController();
  #stands = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.headers = {
      'mcp-protocol-version': parts.revision,
      ...(parts.id === undefined ? {} : { 'mcp-session-id': parts.id }),
    };
  }

  /** Opens the session's own stream, on which a server says what belongs to no request. Once; ends with the session. */
  stand(): void {
    if (this.#stands || this.#parts.id === undefined) return;
    this.#stands = true;
    // It rejects when the session is over, and nobody misses it then.
    this.#hold().catch(() => undefined);
  }

  /** The rest of a stream that stopped at a mark. Rejects with a `Trouble`. */
  open(mark: Mark, signal: AbortSignal): Promise<HttpReply> {
    const after: Headers = mark.id === undefined ? {} : { 'last-event-id': mark.id };
    const headers = { accept: 'text/event-stream', ...this.headers, ...after };
    return send(this.#parts.upstream, 'GET', headers, undefined, signal).reply;
  }

  /** Tells the daemon that the conversation is over, so that the child behind it can stop. Never rejects. */
  async end(): Promise<void> {
    this.#over.abort();
    if (this.#parts.id === undefined) return;
    const signal = AbortSignal.timeout(endWithinMs);
    // A daemon that is gone, or has ended the session itself, has nothing left to be told.
    await send(this.#parts.upstream, 'DELETE', this.headers, undefined, signal).reply.catch(() => undefined);
  }

  /**
   * Until the session is over. A daemon that is away may come back with its sessions (`resume = true`), and one with too much
   * to do has less to do later; a client that lost this stream meanwhile would not know what it is not told.
   */
  async #hold(): Promise<void> {
    const mark = fresh();
    const { signal } = this.#over;
    for (let backOffMs = firstBackOffMs; ;) {
      const reply = await this.open(mark, signal).catch(() => undefined);
      let waitMs = Math.max(backOffMs, reply?.comeBackInMs ?? 0);
      if (reply?.status === 200 && reply.isStream) {
        // Broken off is as good as ended: whether there is more is found out by asking again.
        await this.#parts.listen(reply, mark).catch(() => undefined);
        waitMs = mark.retryMs;
        backOffMs = firstBackOffMs;
      } else {
        reply?.drop();
        if (reply !== undefined && isForGood(reply.status, mark)) return;
        // The place where it stopped is not known any more; what comes from now on can be had all the same.
        if (reply?.status === 400) mark.id = undefined;
        backOffMs = Math.min(backOffMs * 2, backOffMsMax);
      }
      await pause(waitMs, undefined, { signal, ref: false });
    }
  }
}

function isForGood(status: number, { id }: Mark): boolean {
  return refusedForGood.has(status) || (status === 400 && id === undefined);
}
