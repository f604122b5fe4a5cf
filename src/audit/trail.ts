import type { Arrival, Call } from '../domain/call.ts';
import type { Principal, Session } from '../domain/caller.ts';
import type { Clock } from '../domain/clock.ts';
import type { Decision } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import type { Orders } from '../domain/orders.ts';
import type { Outcome } from '../domain/outcome.ts';
import { Pass, type Grounds } from '../domain/pass.ts';
import { printableJson } from '../domain/printable.ts';
import type { Upcall } from '../domain/upstream.ts';
import {
  about,
  commandEntry,
  intentEntry,
  signInsEntry,
  upcallEntry,
  type CommandRecord,
  type Described,
  type Facts,
} from './entry.ts';
import { outsideText, type Outside, type Redact } from './outside.ts';
import { outcomeText, resultPayload } from './result.ts';
import type { Scribe } from './scribe.ts';
import { SignIns } from './sign-ins.ts';

export type AuditParts = {
  readonly scribe: Scribe;
  readonly clock: Clock;
  readonly redact: Redact;
  /** The version of a server, and the digest of a tool's definition, as the fleet last saw them. */
  readonly describe: (server: string, tool: string | undefined) => Described;
  /** Undefined for a server that does not exist: its payloads are not kept. */
  readonly policyOf: (server: string) => { readonly recordPayloads: boolean } | undefined;
};

/** Where every call is put on record. */
export class Audit {
  readonly #parts: AuditParts;
  readonly #pen: Pen;
  readonly #signIns = new SignIns();
  #signInsEndMs = Infinity;

  constructor(parts: AuditParts) {
    this.#parts = parts;
    this.#pen = new Pen(parts);
  }

  get healthy(): boolean {
    return this.#parts.scribe.healthy;
  }

  /** Throws `AUDIT_UNAVAILABLE` when the journal cannot be written. */
  readonly open = (arrival: Arrival): CallTrail => {
    this.#parts.scribe.mustBeReady();
    if (this.#parts.clock.steadyMs() >= this.#signInsEndMs) this.#endSignIns(this.#parts.clock.steadyMs());
    return new CallTrail(arrival, this.#parts, this.#pen, this.#mayWriteSignIn);
  };

  /** A decision about a message from a server. Throws like `open`. */
  readonly upcall = (
    upcall: Upcall,
    session: Session,
    decision: Decision,
    ordersVersion: string,
    asked: boolean,
  ): void => {
    this.#parts.scribe.mustBeReady();
    this.#pen.note(
      upcallEntry(upcall, session, decision, ordersVersion, asked, this.#pen.time(), this.#pen.outside),
    );
  };

  /** Resolves when the command is written. When it rejects, the record is kept and written once the journal works. */
  readonly command = (record: CommandRecord): Promise<void> => {
    this.#pen.note(commandEntry(record, this.#pen.time(), this.#pen.outside));
    return this.#parts.scribe.flush();
  };

  /** Everything said so far is written when this resolves. */
  readonly flush = (): Promise<void> => this.#parts.scribe.flush();

  /** Writes what is left; later calls are refused. */
  readonly close = (): Promise<void> => {
    this.#endSignIns(Infinity);
    return this.#parts.scribe.close();
  };

  readonly #mayWriteSignIn = (remote: string): boolean => {
    const now = this.#parts.clock.steadyMs();
    const verdict = this.#signIns.count(remote, now, this.#parts.clock.wallMs());
    this.#signInsEndMs = this.#signIns.nextEndMs();
    return verdict === 'write';
  };

  #endSignIns(nowMs: number): void {
    for (const { remote, count, sinceMs } of this.#signIns.takeEnded(nowMs)) {
      this.#pen.note(signInsEntry(remote, count, sinceMs, this.#pen.time(), this.#pen.outside));
    }
    this.#signInsEndMs = this.#signIns.nextEndMs();
  }
}

/** The record of one call. */
export class CallTrail {
  readonly #arrival: Arrival;
  readonly #parts: AuditParts;
  readonly #pen: Pen;
  readonly #mayWriteSignIn: (remote: string) => boolean;
  readonly #openedMs: number;
  #principal: Principal | undefined;
  #call: Call | undefined;
  #decision: Decision | undefined;
  #ordersVersion: string | undefined;
  #stage: 'open' | 'committing' | 'committed' | 'closed' = 'open';

  constructor(arrival: Arrival, parts: AuditParts, pen: Pen, mayWriteSignIn: (remote: string) => boolean) {
    this.#arrival = arrival;
    this.#parts = parts;
    this.#pen = pen;
    this.#mayWriteSignIn = mayWriteSignIn;
    this.#openedMs = parts.clock.steadyMs();
  }

  identified(principal: Principal): void {
    this.#principal = principal;
  }

  named(call: Call): void {
    this.#call = call;
  }

  decided(decision: Decision, orders: Pick<Orders, 'version'>): void {
    this.#decision = decision;
    this.#ordersVersion = orders.version;
  }

  /** Writes the intent down and issues the pass. Rejects with `AUDIT_UNAVAILABLE`, and then there is no pass. */
  async commit(grounds: Grounds): Promise<Pass> {
    // Leave for another call than the one on this record would be leave for a call that nobody judged.
    if (this.#stage !== 'open' || grounds.call !== this.#call || grounds.permit !== this.#decision) {
      throw new Fault('BUG', { detail: 'grounds that do not belong to this trail, or a second commit' });
    }
    this.#stage = 'committing';
    this.#ordersVersion = grounds.ordersVersion;
    const facts = this.#facts();
    await this.#parts.scribe.append(
      this.#pen.finish(intentEntry(facts, grounds.approval.by, this.#pen.time(), this.#pen.outside)),
    );
    if (this.#stage !== 'committing')
      throw new Fault('BUG', { detail: 'the trail was closed before its intent was written' });
    this.#stage = 'committed';
    return Pass.issue(grounds);
  }

  /** Writes how it ended. Never throws; a second close says nothing. */
  close(outcome: Outcome): void {
    const committed = this.#stage === 'committed';
    if (this.#stage === 'closed') return;
    this.#stage = 'closed';
    if (outcome.kind === 'failed' && outcome.fault.code === 'UNAUTHENTICATED') {
      if (!this.#mayWriteSignIn(this.#arrival.remote)) return;
    }
    const { outside } = this.#pen;
    const which = committed
      ? `,"id":${JSON.stringify(this.#arrival.id)},"committed":true`
      : about(this.#facts(), undefined, outside);
    const tookMs = Math.round((this.#parts.clock.steadyMs() - this.#openedMs) * 1000) / 1000;
    const line = `{"kind":"outcome","time":"${this.#pen.time()}"${which}${outcomeText(outcome, this.#call, outside)},"durationMs":${tookMs}}`;
    this.#pen.note(line, this.#withPayload() ? resultPayload(outcome) : '');
  }

  #facts(): Facts {
    const { server } = this.#arrival;
    const target = this.#call?.target;
    return {
      arrival: this.#arrival,
      principal: this.#principal,
      call: this.#call,
      described:
        this.#call === undefined
          ? {}
          : this.#parts.describe(server, target?.kind === 'tool' ? target.name : undefined),
      decision: this.#decision,
      ordersVersion: this.#ordersVersion,
      withPayload: this.#withPayload(),
    };
  }

  /** Only for a known caller: the payload of a stranger is not worth the disk. */
  #withPayload(): boolean {
    return this.#call !== undefined && this.#parts.policyOf(this.#arrival.server)?.recordPayloads === true;
  }
}

/** Makes finished lines. */
class Pen {
  readonly outside: Outside;
  readonly #scribe: Scribe;
  readonly #clock: Clock;
  readonly #redact: Redact;
  #timeMs = Number.NaN;
  #time = '';

  constructor({ scribe, clock, redact }: AuditParts) {
    this.#scribe = scribe;
    this.#clock = clock;
    this.#redact = redact;
    this.outside = outsideText(redact);
  }

  /** Now. Many records share a millisecond, and wording one costs a tenth of a record. */
  time(): string {
    const now = this.#clock.wallMs();
    if (now !== this.#timeMs) {
      this.#timeMs = now;
      this.#time = new Date(now).toISOString();
    }
    return this.#time;
  }

  /** Redacted, one line, and nothing in it that a terminal or a line splitter would obey (log injection, CWE-117). */
  finish(line: string, redacted = ''): string {
    const clean = this.#redact(line);
    return printableJson(redacted === '' ? clean : `${clean.slice(0, -1)}${redacted}}`);
  }

  note(line: string, redacted = ''): void {
    this.#scribe.note(this.finish(line, redacted));
  }
}
