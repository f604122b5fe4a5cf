import type { Target } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { JsonText, Request } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import { decide } from '../policy/decide.ts';
import { encode, member, object, withMember, withoutMember } from '../protocol/codec.ts';
import { metaKeys } from '../protocol/era.ts';
import { takeUriApart } from '../protocol/qualify.ts';
import { reachableBy } from './hall-news.ts';
import type { HallPlane, Visit } from './hall-plane.ts';
import { mergedStream, type MergedStream } from './hall-stream.ts';
import { voiceOf } from './hall-voice.ts';
import { handleCall } from './handle-call.ts';

/** How long after its end a server's part is begun again: twice as long each time, up to this. */
const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/**
 * `subscriptions/listen` (2026-07-28 basic/patterns/subscriptions): one stream of all servers' news. A server that goes away is
 * followed again when it is back. Resolves when nothing is left to follow; rejects with `CANCELLED`.
 */
export async function followAll(visit: Visit, uris: readonly string[], plane: HallPlane): Promise<Outcome> {
  const { call, arrival, open } = visit;
  const { message } = call;
  if (message.kind !== 'request' || message.params === undefined)
    throw new Fault('BUG', { detail: 'a stream that nobody asked for' });
  const byServer = ownUris(uris, visit, plane);
  if ('refused' in byServer) return byServer.refused;
  const lists = wantedLists(message.params);
  const stream = mergedStream(message.id, lists, arrival.outlet, plane.data);

  const halts = new Set<Halt>();
  const following = new Set<string>();
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const follow = (server: string): void => {
    following.add(server);
    const params = filteredFor(message.params ?? object([]), byServer.own.get(server) ?? []);
    followOne(server, { ...message, params }, visit, stream, halts, plane)
      .catch(() => undefined) // It cannot be recorded, so it is not followed.
      .finally(() => {
        following.delete(server);
        stream.lost(server);
        if (following.size === 0) end();
      });
  };
  const place = { principal: call.principal, hall: arrival.server };
  const watcher = {
    ...place,
    known: reachableBy(place, plane),
    changed: (reachable: ReadonlySet<string>) => {
      for (const server of reachable) if (!following.has(server)) follow(server);
      stream.tellLists();
    },
  };
  const stopTimer = plane.after(plane.partWithinMs, () => stream.acknowledge());
  arrival.halt.listen((reason) => {
    for (const halt of halts) halt.call(reason);
    end();
  });
  try {
    const servers = lists.size > 0 ? open : [...byServer.own.keys()];
    stream.expect(servers);
    for (const server of servers) follow(server);
    if (following.size === 0) end();
    if (lists.size > 0) plane.guests.watch(watcher);
    await ended;
    if (arrival.halt.reason !== undefined) throw new Fault('CANCELLED', { detail: arrival.halt.reason });
  } finally {
    stopTimer();
    plane.guests.unwatch(watcher);
    arrival.halt.unlisten();
  }
  stream.acknowledge();
  const text = encode({ resultType: 'complete', _meta: { [metaKeys.subscription]: message.id } });
  return {
    kind: 'answered',
    answer: { kind: 'result', text: plane.data.redactor.clean(text) },
    opened: undefined,
  };
}

/** The stream of one server, begun again until it is refused or the whole is over. */
async function followOne(
  server: string,
  message: Request,
  { arrival }: Visit,
  stream: MergedStream,
  halts: Set<Halt>,
  plane: HallPlane,
): Promise<void> {
  const outlet = voiceOf(server, undefined, stream.from(server), plane.data);
  let pauseMs = firstPauseMs;
  for (let round = 1; ; round++) {
    const halt = new Halt();
    halts.add(halt);
    const id = `${arrival.id}/${server}${round === 1 ? '' : `/${round}`}`;
    const outcome = await handleCall({ ...arrival, id, server, message, halt, outlet }, plane.data);
    halts.delete(halt);
    if (arrival.halt.reason !== undefined || !comesBack(outcome)) return;
    if (stream.lost(server)) pauseMs = firstPauseMs;
    await pause(pauseMs, halts, plane);
    if (arrival.halt.reason !== undefined) return;
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
  }
}

/** The child ended, and may come back; anything else would end the same way again, or was meant to end it. */
function comesBack(outcome: Outcome): boolean {
  if (outcome.kind === 'answered') return outcome.answer.kind === 'result';
  return (
    outcome.kind === 'failed' && outcome.fault.side === 'upstream' && outcome.fault.code !== 'CANNOT_CROSS'
  );
}

function pause(ms: number, halts: Set<Halt>, { after }: HallPlane): Promise<void> {
  const halt = new Halt();
  halts.add(halt);
  return new Promise<void>((resolve) => {
    const stopTimer = after(ms, resolve);
    halt.listen(() => {
      stopTimer();
      resolve();
    });
  }).finally(() => halts.delete(halt));
}

/** Each server's own URIs. One that is unknown or denied refuses the whole, as at its server's own address. */
function ownUris(
  uris: readonly string[],
  { call, open }: Visit,
  { data }: HallPlane,
): { readonly own: ReadonlyMap<string, readonly string[]> } | { readonly refused: Outcome } {
  const { principal, target } = call;
  const orders = data.orders.current();
  const own = new Map<string, string[]>();
  for (const uri of uris) {
    const apart = takeUriApart(uri);
    const server = apart !== undefined && open.includes(apart.server) ? apart.server : '';
    const theirs: Target = { kind: 'subscription', uris: [apart?.rest ?? uri] };
    const decision = decide(orders, { server, principal, target: theirs, args: {} }, data.facts);
    if (decision.kind === 'deny') return { refused: { kind: 'refused', why: decision, target } };
    own.set(server, [...(own.get(server) ?? []), ...theirs.uris]);
  }
  return { own };
}

const listFlags: ReadonlyMap<string, string> = new Map([
  ['toolsListChanged', 'notifications/tools/list_changed'],
  ['promptsListChanged', 'notifications/prompts/list_changed'],
  ['resourcesListChanged', 'notifications/resources/list_changed'],
]);

/** Flag → the notification that was asked for by it. */
function wantedLists(params: JsonText): ReadonlyMap<string, string> {
  return new Map([...listFlags].filter(([flag]) => member(params, ['notifications', flag]) === 'true'));
}

function filteredFor(params: JsonText, uris: readonly string[]): JsonText {
  const filter = member(params, ['notifications']) ?? object([]);
  if (uris.length > 0)
    return withMember(params, ['notifications', 'resourceSubscriptions'], encode([...uris]));
  return withMember(params, ['notifications'], withoutMember(filter, 'resourceSubscriptions'));
}
