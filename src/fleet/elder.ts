import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText, Notice, Request } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import { encode, errorBody, member, object } from '../protocol/codec.ts';
import { legacyRevisions } from '../protocol/era.ts';
import {
  answerForLegacy,
  greetingOf,
  metaForModern,
  newsForLegacy,
  newsOf,
  paramsForModern,
  type ClientFacts,
} from '../protocol/translate.ts';
import type { ChildDeps } from './deps.ts';
import type { Guest } from './guest.ts';
import { Inquiries, questionsIn } from './inquiries.ts';

/** In how many rounds one call may be made. */
const roundsMax = 16;
const followedMax = 1000;
/** They are said to the child all at once. */
const followedCharsMax = 1024 * 1024;

/** A session of a legacy client on a child that speaks only the modern era: mcpd keeps what the child will not. */
export class Elder {
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  readonly #sessionId: string;
  readonly #guest: Guest;
  #facts: ClientFacts = { client: undefined, capabilities: undefined, logLevel: undefined };
  readonly #followed = new Set<string>();
  readonly #inquiries: Inquiries;
  #hangUp: (() => void) | undefined;
  #again: NodeJS.Timeout | undefined;
  #introduced = false;
  #over = false;

  constructor(deps: ChildDeps, spec: ServerSpec, sessionId: string, guest: Guest) {
    this.#deps = deps;
    this.#spec = spec;
    this.#sessionId = sessionId;
    this.#guest = guest;
    guest.followers++;
    const withinMs = deps.pace.questionWithinMs;
    this.#inquiries = new Inquiries({ server: spec.name, sessionId, withinMs, onUpcall: deps.onUpcall });
  }

  /** The answer to the client's `initialize`. Rejects when there is no child. */
  async open(pass: Pass): Promise<Answer> {
    const { params } = await this.#guest.use(pass.call.halt, () => pass.spend());
    const said = pass.call.message.kind === 'request' ? pass.call.message.params : undefined;
    this.#facts = {
      client: said && member(said, ['clientInfo']),
      capabilities: said && member(said, ['capabilities']),
      logLevel: undefined,
    };
    const wanted = params['protocolVersion'];
    const version = legacyRevisions.find((it) => it === wanted) ?? legacyRevisions.at(-1) ?? '';
    const discovery = this.#guest.greeting ?? object([]);
    return { kind: 'result', text: greetingOf(discovery, version, this.#spec.name) };
  }

  /** Rejects as any forwarded call does, and with `CANNOT_CROSS` for what the modern era has no word for. */
  async forward(pass: Pass): Promise<Answer | undefined> {
    const { message } = pass.call;
    if (message.kind === 'reply') {
      pass.spend();
      this.#inquiries.answered(message);
      return undefined;
    }
    if (message.kind === 'notice') {
      pass.spend();
      if (message.method === 'notifications/initialized' && !this.#introduced) {
        this.#introduced = true;
        this.#follow();
      }
      return undefined;
    }
    const own = this.#ownAnswer(pass, message.method);
    if (own !== undefined) return own;
    if (pass.call.target.kind === 'task' || message.method === 'tasks/list')
      throw new Fault('CANNOT_CROSS', { detail: 'tasks of 2025-11-25' });
    return answerForLegacy(await this.#ask(pass, message));
  }

  /** The session is over; the child stays for its other users. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#guest.followers--;
    clearTimeout(this.#again);
    this.#hangUp?.();
    this.#inquiries.stop();
  }

  /** A child is there that knows nothing of what the session follows. Never throws. */
  refollow(): void {
    if (this.#over || !this.#introduced) return;
    try {
      this.#follow();
    } catch {
      // It has many to hear, and no room for this one now.
      this.#followLater();
    }
  }

  #followLater(): void {
    if (this.#over) return;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      if (this.#hangUp === undefined) this.refollow();
    }, this.#deps.pace.followAgainMs).unref();
  }

  /** What a session is told without its child. */
  #ownAnswer(pass: Pass, method: string): Answer | undefined {
    const { params, target } = pass.call;
    switch (method) {
      case 'ping':
        pass.spend();
        return nothing;
      case 'logging/setLevel': {
        const { level } = params;
        if (typeof level !== 'string') throw new Fault('BAD_PARAMS', { detail: 'level is not a string' });
        pass.spend();
        this.#facts = { ...this.#facts, logLevel: level };
        return nothing;
      }
      case 'resources/subscribe':
      case 'resources/unsubscribe': {
        if (target.kind !== 'resource') throw new Fault('BAD_PARAMS');
        const subscribes = method === 'resources/subscribe';
        if (subscribes && !this.#mayFollow(target.uri))
          throw new Fault('TOO_MANY', { detail: 'subscriptions' });
        pass.spend();
        const { greeting } = this.#guest;
        if (greeting !== undefined && !newsOf(greeting).subscribe)
          return { kind: 'error', text: errorBody(-32601, 'Method not found') };
        if (subscribes) this.#followed.add(target.uri);
        else this.#followed.delete(target.uri);
        this.#follow();
        return nothing;
      }
      default:
        return undefined;
    }
  }

  #mayFollow(uri: string): boolean {
    if (this.#followed.has(uri)) return true;
    const chars = [...this.#followed].reduce((sum, it) => sum + it.length, uri.length);
    return this.#followed.size < followedMax && chars <= followedCharsMax;
  }

  async #ask(pass: Pass, message: Request): Promise<Answer> {
    const { call } = pass;
    let params = paramsForModern(message.params, this.#facts);
    for (let round = 0; round < roundsMax; round++) {
      const answer = await this.#send(pass, params, round === 0);
      if (answer.kind === 'error') return answer;
      const type = member(answer.text, ['resultType']);
      if (type === undefined || type === '"complete"') return answer;
      // For example a task, which only those get who say that they know what it is.
      if (type !== '"input_required"')
        throw new Fault('UPSTREAM_GARBLED', { detail: 'a type of result that no legacy client knows' });
      const responses = await this.#inquiries.put(call, questionsIn(member(answer.text, ['inputRequests'])));
      if (responses === undefined) return unanswered;
      // The switch may have been thrown while a person was thinking.
      if (!pass.grounds.stands())
        throw new Fault('ORDERS_CHANGED', { detail: 'the policy changed between two rounds' });
      const state = member(answer.text, ['requestState']);
      params = paramsForModern(message.params, this.#facts, [
        ['inputResponses', object(responses)],
        ...(state === undefined ? [] : [['requestState', state] as const]),
      ]);
    }
    throw new Fault('UPSTREAM_GARBLED', { detail: `more than ${roundsMax} rounds` });
  }

  /** In each round the child that is there now: between two of them this one knows nothing that another would not. */
  #send(pass: Pass, params: JsonText, first: boolean): Promise<Answer> {
    const { call, grounds } = pass;
    return this.#guest.use(
      call.halt,
      (connection) =>
        new Promise((resolve, reject) => {
          const wantsLog = this.#facts.logLevel !== undefined;
          const { answerWithinMs } = this.#spec;
          const order = connection.order(pass, answerWithinMs, resolve, reject, { params, wantsLog });
          // The pass is spent with the first round; the others belong to the same call, as long as its decision stands.
          connection.send(first ? order : { ...order, pass: undefined, stands: grounds.stands });
        }),
    );
  }

  /** Asks the child for what a legacy server would have told by itself, and for what the client follows. */
  #follow(): void {
    const before = this.#hangUp;
    this.#hangUp = undefined;
    // The new stream begins before the old one ends: what happens in between would be told to nobody.
    try {
      this.#followAnew();
    } finally {
      before?.();
    }
  }

  #followAnew(): void {
    const { connection } = this.#guest.supervisor;
    const { greeting } = this.#guest;
    if (connection === undefined || greeting === undefined || this.#over) return;
    const news = newsOf(greeting);
    const filter = {
      ...(news.tools ? { toolsListChanged: true } : {}),
      ...(news.prompts ? { promptsListChanged: true } : {}),
      ...(news.resources ? { resourcesListChanged: true } : {}),
      ...(news.subscribe && this.#followed.size > 0 ? { resourceSubscriptions: [...this.#followed] } : {}),
    };
    if (Object.keys(filter).length === 0) return;
    const params = object([
      ['notifications', encode(filter)],
      ['_meta', object(metaForModern({ ...this.#facts, logLevel: undefined }))],
    ]);
    let mine: (() => void) | undefined = undefined;
    const ended = (how: 'over' | 'refused') => {
      if (this.#hangUp !== mine) return;
      // Ended by the child, not by us. Where the child itself has ended, there is nobody to ask until the next one comes.
      this.#hangUp = undefined;
      if (how === 'over') this.#followLater();
    };
    mine = connection.listen(params, (notice) => this.#heard(notice), ended);
    this.#hangUp = mine;
  }

  #heard(notice: Notice): void {
    if (notice.method === 'notifications/subscriptions/acknowledged') return;
    const audience = { kind: 'session', sessionId: this.#sessionId } as const;
    const message: Notice = { ...notice, params: newsForLegacy(notice.params) };
    const settle = () => undefined;
    this.#deps.onUpcall({ server: this.#spec.name, audience, message, callId: undefined, settle });
  }
}

const nothing: Answer = { kind: 'result', text: encode({}) };
const unanswered: Answer = {
  kind: 'error',
  text: encode({ code: -32603, message: 'The server asked for something that the client did not answer.' }),
};
