import type { Outlet } from '../domain/call.ts';
import type { JsonText, RequestId } from '../domain/message.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { array, elements, encode, member, noticeText, object } from '../protocol/codec.ts';
import { metaKeys } from '../protocol/era.ts';
import type { DataPlane } from './data-plane.ts';

/** Several servers' streams as one: one acknowledgement first, then everything else as it comes. */
export type MergedStream = {
  /** Whose acknowledgements are waited for. */
  readonly expect: (servers: readonly string[]) => void;
  /** Where a server's part says what it has to say. */
  readonly from: (server: string) => Outlet;
  /** A server's part has ended; gives whether it had been acknowledged. */
  readonly lost: (server: string) => boolean;
  /** Says what is honoured, once; servers that have not acknowledged yet join later. */
  readonly acknowledge: () => void;
  /** The lists that were asked for may have changed. */
  readonly tellLists: () => void;
};

/** Messages that wait for the acknowledgement. */
const heldMax = 256;

const acknowledged = 'notifications/subscriptions/acknowledged';

/**
 * The acknowledgement is the first message of a stream, and tells what will be heard on it (2026-07-28
 * basic/patterns/subscriptions): the hall itself tells of changed lists, so those are honoured as soon as they are wanted.
 */
export function mergedStream(
  id: RequestId,
  lists: ReadonlyMap<string, string>,
  outlet: Outlet,
  { redactor }: Pick<DataPlane, 'redactor'>,
): MergedStream {
  const expected = new Set<string>();
  const following = new Set<string>();
  const uris = new Map<string, readonly JsonText[]>();
  let held: RedactedJson[] | undefined = [];

  const say = (method: string, params: readonly (readonly [string, JsonText])[]): void => {
    const meta = encode({ [metaKeys.subscription]: id });
    outlet.send(redactor.clean(noticeText(method, object([...params, ['_meta', meta]]))));
  };
  const tellLists = (): void => {
    // Before the acknowledgement nobody has looked at a list on the strength of this stream.
    if (held === undefined) for (const method of lists.values()) say(method, []);
  };
  const acknowledge = (): void => {
    if (held === undefined) return;
    const waiting = held;
    held = undefined;
    const filter: [string, JsonText][] = [...lists.keys()].map((flag) => [flag, encode(true)]);
    const followed = [...uris.values()].flat();
    if (followed.length > 0) filter.push(['resourceSubscriptions', array(followed)]);
    say(acknowledged, [['notifications', object(filter)]]);
    for (const text of waiting) outlet.send(text);
  };
  const join = (server: string, text: JsonText): void => {
    following.add(server);
    const followed = member(text, ['params', 'notifications', 'resourceSubscriptions']);
    uris.set(server, followed?.startsWith('[') === true ? elements(followed) : []);
    // It was away, or late: whatever changed meanwhile was not heard.
    tellLists();
    expected.delete(server);
    if (expected.size === 0) acknowledge();
  };
  return {
    expect: (servers) => {
      for (const server of servers) expected.add(server);
    },
    from: (server) => ({
      send: (text) => {
        if (text.includes(acknowledged) && member(text, ['method']) === `"${acknowledged}"`) {
          join(server, text);
          return 'sent';
        }
        if (held === undefined) return outlet.send(text);
        if (held.length >= heldMax) return 'gone';
        held.push(text);
        return 'sent';
      },
    }),
    lost: (server) => {
      expected.delete(server);
      if (expected.size === 0) acknowledge();
      return following.delete(server);
    },
    acknowledge,
    tellLists,
  };
}
