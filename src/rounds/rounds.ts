import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Call } from '../domain/call.ts';
import type { Approval } from '../domain/decision.ts';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import { encode, member, members, valueOf, withMember, withoutMember } from '../protocol/codec.ts';

export type RoundsParts = {
  readonly clock: Clock;
  /** 32 random bytes, the same after a restart, so that a client may go on with what it began. */
  readonly key: Buffer;
  /** How long a state is worth something. */
  readonly validMs: number;
};

/** What a sealed state holds. `held` is the name of a call that waits in a child; `state` what the server said itself. */
type Sealed = {
  readonly until: number;
  readonly held?: string;
  readonly state?: string;
  /** Who agreed to the call, and a mark by which that is used once. */
  readonly yes?: { readonly by: string; readonly mark: string };
};

/** Yeses that were given in calls of several rounds, and may still be used by the next round. */
const yesesMax = 10_000;

/** What a server may have its client carry for it, in UTF-8; sealed, it must fit into a request again. */
const stateBytesMax = 1024 * 1024;
/**
 * Hexadecimal, because the answer goes through the redactor when it is sealed: in base64 of this length some stretches look
 * like the keys of some issuer by chance, and a state without them opens nothing.
 */
const spelling = 'hex';
const ivBytes = 12;
const tagBytes = 16;

/**
 * Calls in several rounds (2026-07-28, multi round-trip requests): the server answers with questions and a `requestState`,
 * and the client makes the call again with its answers and that state. The state passes through the client's hands, so it is
 * sealed (AES-256-GCM): bound to caller, server, method and parameters, good for a limited time, readable to nobody.
 */
export class Rounds {
  readonly #parts: RoundsParts;
  /** Marks of yeses that were not used. In memory: after a restart somebody is asked again, rather than a yes used twice. */
  readonly #unused = new Map<string, number>();

  constructor(parts: RoundsParts) {
    this.#parts = parts;
  }

  readonly resume = (call: Call): Call => {
    const { message, session, params } = call;
    if (session.era === 'legacy' || message.kind !== 'request' || message.params === undefined) return call;
    const said = params['requestState'];
    if (said === undefined) return call;
    const sealed = typeof said === 'string' ? this.#open(said, call) : undefined;
    if (sealed === undefined) throw new Fault('STALE_STATE');
    const { requestState: _ours, ...kept } = params;
    const bare = withoutMember(message.params, 'requestState');
    const approval = this.#use(sealed);
    const resumed = {
      ...call,
      resumes: sealed.held,
      ...(approval === undefined ? {} : { approved: approval }),
    };
    if (sealed.state === undefined)
      return { ...resumed, params: kept, message: { ...message, params: bare } };
    return {
      ...resumed,
      params: { ...kept, requestState: sealed.state },
      message: { ...message, params: withMember(bare, ['requestState'], encode(sealed.state)) },
    };
  };

  readonly pause = (call: Call, answer: Answer, approval?: Approval): Answer => {
    if (answer.kind === 'error' || call.session.era === 'legacy') return answer;
    if (!answer.text.includes('"input_required"')) return answer;
    if (member(answer.text, ['resultType']) !== '"input_required"') return answer;
    const until = this.#parts.clock.wallMs() + this.#parts.validMs;
    const { held } = answer;
    const yes = this.#keep(approval, until);
    if (held !== undefined) return this.#sealed(call, answer.text, { until, held, ...yes });
    const theirs = member(answer.text, ['requestState']);
    if (theirs === undefined)
      return yes.yes === undefined ? answer : this.#sealed(call, answer.text, { until, ...yes });
    if (!theirs.startsWith('"') || Buffer.byteLength(theirs) > stateBytesMax)
      throw new Fault('UPSTREAM_GARBLED', { detail: 'requestState is no string, or too long' });
    return this.#sealed(call, answer.text, { until, state: valueOf(theirs) as string, ...yes }); // It began with a quote.
  };

  /** A person's yes goes on to the next round of the same call; without one, nothing has to. */
  #keep(approval: Approval | undefined, until: number): Pick<Sealed, 'yes'> {
    if (approval === undefined || approval.by === 'policy') return {};
    const mark = randomBytes(16).toString('hex');
    this.#unused.set(mark, until);
    for (const oldest of this.#unused.keys()) {
      if (this.#unused.size <= yesesMax) break;
      this.#unused.delete(oldest);
    }
    return { yes: { by: approval.by, mark } };
  }

  /** A state may be sent twice, and a yes works once. */
  #use({ yes }: Sealed): Approval | undefined {
    return yes !== undefined && this.#unused.delete(yes.mark) ? { kind: 'approved', by: yes.by } : undefined;
  }

  #sealed(call: Call, text: JsonText, sealed: Sealed): Answer {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#parts.key, iv);
    cipher.setAAD(bindingOf(call));
    const body = Buffer.concat([cipher.update(JSON.stringify(sealed), 'utf8'), cipher.final()]);
    const state = Buffer.concat([iv, body, cipher.getAuthTag()]).toString(spelling);
    return { kind: 'result', text: withMember(text, ['requestState'], encode(state)) };
  }

  #open(said: string, call: Call): Sealed | undefined {
    const bytes = Buffer.from(said, spelling);
    // A lenient decoder would take many spellings for one state.
    if (bytes.length < ivBytes + tagBytes || bytes.toString(spelling) !== said) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#parts.key, bytes.subarray(0, ivBytes));
      decipher.setAAD(bindingOf(call));
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
      const body = bytes.subarray(ivBytes, bytes.length - tagBytes);
      const sealed = JSON.parse(
        Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8'),
      ) as Sealed;
      return sealed.until > this.#parts.clock.wallMs() ? sealed : undefined;
    } catch {
      // Changed on the way, another key's, another caller's or another call's.
      return undefined;
    }
  }
}

/** Members of `params` that may differ between the rounds of one call. */
const perRound: ReadonlySet<string> = new Set(['_meta', 'inputResponses', 'requestState']);

/** Who makes which call, to the byte: a state that was given for one call opens no other (state handle hijacking). */
function bindingOf({ principal, server, message }: Call): Buffer {
  const hash = createHash('sha256');
  const part = (text: string) => hash.update(`${text.length}:`).update(text);
  part(principal.name);
  part(server);
  if (message.kind !== 'reply') {
    part(message.method);
    for (const [key, text] of message.params === undefined ? [] : members(message.params)) {
      if (perRound.has(key)) continue;
      // As it was written: half a pair of surrogates is lost in UTF-8, and two names would be one.
      part(encode(key));
      part(text);
    }
  }
  return hash.digest();
}
