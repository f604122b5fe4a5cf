import type { Listing } from '../domain/call.ts';
import { Fault, faults } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { Json, JsonObject, JsonText } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { UpstreamState } from '../domain/upstream.ts';
import {
  array,
  elements,
  encode,
  member,
  object,
  objectOf,
  withMember,
  withoutMember,
} from '../protocol/codec.ts';
import { metaKeys } from '../protocol/era.ts';
import { isCut } from '../protocol/qualify.ts';
import { qualifyEntry } from '../protocol/qualify-places.ts';
import { wordOutcome } from '../protocol/wire-errors.ts';
import { askAll, late } from './hall-all.ts';
import { enter, inBranch } from './hall-branch.ts';
import { reachableBy } from './hall-news.ts';
import type { HallPlane, Visit } from './hall-plane.ts';
import { voiceOf } from './hall-voice.ts';
import { handleCall } from './handle-call.ts';

/** For one server in one listing. */
const pagesMax = 100;
const entriesMax = 10_000;

/** What one server has to show. */
type Part = {
  readonly entries: readonly Entry[];
  /** Milliseconds that it may be kept; of the modern era. */
  readonly ttlMs: number;
  /** Why something is missing; undefined where nothing is. */
  readonly missing: string | undefined;
};
type Entry = NonNullable<ReturnType<typeof qualifyEntry>>;

/** One listing of all servers, on one page, ordered by server. Who could not be asked in time is named in `_meta`. */
export async function listAll(visit: Visit, of: Listing, plane: HallPlane): Promise<Outcome> {
  const { call, arrival, guest, open } = visit;
  // We never gave one.
  if (call.params['cursor'] !== undefined) throw new Fault('BAD_PARAMS', { detail: 'no such cursor' });
  // A task begins with a call, so that a server without a branch has none of this client's.
  const servers =
    of === 'tasks' && guest !== undefined ? open.filter((it) => guest.branch(it) !== undefined) : open;
  for (const server of servers) guest?.wasMissed(server);
  const states = plane.states();
  const answers = await askAll(servers, arrival.halt, plane, async (server, halt) => {
    // It would be waited for, perhaps in vain; when it is back, the client is told.
    const isDown = down.has(states.get(server)) && guest?.branch(server) === undefined;
    const part = isDown ? notRunning : await partOf(server, of, halt, visit, plane);
    if (part.missing !== undefined) guest?.missed(server);
    return part;
  });
  const parts = answers.map(([server, it]): Named => [server, it === late ? tooLate : it]);
  for (const [server, it] of answers) if (it === late) guest?.missed(server);
  if (guest?.watcher !== undefined) guest.watcher.known = reachableBy(guest.watcher, plane);
  for (const [server, { reason }] of visit.off) parts.push([server, out(reason)]);
  const text = call.session.era === 'modern' ? modern(of, parts, plane) : legacy(of, parts);
  return {
    kind: 'answered',
    answer: { kind: 'result', text: plane.data.redactor.clean(text) },
    opened: undefined,
  };
}

const nothing: Part = { entries: [], ttlMs: Infinity, missing: undefined };
const tooLate = out('It took too long.');
const notRunning = out(faults.UPSTREAM_DOWN.says);

const down: ReadonlySet<UpstreamState | undefined> = new Set([
  'backing-off',
  'given-up',
  'lacks-secret',
  'refused',
]);

const capabilityOf: Readonly<Record<Listing, string>> = {
  tools: 'tools',
  prompts: 'prompts',
  resources: 'resources',
  resourceTemplates: 'resources',
  tasks: 'tasks',
};

async function partOf(
  server: string,
  of: Listing,
  halt: Halt,
  visit: Visit,
  plane: HallPlane,
): Promise<Part> {
  const { arrival, call, guest } = visit;
  const { message } = call;
  if (message.kind !== 'request') throw new Fault('BUG', { detail: 'a listing that is no request' });
  const id = `${arrival.id}/${server}`;
  const to = { ...arrival, id, server, halt, outlet: voiceOf(server, guest, arrival.outlet, plane.data) };
  if (guest !== undefined) {
    const entered = await enter(to, guest, plane);
    if (entered.branch === undefined) return missing(entered.outcome, id);
    if (!entered.branch.offers.has(capabilityOf[of])) return nothing;
  }
  const base = pageParams(message.params);
  const entries: Entry[] = [];
  let params = base;
  let ttlMs = Infinity;
  for (let page = 1; page <= pagesMax && entries.length < entriesMax; page++) {
    const asking = { ...to, id: page === 1 ? id : `${id}/${page}`, message: { ...message, params } };
    const outcome =
      guest === undefined
        ? await handleCall(asking, plane.data)
        : (await inBranch(asking, guest, plane)).outcome;
    if (outcome.kind !== 'answered') return missing(outcome, asking.id);
    const { kind, text } = outcome.answer;
    if (kind === 'error') return hasNone(text) ? nothing : missing(outcome, asking.id);
    for (const entry of entriesIn(text, of)) {
      const named = qualifyEntry(server, of, entry);
      if (named !== undefined) entries.push(named);
    }
    ttlMs = Math.min(ttlMs, numberIn(text, 'ttlMs'));
    const cursor = member(text, ['nextCursor']);
    // The empty string is a cursor like any other; null is none.
    if (cursor?.startsWith('"') !== true)
      return { entries: distinct(server, of, entries, plane), ttlMs, missing: undefined };
    params = withMember(base, ['cursor'], cursor);
  }
  const all = distinct(server, of, entries, plane);
  return {
    entries: all,
    ttlMs,
    missing: `It lists more than ${entries.length} entries; the others are left out.`,
  };
}

/** Without the token: progress of several servers under one token would run backwards. */
function pageParams(params: JsonText | undefined): JsonText {
  if (params === undefined) return object([]);
  const meta = member(params, ['_meta']);
  return meta?.includes('"progressToken":') === true
    ? withMember(params, ['_meta'], withoutMember(meta, 'progressToken'))
    : params;
}

function entriesIn(text: JsonText, of: Listing): readonly JsonText[] {
  const listed = member(text, [of]);
  return listed?.startsWith('[') === true ? elements(listed) : [];
}

/**
 * Entries that share a name are left out, all of them: the caller would read about one and the server run another. Resources
 * may stand in a listing twice, because a URI means one thing to its server.
 */
function distinct(
  server: string,
  of: Listing,
  entries: readonly Entry[],
  { guests }: HallPlane,
): readonly Entry[] {
  if (of !== 'tools' && of !== 'prompts') return entries;
  const count = new Map<string, number>();
  for (const { qualified } of entries) count.set(qualified, (count.get(qualified) ?? 0) + 1);
  const kept = entries.filter(({ qualified }) => count.get(qualified) === 1);
  for (const { qualified, name } of kept) if (isCut(qualified)) guests.learn(server, name);
  return kept;
}

function hasNone(error: JsonText): boolean {
  return member(error, ['code']) === '-32601';
}

/** Why a server has no part, in the words in which it would have been refused at its own address. */
function missing(outcome: Outcome, id: string): Part {
  const { body, kind } = wordOutcome(outcome, id, 'legacy');
  const { message } = kind === 'error' ? objectOf(body) : {};
  return out(typeof message === 'string' ? message : 'It did not answer.');
}

function out(missing: string): Part {
  return { ...nothing, missing };
}

type Named = readonly [server: string, part: Part];
type Parts = readonly Named[];

function legacy(of: Listing, parts: Parts): JsonText {
  const meta = leftOut(parts);
  const listed: [string, JsonText] = [of, allOf(parts)];
  return object(Object.keys(meta).length === 0 ? [listed] : [listed, ['_meta', encode(meta)]]);
}

/** What differs by caller is nobody else's, and is kept no longer than the one that may be kept the shortest. */
function modern(of: Listing, parts: Parts, { version }: HallPlane): JsonText {
  const complete = parts.every(([, { missing }]) => missing === undefined);
  const ttlMs = complete ? Math.min(...parts.map(([, part]) => part.ttlMs)) : 0;
  return object([
    ['resultType', encode('complete')],
    [of, allOf(parts)],
    ['ttlMs', encode(Number.isFinite(ttlMs) ? ttlMs : 0)],
    ['cacheScope', encode('private')],
    ['_meta', encode({ [metaKeys.server]: { name: 'mcpd', version }, ...leftOut(parts) })],
  ]);
}

function allOf(parts: Parts): JsonText {
  return array(parts.flatMap(([, { entries }]) => entries.map(({ text }) => text)));
}

function leftOut(parts: Parts): JsonObject {
  const why: [string, Json][] = parts.flatMap(([server, { missing }]) =>
    missing === undefined ? [] : [[server, missing]],
  );
  return why.length === 0 ? {} : { 'mcpd/leftOut': Object.fromEntries(why) };
}

function numberIn(text: JsonText, key: string): number {
  const found = member(text, [key]);
  const value = found === undefined ? 0 : Number(found);
  return Number.isFinite(value) && value > 0 ? value : 0;
}
