import type { Arrival, Call } from '../domain/call.ts';
import type { Principal, Session } from '../domain/caller.ts';
import type { Durability } from '../domain/care.ts';
import type { Clock } from '../domain/clock.ts';
import type { Decision, Finding } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import type { Orders } from '../domain/orders.ts';
import type { Outcome } from '../domain/outcome.ts';
import { Pass, type Grounds } from '../domain/pass.ts';
import type { Upcall } from '../domain/upstream.ts';
import { argumentsText, type ArgumentDigest } from './argument-digest.ts';
import { Found } from './decided.ts';
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
import type { Redact } from './outside.ts';
import { Pen } from './pen.ts';
import { outcomeText, resultPayload } from './result.ts';
import type { Scribe } from './scribe.ts';
import { SignIns } from './sign-ins.ts';

export type AuditParts = {
  readonly scribe: Scribe;
  readonly clock: Clock;
  readonly redact: Redact;
  /** See `OutsideParts`. */
  readonly knows?: (() => number) | undefined;
  /** The version of a server, and the digest of a tool's definition, as the fleet last saw them. */
  readonly describe: (server: string, tool: string | undefined) => Described;
  /** Undefined for a server that does not exist: its payloads are not kept. */
  readonly policyOf: (server: string) => { readonly recordPayloads: boolean } | undefined;
  /** How safe the intent must be before a call goes out. Where nobody says, it is on the disk. */
  readonly durabilityOf?: ((call: Call) => Durability) | undefined;
  /** What stands for the value of an argument. Without it, arguments are on record as resources and payloads only. */
  readonly digest?: ArgumentDigest | undefined;
};

/** Arguments of so many characters have their digests in the intent. Those of larger ones wait for the outcome. */
const digestsAtOnceChars = 4096;

/** Where every call is put on record. */
export class Audit {
  readonly #parts: AuditParts;
  readonly #pen: Pen;
  readonly #signIns = new SignIns();
  #signInsEndMs = Infinity;

  constructor(parts: AuditParts) {
    this.#parts = parts;
    this.#pen = new Pen({ ...parts, note: (line) => parts.scribe.note(line) });
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
  readonly command = (record: CommandRecord, durability: Durability = 'os'): Promise<void> => {
    this.#pen.note(commandEntry(record, this.#pen.time(), this.#pen.outside));
    return this.#parts.scribe.flush(durability);
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
  /** Undefined while nothing was found, which is almost always. */
  #found: Found | undefined;
  /** Intents on record: one for each try. */
  #intents = 0;
  /** A trail whose intent could not be written stays at `committing`: there is no second try at that. */
  #stage: 'open' | 'committing' | 'closed' = 'open';

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

  /** What redaction found, on the way in or out. */
  found(direction: 'in' | 'out', findings: readonly Finding[]): void {
    if (findings.length > 0) (this.#found ??= new Found()).add(direction, findings);
  }

  /**
   * Writes the intent down and issues the pass; once for each try of a call that may be made again. Rejects with
   * `AUDIT_UNAVAILABLE`, and then there is no pass.
   */
  async commit(grounds: Grounds): Promise<Pass> {
    // Leave for another call than the one on this record would be leave for a call that nobody judged.
    const belongs = grounds.call === this.#call && grounds.permit === this.#decision;
    if (this.#stage !== 'open' || !belongs || grounds.attempt !== this.#intents + 1) {
      throw new Fault('BUG', { detail: 'grounds that do not belong to this trail, or a commit out of turn' });
    }
    this.#stage = 'committing';
    this.#ordersVersion = grounds.ordersVersion;
    const granted = { approvedBy: grounds.approval.by, receipt: grounds.receipt, attempt: grounds.attempt };
    // To hash a large argument takes longer than everything else here, and the caller waits.
    const facts = this.#facts(this.#isLarge() ? '' : this.#args());
    const line = this.#pen.finish(intentEntry(facts, granted, this.#pen.time(), this.#pen.outside));
    await this.#parts.scribe.append(line, this.#parts.durabilityOf?.(grounds.call) ?? 'disk');
    if (this.#closed()) throw new Fault('BUG', { detail: 'closed before its intent was written' });
    this.#stage = 'open';
    this.#intents++;
    return Pass.issue(grounds);
  }

  /** Writes how it ended. Never throws; a second close says nothing. */
  close(outcome: Outcome): void {
    if (this.#closed()) return;
    this.#stage = 'closed';
    if (this.#isFailedSignIn(outcome) && !this.#mayWriteSignIn(this.#arrival.remote)) return;
    const { outside } = this.#pen;
    const which =
      this.#intents > 0
        ? `,"id":${JSON.stringify(this.#arrival.id)},"committed":true${this.#isLarge() ? this.#args() : ''}${this.#found?.text('out') ?? ''}`
        : about(this.#facts(this.#args()), undefined, outside);
    const how = outcomeText(outcome, this.#call, this.#decision, outside);
    const tookMs = Math.round((this.#parts.clock.steadyMs() - this.#openedMs) * 1000) / 1000;
    const result = this.#withPayload() ? resultPayload(outcome) : '';
    this.#pen.note(
      `{"kind":"outcome","time":"${this.#pen.time()}"${which}${how},"durationMs":${tookMs}${result}}`,
    );
  }

  /** `TOO_MANY` to somebody unknown: a place that guesses is told nothing else. */
  #isFailedSignIn(outcome: Outcome): boolean {
    if (outcome.kind !== 'failed') return false;
    const { code } = outcome.fault;
    return code === 'UNAUTHENTICATED' || (code === 'TOO_MANY' && this.#principal === undefined);
  }

  /** Asked anew after a wait, because a trail may be closed meanwhile. */
  #closed(): boolean {
    return this.#stage === 'closed';
  }

  #facts(args: string): Facts {
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
      found: this.#found,
      args,
      payload: this.#withPayload() ? (text) => this.#pen.payload(text) : undefined,
    };
  }

  #isLarge(): boolean {
    return (this.#params()?.length ?? 0) > digestsAtOnceChars;
  }

  /** The digests of the arguments. Only of a known caller's: what a stranger sends is not worth the work. */
  #args(): string {
    const params = this.#params();
    if (this.#parts.digest === undefined || params === undefined) return '';
    return argumentsText(params, this.#parts.digest, this.#pen.outside);
  }

  /** Of a call that has arguments, as they were judged and go out. */
  #params(): JsonText | undefined {
    const { target, message } = this.#call ?? {};
    const takesSome = target?.kind === 'tool' || target?.kind === 'prompt';
    return takesSome && message !== undefined && message.kind !== 'reply' ? message.params : undefined;
  }

  /** Only for a known caller: the payload of a stranger is not worth the disk. */
  #withPayload(): boolean {
    return this.#call !== undefined && this.#parts.policyOf(this.#arrival.server)?.recordPayloads === true;
  }
}
