import type { Call } from '../domain/call.ts';
import type { Denial, Finding } from '../domain/decision.ts';
import type { JsonText, Message } from '../domain/message.ts';
import { objectOf } from '../protocol/codec.ts';
import { metaKeys } from '../protocol/era.ts';
import type { Work } from './drive.ts';
import type { Meaning } from './hunt.ts';
import { inspectFields, inspectTree } from './inspect-tree.ts';
import { Inspection } from './inspection.ts';
import { denial } from './outward.ts';
import type { RedactRule } from './rules.ts';
import type { Search } from './search.ts';
import { copyOf, memberOf, quoted, textOf, treeOf, type Tree } from './tree.ts';

export type Inward =
  | { readonly kind: 'clean'; readonly call: Call; readonly found: readonly Finding[] }
  | { readonly kind: 'blocked'; readonly why: Denial; readonly found: readonly Finding[] };

/** What owners' patterns may read of one message at once: a quarter of a second at their slowest, mostly much less. */
export const patternCharsMax = 128 * 1024;

/** Where paths of fields begin. */
const handed = ['arguments', 'argument', 'context', 'inputResponses'];
/**
 * By these a call is decided, or an answer finds its way: a rule that blocks or reports counts for them and for all that they
 * hold, because a note can be hidden in a `task` as well as in the arguments. They are never replaced.
 */
const kept = quoted([
  ...['name', 'uri', 'ref', 'taskId', 'notifications'],
  ...['protocolVersion', 'capabilities', 'clientInfo', 'level', 'task', 'progress', 'total'],
]);
const keptPrefix = '"io.modelcontextprotocol/';
/** Names that every modern call has: a rule that blocks the word `client` must not refuse them all. */
const knownInMeta = quoted([...Object.values(metaKeys), 'io.modelcontextprotocol/related-task']);
/** Words that somebody made up who must find them again. They are not read; an object or a list is no such word. */
const unread = quoted(['cursor', 'requestState', 'progressToken', 'requestId']);
const unreadInMeta = quoted(['progressToken', 'traceparent', 'tracestate']);
/** Of the protocol's own words these stand in every call of its kind: a rule about dates must not block the handshake. */
const plainWord = /^"(?:\d{4}-\d{2}-\d{2}|debug|info|notice|warning|error|critical|alert|emergency)"$/;
const plainHolders = quoted(['protocolVersion', 'level']);
const plainHoldersInMeta = quoted([
  'io.modelcontextprotocol/protocolVersion',
  'io.modelcontextprotocol/logLevel',
]);

/** A call as the owner's rules let it pass. Text and meaning stay one: the parsed params are read from the new text. */
export function* inwardWork(
  call: Call,
  rules: readonly RedactRule[],
  secrets: Search<Meaning>,
  patternChars = Number.POSITIVE_INFINITY,
): Work<Inward> {
  const text = textIn(call.message);
  if (rules.length === 0 || text === undefined) return { kind: 'clean', call, found: [] };
  const inspection = new Inspection(rules, secrets, patternChars);
  const root = yield* treeOf(text);
  if (call.message.kind === 'reply') {
    // The answer to a server's question is the caller's own all through.
    inspectFields(root, inspection);
    yield* inspectTree(root, inspection, undefined);
  } else yield* inspectParams(root, inspection);
  if (inspection.blockedBy !== undefined) {
    const why = denial(`the call holds what the rule "${inspection.blockedBy}" lets nobody send`);
    return { kind: 'blocked', why, found: inspection.findings };
  }
  const after = textOf(root);
  return { kind: 'clean', call: after === text ? call : withText(call, after), found: inspection.findings };
}

function textIn(message: Message): JsonText | undefined {
  return message.kind === 'reply' ? message.answer.text : message.params;
}

/**
 * Everything but what is made up by machines: whatever is forwarded can carry something out, and a rule about `arguments`
 * alone is dodged by writing the same into `_meta`, into `task`, or under a name that nobody knows.
 */
function* inspectParams(root: Tree, inspection: Inspection): Work<void> {
  for (const name of handed) inspectFields(memberOf(root, name), inspection);
  const meta = memberOf(root, '_meta');
  const inParams = (key: string, value: Tree | string): Reading => {
    if (value === meta) return typeof meta === 'object' ? 'apart' : 'whole';
    if (typeof value === 'string' && unread.has(key)) return 'apart';
    if (typeof value === 'string' && plainHolders.has(key) && plainWord.test(value)) return 'apart';
    return kept.has(key) ? 'copy' : 'whole';
  };
  yield* inspectMembers(root, inParams, inspection);
  if (typeof meta !== 'object') return;
  const inMeta = (key: string, value: Tree | string): Reading => {
    if (typeof value === 'string' && unreadInMeta.has(key)) return 'apart';
    if (typeof value === 'string' && plainHoldersInMeta.has(key) && plainWord.test(value)) return 'apart';
    return key.startsWith(keptPrefix) ? 'copy' : 'whole';
  };
  yield* inspectMembers(meta, inMeta, inspection);
}

/** How a member is looked through: `whole`, with what is found replaced; a `copy` of it, which only counts; not, or elsewhere. */
type Reading = 'whole' | 'copy' | 'apart';

function* inspectMembers(
  tree: Tree,
  readingOf: (key: string, value: Tree | string) => Reading,
  inspection: Inspection,
): Work<void> {
  const readings = tree.values.map((value, index) => readingOf(tree.keys[index] ?? '', value));
  yield* inspectSome(tree, (index) => readings[index] === 'whole', inspection);
  for (const [index, reading] of readings.entries()) {
    if (reading !== 'copy') continue;
    const key = tree.keys[index] ?? '';
    const value = copyOf(tree.values[index] ?? 'null');
    // A name that is the protocol's says nothing; behind its prefix anything may be written.
    const isMadeUp = key.startsWith(keptPrefix) && !knownInMeta.has(key);
    const alone: Tree = isMadeUp
      ? { open: '{', keys: [key], values: [value] }
      : { open: '[', keys: [], values: [value] };
    yield* inspectTree(alone, inspection, undefined);
  }
}

/** Some members of an object, with their names. */
function* inspectSome(tree: Tree, isMeant: (index: number) => boolean, inspection: Inspection): Work<void> {
  const meant = [...tree.keys.keys()].filter(isMeant);
  const pick = <T>(from: readonly T[]): T[] => meant.map((index) => from[index] as T); // They come from there.
  const some: Tree = { open: '{', keys: pick(tree.keys), values: pick(tree.values) };
  yield* inspectTree(some, inspection, undefined);
  for (const [at, index] of meant.entries()) {
    tree.keys[index] = some.keys[at] ?? '';
    tree.values[index] = some.values[at] ?? 'null';
  }
}

function withText(call: Call, text: JsonText): Call {
  const { message } = call;
  if (message.kind === 'reply') {
    const answer = { ...message.answer, text };
    return { ...call, message: { ...message, answer } };
  }
  return { ...call, message: { ...message, params: text }, params: objectOf(text) };
}
