import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { stillBound } from '../domain/binding.ts';
import type { AgreedUnder, Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';
import { encode, member, members, valueOf, withMember, withoutMember } from '../protocol/codec.ts';
import { answerIn, consentOf, questionWith, takeTicket } from './brought.ts';

export type RoundsParts = {
  readonly clock: Clock;
  /** 32 random bytes, the same after a restart, so that a client may go on with what it began. */
  readonly key: Buffer;
  /** How long a state is worth something. */
  readonly validMs: number;
  /** The version of the orders in force, and what a yes is bound to besides: see `DataPlane.fleet.bindingOf`. */
  readonly ordersVersion: () => string;
  readonly bindingOf: (call: Call) => string;
};

/** What a sealed state holds. `held` is the name of a call that waits in a child; `state` what the server said itself. */
type Sealed = {
  readonly until: number;
  readonly held?: string;
  readonly state?: string;
  /** Who agreed to the call, and a mark by which that is used once. */
  readonly yes?: { readonly by: string; readonly mark: string };
  /** Set when the question is ours and not the server's. */
  readonly ask?: {
    readonly mark: string;
    /** The client's answers to the server's questions of the round before, which this round brought and did not deliver. */
    readonly responses?: string;
  };
};

/** Under which a call came. */
type Circumstances = { readonly ordersVersion: string; readonly binding: string };

/** A question of ours to the caller's user. */
export type Posed = {
  /** By which the answer is known again. */
  readonly mark: string;
  /** Wall clock, milliseconds since 1970. */
  readonly until: number;
  /** The `params` of the `elicitation/create`. */
  readonly params: JsonText;
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
  readonly #unused = new Map<string, Circumstances & { readonly rule: string }>();
  /**
   * Calls as their clients made them. What the policy takes out of a call on its way in stands in it again when the client
   * makes the next round, and that is compared with what was sealed. With them, what held when they came: a yes is worth
   * nothing in a round under another policy, or after the tool was given another definition.
   */
  readonly #asItCame = new WeakMap<Halt, { readonly call: Call; readonly held: Circumstances }>();

  constructor(parts: RoundsParts) {
    this.#parts = parts;
  }

  readonly resume = (came: Call): Call => {
    const call = takeTicket(came);
    const { message, session, params } = call;
    if (session.era === 'legacy' || message.kind !== 'request' || message.params === undefined) return call;
    const held = { ordersVersion: this.#parts.ordersVersion(), binding: this.#parts.bindingOf(call) };
    this.#asItCame.set(call.halt, { call, held });
    const said = params['requestState'];
    if (said === undefined) return call;
    const sealed = typeof said === 'string' ? this.#open(said, call) : undefined;
    if (sealed === undefined) throw new Fault('STALE_STATE');
    const approval = this.#use(sealed, held);
    return {
      ...asSent(call, sealed),
      resumes: sealed.held,
      ...(approval === undefined ? {} : { approved: approval }),
      // A state of ours says more surely than a ticket which question the call comes back to.
      ...(sealed.ask === undefined ? {} : { consent: consentOf(sealed.ask.mark, answerIn(call)) }),
    };
  };

  /** The answer that puts a question of ours to the caller's user; undefined when the state of the call is too long. */
  readonly pose = (call: Call, { mark, until, params }: Posed): Answer | undefined => {
    const said = call.message.kind === 'request' ? call.message.params : undefined;
    const state = said === undefined ? undefined : member(said, ['requestState']);
    const responses = said === undefined ? undefined : member(said, ['inputResponses']);
    if (Buffer.byteLength(state ?? '') + Buffer.byteLength(responses ?? '') > stateBytesMax) return undefined;
    const sealed: Sealed = {
      until,
      ...(call.resumes === undefined ? {} : { held: call.resumes }),
      // The server's own, because `resume` lets no other through.
      ...(state?.startsWith('"') === true ? { state: valueOf(state) as string } : {}),
      ask: { mark, ...(responses === undefined ? {} : { responses }) },
    };
    return this.#sealed(call, questionWith(params).text, sealed);
  };

  readonly pause = (call: Call, answer: Answer, approval?: AgreedUnder): Answer => {
    if (answer.kind === 'error' || call.session.era === 'legacy') return answer;
    if (!answer.text.includes('"input_required"')) return answer;
    if (member(answer.text, ['resultType']) !== '"input_required"') return answer;
    const until = this.#parts.clock.wallMs() + this.#parts.validMs;
    const { held } = answer;
    const yes = this.#keep(call, approval);
    if (held !== undefined) return this.#sealed(call, answer.text, { until, held, ...yes });
    const theirs = member(answer.text, ['requestState']);
    if (theirs === undefined)
      return yes.yes === undefined ? answer : this.#sealed(call, answer.text, { until, ...yes });
    if (!theirs.startsWith('"') || Buffer.byteLength(theirs) > stateBytesMax)
      throw new Fault('UPSTREAM_GARBLED', { detail: 'requestState is no string, or too long' });
    return this.#sealed(call, answer.text, { until, state: valueOf(theirs) as string, ...yes }); // It began with a quote.
  };

  /** A person's yes goes on to the next round of the same call; without one, nothing has to. */
  #keep({ halt }: Call, approval: AgreedUnder | undefined): Pick<Sealed, 'yes'> {
    const came = this.#asItCame.get(halt);
    if (approval === undefined || approval.by === 'policy' || came === undefined) return {};
    const mark = randomBytes(16).toString('hex');
    this.#unused.set(mark, { ...came.held, rule: approval.rule });
    for (const oldest of this.#unused.keys()) {
      if (this.#unused.size <= yesesMax) break;
      this.#unused.delete(oldest);
    }
    return { yes: { by: approval.by, mark } };
  }

  /** A state may be sent twice, and a yes works once; in other circumstances, not at all. Its rule is for the story to judge. */
  #use({ yes }: Sealed, now: Circumstances): AgreedUnder | undefined {
    const then = yes === undefined ? undefined : this.#unused.get(yes.mark);
    if (yes === undefined || then === undefined) return undefined;
    this.#unused.delete(yes.mark);
    const stands = then.ordersVersion === now.ordersVersion && stillBound(then.binding, now.binding);
    return stands ? { kind: 'approved', by: yes.by, rule: then.rule } : undefined;
  }

  #sealed(call: Call, text: JsonText, sealed: Sealed): Answer {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#parts.key, iv);
    cipher.setAAD(bindingOf(this.#asItCame.get(call.halt)?.call ?? call));
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
      const sealed = readJson(
        Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8'),
      ) as Sealed;
      return sealed.until > this.#parts.clock.wallMs() ? sealed : undefined;
    } catch {
      // Changed on the way, another key's, another caller's or another call's.
      return undefined;
    }
  }
}

/** The call as its server is to read it: the server's own state in place of ours, and its answers without ours. */
function asSent(call: Call, { state, ask }: Sealed): Call {
  const { message, params } = call;
  if (message.kind !== 'request' || message.params === undefined) return call;
  const { requestState: _ours, inputResponses, ...rest } = params;
  let text = withoutMember(message.params, 'requestState');
  let kept: typeof params = inputResponses === undefined ? rest : { ...rest, inputResponses };
  if (ask !== undefined) {
    // Only we asked in this round. Whatever else the client answers, nobody agreed to.
    text = withoutMember(text, 'inputResponses');
    kept = rest;
    if (ask.responses !== undefined) {
      const responses = ask.responses as JsonText; // It stood in a call that was read, and was sealed as it stood.
      text = withMember(text, ['inputResponses'], responses);
      kept = { ...kept, inputResponses: valueOf(responses) };
    }
  }
  if (state === undefined) return { ...call, params: kept, message: { ...message, params: text } };
  return {
    ...call,
    params: { ...kept, requestState: state },
    message: { ...message, params: withMember(text, ['requestState'], encode(state)) },
  };
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
