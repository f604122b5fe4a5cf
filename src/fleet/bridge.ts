import { hash } from 'node:crypto';
import type { Call } from '../domain/call.ts';
import type { Era } from '../domain/era.ts';
import { Fault } from '../domain/faults.ts';
import type { HaltReason } from '../domain/halt.ts';
import type { Answer, JsonText, Notice, Request } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import { encode, member, object, objectOf } from '../protocol/codec.ts';
import { metaKeys, metaOf } from '../protocol/era.ts';
import {
  answerForModern,
  capabilitiesForLegacy,
  discoveryOf,
  paramsForLegacy,
} from '../protocol/translate.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { Elder } from './elder.ts';
import { Followers } from './followers.ts';
import { Guest, type Greeting, type GuestHearing, type Whose } from './guest.ts';
import { Held } from './held.ts';
import { Pool } from './pool.ts';
import { probeEra } from './probe.ts';
import { passesLevel } from './log-level.ts';
import type { Shared } from './shared.ts';
import type { Supervisor } from './supervisor.ts';

/** A server that once spoke only the legacy era may have been updated on the disk. */
const verdictValidMs = 3_600_000;
/** Ends of calls that nobody has come for, of one caller. */
const unheardMax = 16;
const unheardCharsMax = 8 * 1024 * 1024;
/** The requests in which a server may ask its client something (2026-07-28, multi round-trip requests). */
const askable: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** What a bridge needs from the rest of its server. */
export type Around = {
  /** Whether it is known already that the server speaks the modern era. */
  readonly isModern: () => boolean;
  /** Children that others have started. */
  readonly othersChildren: () => number;
  /** Does something with the child that a caller's clients share; undefined where every session has its own. */
  readonly together: (<T>(caller: string, work: (shared: Shared) => Promise<T>) => Promise<T>) | undefined;
};

/** Callers whose lost children are remembered one by one; one that is forgotten counts as another loss. */
const lossesMax = 10_000;

/** Carries the requests of modern clients to children of either era. */
export class Bridge {
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  readonly #around: Around;
  readonly #pool: Pool;
  readonly #followers: Followers;
  /** Calls in several rounds, by their id; each has a child of its own while it runs, so the children bound them. */
  readonly #held = new Map<string, { readonly held: Held; readonly guest: Guest }>();
  /** The call that each child works on, where it may ask its client something. */
  readonly #working = new Map<Guest, Held>();
  /** Sessions of legacy clients on children that speak only the modern era. */
  readonly #elders = new Map<string, { readonly elder: Elder; readonly guest: Guest }>();
  readonly #sweeper: NodeJS.Timeout;
  #verdict: { readonly era: Era; readonly until: number } | undefined;
  #asking: Promise<Era> | undefined;
  #unheard = 0;
  readonly #losses = new Map<string, number>();
  #lossCount = 0;

  constructor(deps: ChildDeps, spec: ServerSpec, around: Around) {
    this.#around = around;
    this.#deps = deps;
    this.#spec = spec;
    this.#pool = new Pool(deps.clock, () => spec.childrenMax - around.othersChildren(), spec.idleMs);
    this.#followers = new Followers(spec.name, deps.onUpcall);
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(30_000, Math.max(500, spec.idleMs / 4)));
    this.#sweeper.unref();
  }

  /** Messages that belonged to nobody. */
  get unheard(): number {
    return this.#unheard;
  }

  supervisors(): readonly Supervisor[] {
    return this.#pool.all().map(({ supervisor }) => supervisor);
  }

  async stop(why: string): Promise<void> {
    clearInterval(this.#sweeper);
    for (const id of [...this.#elders.keys()]) this.endSession(id);
    this.#followers.end();
    await this.#pool.stop(why);
  }

  /** Stops calls between two rounds: nobody is there whose stop signal could. Says how many. */
  haltHeld(match: (call: Call) => boolean, reason: HaltReason): number {
    return [...this.#held.values()].filter(({ held }) => held.halt(match, reason)).length;
  }

  #sweep(): void {
    this.#pool.sweep();
    for (const { held } of this.#held.values()) held.recheck();
  }

  /** Rejects as the paths of legacy clients do, and with `STALE_STATE` for a round of a call that is over. */
  async forward(pass: Pass): Promise<Answer | undefined> {
    const { call } = pass;
    const { message } = call;
    if (message.kind !== 'request') {
      // There is no session that a notification could be about.
      pass.spend();
      return undefined;
    }
    if (call.resumes !== undefined) return this.#resume(pass, message, call.resumes);
    return (await this.era()) === 'modern' ? this.#native(pass) : this.#bridged(pass, message);
  }

  /** The same for legacy clients, of a server that speaks only the modern era. Rejects with `UNKNOWN_SESSION`, too. */
  async forwardLegacy(pass: Pass): Promise<Answer | undefined> {
    const { call } = pass;
    const { message, session } = call;
    const opens = message.kind === 'request' && message.method === 'initialize';
    const known = this.#elders.get(session.id);
    if (!opens) {
      if (known === undefined) throw new Fault('UNKNOWN_SESSION', { detail: 'the session has no child' });
      return known.elder.forward(pass);
    }
    if (known !== undefined) throw new Fault('BAD_MESSAGE', { detail: 'the session is initialized already' });
    const guest = this.#nativeGuest(call);
    const elder = new Elder(this.#deps, this.#spec, session.id, guest);
    this.#elders.set(session.id, { elder, guest });
    try {
      return await elder.open(pass);
    } catch (reason) {
      this.endSession(session.id);
      throw reason;
    }
  }

  /** A legacy client's session is over. */
  endSession(sessionId: string): void {
    this.#elders.get(sessionId)?.elder.stop();
    this.#elders.delete(sessionId);
  }

  /** Which era its children speak. Found out once, and again after a while. */
  async era(): Promise<Era> {
    const { protocol } = this.#spec;
    if (protocol !== 'auto') return protocol;
    if (this.#around.isModern()) return 'modern';
    const now = this.#deps.clock.steadyMs();
    if (this.#verdict !== undefined && this.#verdict.until > now) return this.#verdict.era;
    this.#asking ??= probeEra(this.#deps, this.#spec).finally(() => (this.#asking = undefined));
    const era = await this.#asking;
    this.#verdict = { era, until: now + verdictValidMs };
    return era;
  }

  async #native(pass: Pass): Promise<Answer> {
    const { call } = pass;
    const guest = this.#nativeGuest(call);
    return guest.use(call.halt, (connection) =>
      call.target.kind === 'subscription'
        ? this.#stream(pass, guest, connection)
        : connection.ask(pass, this.#spec.answerWithinMs),
    );
  }

  async #stream(pass: Pass, guest: Guest, connection: Connection): Promise<Answer> {
    guest.followers++;
    try {
      // A stream has no end of its own, and takes no place from those who want an answer.
      return await new Promise((resolve, reject) => {
        connection.send(connection.order(pass, Number.POSITIVE_INFINITY, resolve, reject, { placed: false }));
      });
    } finally {
      guest.followers--;
    }
  }

  #nativeGuest(call: Call): Guest {
    const owner = this.#spec.sharing === 'all' ? undefined : call.principal.name;
    const whose = { key: `modern\0${owner ?? ''}`, owner };
    return this.#pool.share(whose, (after) => this.#make(whose, { era: 'modern' }, after));
  }

  async #bridged(pass: Pass, message: Request): Promise<Answer> {
    const { call } = pass;
    if (call.target.kind === 'task') throw new Fault('CANNOT_CROSS', { detail: 'tasks of 2025-11-25' });
    if (this.#around.together !== undefined) return this.#inShared(pass, message, this.#around.together);
    const asks = askable.has(message.method);
    const alone = asks && (mayBeAsked(call) || wantsLog(call));
    const { whose, how } = guestOf(call, this.#deps.version, alone);
    if (alone) return this.#alone(pass, whose, how, message.method);
    const guest = this.#pool.share(whose, (after) => this.#make(whose, how, after));
    if (call.target.kind === 'subscription')
      return guest.use(call.halt, () => this.#followGuest(pass, guest));
    if (message.method === 'server/discover') {
      await guest.use(call.halt, () => pass.spend());
      return { kind: 'result', text: discoveryOf(guest.greeting ?? encode({})) };
    }
    const answer = await guest.use(
      call.halt,
      (connection) =>
        new Promise<Answer>((resolve, reject) => {
          const more = { params: paramsForLegacy(message.params), placed: asks };
          connection.send(connection.order(pass, this.#spec.answerWithinMs, resolve, reject, more));
        }),
    );
    return answerForModern(message.method, answer, guest.serverInfo);
  }

  /**
   * On a child that clients of both eras share, because its owner wants one and no more. mcpd is its only client and can do
   * nothing for it, so it asks nobody anything.
   */
  #inShared(pass: Pass, message: Request, together: NonNullable<Around['together']>): Promise<Answer> {
    const { call } = pass;
    return together(call.principal.name, async (shared) => {
      const greeting = await shared.introduced(call.halt);
      if (call.target.kind === 'subscription') return this.#followShared(pass, shared, greeting);
      if (message.method === 'server/discover') {
        pass.spend();
        return { kind: 'result', text: discoveryOf(greeting) };
      }
      const answer = await shared.carry(pass, paramsForLegacy(message.params));
      return answerForModern(message.method, answer, member(greeting, ['serverInfo']));
    });
  }

  #followGuest(pass: Pass, guest: Guest): Promise<Answer> {
    return this.#followers.follow(pass, {
      child: guest,
      key: guest.key,
      greeting: guest.greeting ?? encode({}),
      join: (_call, uris) => guest.join(uris),
      leave: (_call, uris) => guest.leave(uris),
    });
  }

  #followShared(pass: Pass, shared: Shared, greeting: JsonText): Promise<Answer> {
    // The session of a modern call is the call itself.
    const key = pass.call.session.id;
    const hears = (notice: Notice) => this.#followers.hear(key, notice);
    return this.#followers.follow(pass, {
      child: shared,
      key,
      greeting,
      join: ({ session }, uris) => shared.listen(session, uris, hears),
      leave: ({ session }) => shared.unlisten(session, hears),
    });
  }

  async #alone(pass: Pass, whose: Whose, how: Greeting, method: string): Promise<Answer> {
    const { halt } = pass.call;
    const { answerWithinMs: withinMs, waitingMax: max } = this.#spec;
    const { guest, giveBack } = await this.#pool.lease(whose, (after) => this.#make(whose, how, after), {
      withinMs,
      max,
      halt,
    });
    try {
      await guest.ready(halt);
    } catch (reason) {
      giveBack();
      throw reason;
    }
    return this.#hold(pass, guest, method, giveBack);
  }

  async #hold(pass: Pass, guest: Guest, method: string, done: () => void): Promise<Answer> {
    const { connection } = guest.supervisor;
    if (connection === undefined) {
      done();
      throw new Fault('UPSTREAM_DOWN', { detail: `${this.#spec.name} is gone` });
    }
    const held: Held = new Held({
      connection,
      server: this.#spec.name,
      answerWithinMs: this.#spec.answerWithinMs,
      heldWithinMs: this.#deps.pace.questionWithinMs,
      onUpcall: this.#deps.onUpcall,
      tell: (notice, call) => this.#tell(notice, call),
      over: () => {
        over();
        this.#forgetUnheard(guest.owner);
      },
      told: () => this.#held.delete(held.id),
    });
    const over = () => {
      // By then the child may work for the next one in its line.
      if (this.#working.get(guest) === held) this.#working.delete(guest);
      done();
    };
    this.#held.set(held.id, { held, guest });
    this.#working.set(guest, held);
    try {
      await this.#setLevel(guest, pass.call);
      return answerForRound(method, await held.begin(pass), guest);
    } catch (reason) {
      this.#held.delete(held.id);
      held.forget();
      over();
      throw reason;
    }
  }

  /** A caller who begins calls and never comes for their ends must not fill the memory: his youngest are kept. */
  #forgetUnheard(owner: string | undefined): void {
    let count = 0;
    let chars = 0;
    for (const [id, { held, guest }] of [...this.#held].reverse()) {
      // Whoever waits for an end is about to hear it.
      if (guest.owner !== owner || held.endedChars === undefined || held.call !== undefined) continue;
      count++;
      chars += held.endedChars;
      if (count === 1 || (count <= unheardMax && chars <= unheardCharsMax)) continue;
      held.forget();
      this.#held.delete(id);
    }
  }

  async #resume(pass: Pass, message: Request, id: string): Promise<Answer> {
    const found = this.#held.get(id);
    if (found === undefined) throw new Fault('STALE_STATE', { detail: 'the call is over' });
    return answerForRound(message.method, await found.held.resume(pass), found.guest);
  }

  /** A child of the legacy era has one log level; it is set for the call that wants lines. */
  async #setLevel(guest: Guest, call: Call): Promise<void> {
    const level = metaOf(call.params)[metaKeys.logLevel];
    const logs =
      guest.greeting !== undefined && member(guest.greeting, ['capabilities', 'logging']) !== undefined;
    if (typeof level !== 'string' || !logs) return;
    const { connection } = guest.supervisor;
    await connection?.own('logging/setLevel', encode({ level }), this.#spec.answerWithinMs);
  }

  #make(whose: Whose, how: Greeting, after: Promise<void> | undefined): Guest {
    const hearing: GuestHearing = {
      question: (guest, request, settle) => this.#asked(guest, request, settle),
      notice: (guest, notice, about) => this.#noticed(guest, notice, about),
      ended: (guest) => this.#lost(guest),
      ready: (guest) => this.#isBack(guest),
    };
    return new Guest(this.#deps, this.#spec, whose, how, hearing, after);
  }

  /** Another number after each child of a caller's that ended. */
  lossesOf(caller: string): number {
    return this.#losses.get(caller) ?? 0;
  }

  #lost(lost: Guest): void {
    this.#noteLoss(lost.owner ?? '');
    this.#followers.end(lost);
  }

  /** Also when it took an operator to bring it back. */
  #isBack(back: Guest): void {
    for (const { elder, guest } of this.#elders.values()) if (guest === back) elder.refollow();
  }

  #noteLoss(caller: string): void {
    this.#losses.delete(caller);
    this.#losses.set(caller, ++this.#lossCount);
    for (const oldest of this.#losses.keys()) {
      if (this.#losses.size <= lossesMax) break;
      this.#losses.delete(oldest);
    }
  }

  #asked(guest: Guest, request: Request, settle: (answer: Answer) => void): void {
    const held = this.#working.get(guest);
    if (held === undefined) settle(nobody);
    else held.asked(request, settle);
  }

  #noticed(guest: Guest, notice: Notice, about: Call | undefined): void {
    const held = this.#working.get(guest);
    if (about !== undefined) return this.#tell(notice, about);
    if (notice.method === 'notifications/message') {
      if (held !== undefined) return held.said(notice);
    } else if (notice.method === 'notifications/cancelled') {
      const { requestId } = objectOf(notice.params);
      if (typeof requestId === 'string') return held?.withdrawn(requestId);
    } else return this.#followers.hear(guest.key, notice);
    this.#unheard++;
  }

  #tell(message: Notice, call: Call): void {
    if (message.method === 'notifications/message' && !hearsLine(call, message)) {
      this.#unheard++;
      return;
    }
    const audience = { kind: 'call', callId: call.id } as const;
    const settle = () => undefined;
    this.#deps.onUpcall({ server: this.#spec.name, audience, message, callId: call.id, settle });
  }
}

/** Whether the client could be asked, or wants log lines: then a child works on its call alone. */
function mayBeAsked({ session }: Call): boolean {
  const can = session.agreed?.clientCapabilities ?? [];
  return can.some((it) => it === 'elicitation' || it === 'sampling' || it === 'roots');
}

/** A modern client hears lines of the level that its request named, and without one none (2026-07-28 schema, logLevel). */
function hearsLine({ session, params }: Call, line: Notice): boolean {
  if (session.era === 'legacy') return true;
  const level = metaOf(params)[metaKeys.logLevel];
  return typeof level === 'string' && passesLevel(line, level);
}

function wantsLog({ params }: Call): boolean {
  return metaOf(params)[metaKeys.logLevel] !== undefined;
}

/**
 * Which child serves a modern client: one of its caller, and of the same client with the same capabilities, because a child
 * is told once and for all to whom it talks.
 */
function guestOf(
  call: Call,
  version: string,
  alone: boolean,
): { readonly whose: Whose; readonly how: Greeting } {
  const meta =
    call.message.kind === 'request' ? member(call.message.params ?? object([]), ['_meta']) : undefined;
  const client = meta === undefined ? undefined : member(meta, [metaKeys.client]);
  const capabilities = meta === undefined ? undefined : member(meta, [metaKeys.capabilities]);
  const handshake = object([
    ['protocolVersion', encode('2025-11-25')],
    ['capabilities', capabilitiesForLegacy(capabilities)],
    ['clientInfo', client?.startsWith('{') === true ? client : encode({ name: 'mcpd', version })],
  ]);
  const owner = call.principal.name;
  // Log lines do not say whose they are, so a call that wants them shares no child with those that do not.
  const kind = alone && !mayBeAsked(call) ? 'logs' : 'legacy';
  const key = `${kind}\0${owner}\0${hash('sha256', handshake)}`;
  return { whose: { key, owner }, how: { era: 'legacy', handshake } };
}

function answerForRound(method: string, answer: Answer, guest: Guest | undefined): Answer {
  if (answer.kind === 'result' && answer.held !== undefined) return answer;
  return answerForModern(method, answer, guest?.serverInfo);
}

const nobody: Answer = {
  kind: 'error',
  text: encode({ code: -32603, message: 'No client can be asked right now.' }),
};
