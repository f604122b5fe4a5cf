import type { Call } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer, JsonObject, JsonText, Notice } from '../domain/message.ts';
import type { Pass } from '../domain/pass.ts';
import type { Upcall } from '../domain/upstream.ts';
import { encode, object, objectOf, withMember } from '../protocol/codec.ts';
import { metaKeys } from '../protocol/era.ts';
import { newsOf } from '../protocol/translate.ts';

/** A child, or all children that serve the same callers alike, as far as news go. */
export type Source = {
  /** Which child; its end is the end of the streams on it. */
  readonly child: object;
  /** News of any child with this key reach every stream on one of them. */
  readonly key: string;
  readonly greeting: JsonText;
  /** A stream begins, or ends, that follows these resources. */
  readonly join: (call: Call, uris: readonly string[]) => void;
  readonly leave: (call: Call, uris: readonly string[]) => void;
};

type Follower = {
  readonly call: Call;
  readonly source: Source;
  readonly lists: ReadonlySet<string>;
  readonly uris: ReadonlySet<string>;
  readonly end: (how: Answer | Fault) => void;
};

/** Streams that are open at once, over all children of a server; and those of one caller, who must not be able to take all. */
const followersMax = 1024;
const perCallerMax = followersMax / 4;

/**
 * The streams that modern clients opened with `subscriptions/listen` on children of the legacy era, which know only
 * `resources/subscribe` and unasked-for `list_changed` (2026-07-28 basic/patterns/subscriptions).
 */
export class Followers {
  readonly #server: string;
  readonly #onUpcall: (upcall: Upcall) => void;
  readonly #all = new Set<Follower>();

  constructor(server: string, onUpcall: (upcall: Upcall) => void) {
    this.#server = server;
    this.#onUpcall = onUpcall;
  }

  /** Opens a stream; settles when it ends. Rejects with `TOO_MANY` or `CANCELLED`. */
  follow(pass: Pass, source: Source): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#isFull(pass.call.principal.name))
        throw new Fault('TOO_MANY', { detail: 'subscription streams' });
      const call = pass.spend();
      const honoured = honouredOf(call, source.greeting);
      source.join(call, honoured.uris);
      const follower: Follower = {
        call,
        source,
        lists: honoured.lists,
        uris: new Set(honoured.uris),
        end: (how) => {
          if (!this.#all.delete(follower)) return;
          call.halt.unlisten();
          source.leave(call, honoured.uris);
          if (how instanceof Fault) reject(how);
          else resolve(how);
        },
      };
      this.#all.add(follower);
      const ack = object([['notifications', honoured.filter]]);
      this.#send(follower, {
        kind: 'notice',
        method: 'notifications/subscriptions/acknowledged',
        params: ack,
      });
      call.halt.listen((reason) => follower.end(new Fault('CANCELLED', { detail: reason })));
    });
  }

  /** News from a child, for whoever follows it and asked for such news. */
  hear(key: string, notice: Notice): void {
    for (const follower of this.#all) {
      if (follower.source.key !== key) continue;
      if (follower.lists.has(notice.method)) this.#send(follower, notice);
      else if (notice.method === 'notifications/resources/updated' && concerns(follower.uris, notice))
        this.#send(follower, notice);
    }
  }

  /** The child is gone, or without one the server: its followers are told that the stream ends, and come again. */
  end(child?: object): void {
    for (const follower of [...this.#all]) {
      if (child !== undefined && follower.source.child !== child) continue;
      if (follower.call.message.kind !== 'request') continue;
      const text = encode({
        resultType: 'complete',
        _meta: { [metaKeys.subscription]: follower.call.message.id },
      });
      follower.end({ kind: 'result', text });
    }
  }

  #isFull(caller: string): boolean {
    let own = 0;
    for (const { call } of this.#all) if (call.principal.name === caller) own++;
    return this.#all.size >= followersMax || own >= perCallerMax;
  }

  #send({ call }: Follower, notice: Notice): void {
    if (call.message.kind !== 'request') return;
    const params = withMember(
      notice.params ?? object([]),
      ['_meta', metaKeys.subscription],
      encode(call.message.id),
    );
    const message: Notice = { ...notice, params };
    const audience = { kind: 'call', callId: call.id } as const;
    this.#onUpcall({ server: this.#server, audience, message, callId: call.id, settle: () => undefined });
  }
}

/** What of a filter a child can serve. */
function honouredOf(
  call: Call,
  greeting: JsonText,
): { readonly lists: ReadonlySet<string>; readonly uris: readonly string[]; readonly filter: JsonText } {
  const news = newsOf(greeting);
  const wanted = call.params['notifications'] as JsonObject; // The name of the call said it is an object.
  const lists = new Set<string>();
  const filter: JsonObject = {};
  for (const kind of ['tools', 'prompts', 'resources'] as const) {
    if (wanted[`${kind}ListChanged`] !== true || !news[kind]) continue;
    lists.add(`notifications/${kind}/list_changed`);
    filter[`${kind}ListChanged`] = true;
  }
  const uris = news.subscribe && call.target.kind === 'subscription' ? [...new Set(call.target.uris)] : [];
  if (uris.length > 0) filter['resourceSubscriptions'] = uris;
  return { lists, uris, filter: encode(filter) };
}

/** The URI that was followed, or something below it (2025-11-25 server/resources, subscriptions). */
function concerns(uris: ReadonlySet<string>, notice: Notice): boolean {
  const { uri } = objectOf(notice.params);
  if (typeof uri !== 'string') return false;
  if (uris.has(uri)) return true;
  for (const followed of uris)
    if (uri.startsWith(followed.endsWith('/') ? followed : `${followed}/`)) return true;
  return false;
}
