import type { Proof } from '../domain/care.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { encode, member, valueOf } from '../protocol/codec.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { ownMeta } from './probe.ts';
import type { Credential } from './wellbeing.ts';

/** Who decides about a call of mcpd's own, and puts it on record. */
export type Proving = {
  /** Resolves with undefined when the call is decided and on record; with a sentence when it may not be made. */
  readonly leave: (server: string, proof: Proof) => Promise<string | undefined>;
  /** Whether that holds still; asked when the call is written to the child, because it may have stood in a line. */
  readonly stands: (server: string, proof: Proof) => boolean;
  /** What came of it, in a word: `works`, `fails`, or the code of the fault that kept it from being told. Must not throw. */
  readonly ended: (server: string, proof: Proof, outcome: string) => void;
};

const becauseCharsMax = 200;

/**
 * Calls the tool that the owner named now and then, in the child that is mcpd's own or everybody's, to see whether the
 * credential that the server was given still works. A failure is shown and said, and nothing more: what still works without
 * the credential goes on, and a restart would not bring a new one.
 */
export class Proofs {
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  #dueAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #provedOn: Connection | undefined;
  #credential: Credential | undefined;

  constructor(deps: ChildDeps, spec: ServerSpec) {
    this.#deps = deps;
    this.#spec = spec;
  }

  get credential(): Credential | undefined {
    return this.#credential;
  }

  /** Makes the call if it is time for it, and there is a child that could carry it. */
  look(now: number, connection: Connection | undefined): void {
    const { proof } = this.#spec.care.health;
    if (proof === undefined || connection === undefined || this.#isAsking) return;
    // A child that is new may have been given a new credential.
    if (now < this.#dueAt && connection === this.#provedOn) return;
    this.#dueAt = now + proof.everyMs;
    this.#provedOn = connection;
    this.#isAsking = true;
    void this.#prove(proof, connection).finally(() => (this.#isAsking = false));
  }

  async #prove(proof: Proof, connection: Connection): Promise<void> {
    const { proving } = this.#deps;
    const { name } = this.#spec;
    try {
      // Nothing passes without a decision, and nothing goes out that is not on record: this neither.
      const refusal = proving === undefined ? 'nobody can decide about it' : await proving.leave(name, proof);
      if (refusal !== undefined) return this.#found({ kind: 'not-asked', because: refusal });
    } catch (reason) {
      return this.#found({ kind: 'not-asked', because: Fault.from(reason).message });
    }
    try {
      this.#heard(await this.#call(proof, connection));
      proving?.ended(name, proof, this.#credential?.kind ?? 'works');
    } catch (reason) {
      // Slow, busy or gone, or no longer allowed: that says nothing about its credential.
      proving?.ended(name, proof, Fault.from(reason).code);
    }
  }

  #call(proof: Proof, connection: Connection): Promise<Answer> {
    const { tool, args } = proof;
    const { answerWithinMs, answerWithinMsMax } = this.#spec;
    const meta = connection.era === 'modern' ? { _meta: ownMeta(this.#deps.version) } : {};
    const params = encode({ name: tool, arguments: args, ...meta });
    return connection.own('tools/call', params, Math.min(answerWithinMs, answerWithinMsMax), {
      placed: true,
      stands: () => this.#deps.proving?.stands(this.#spec.name, proof) === true,
    });
  }

  #heard(answer: Answer): void {
    const now = this.#deps.clock.wallMs();
    const because = complaintIn(answer);
    if (because === undefined) return this.#found({ kind: 'works', at: now });
    const before = this.#credential;
    const since = before?.kind === 'fails' ? before.since : now;
    // Cleaned while it is whole: a secret that straddles the cut would not be found.
    this.#found({ kind: 'fails', since, because: this.#deps.clean(because).slice(0, becauseCharsMax) });
  }

  #found(credential: Credential): void {
    const before = this.#credential;
    this.#credential = credential;
    if (before?.kind === credential.kind) return;
    const { log } = this.#deps;
    const server = this.#spec.name;
    if (credential.kind === 'works') {
      if (before !== undefined) log('info', { server }, `the credential of ${server} works`);
    } else {
      const says = credential.kind === 'fails' ? 'does not work' : 'cannot be tried';
      log('warn', { server, because: credential.because }, `the credential of ${server} ${says}`);
    }
    this.#deps.changed();
  }
}

/** What an answer complains of; undefined where it does not. */
function complaintIn({ kind, text }: Answer): string | undefined {
  if (kind === 'error') return text;
  if (member(text, ['isError']) !== 'true') return undefined;
  const content = valueOf(member(text, ['content']) ?? encode([]));
  const [first] = Array.isArray(content) ? content : [];
  const said = typeof first === 'object' && first !== null && 'text' in first ? first['text'] : undefined;
  return typeof said === 'string' ? said : 'the tool says that it failed';
}
