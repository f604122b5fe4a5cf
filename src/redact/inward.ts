import type { Call } from '../domain/call.ts';
import type { Denial, Finding } from '../domain/decision.ts';
import type { JsonText, Message } from '../domain/message.ts';
import { objectOf } from '../protocol/codec.ts';
import type { Work } from './drive.ts';
import type { Meaning } from './hunt.ts';
import { inspectFields, inspectTree } from './inspect-tree.ts';
import { Inspection } from './inspection.ts';
import { denial } from './outward.ts';
import type { RedactRule } from './rules.ts';
import type { Search } from './search.ts';
import { copyOf, memberOf, textOf, treeOf, type Tree } from './tree.ts';

export type Inward =
  | { readonly kind: 'clean'; readonly call: Call; readonly found: readonly Finding[] }
  | { readonly kind: 'blocked'; readonly why: Denial; readonly found: readonly Finding[] };

/** What owners' patterns may read of one message at once: a quarter of a second at their slowest, mostly much less. */
export const patternCharsMax = 128 * 1024;

/** Where paths of fields begin. */
const handed = ['arguments', 'argument', 'context', 'inputResponses'];
/** By these a call is decided: a rule that blocks counts for them as well, but what was decided is never replaced. */
const decided: ReadonlySet<string> = new Set(['"name"', '"uri"', '"ref"', '"taskId"', '"notifications"']);
/** What the protocol finds its way by. */
const signposts: ReadonlySet<string> = new Set(
  [
    ...['cursor', 'requestState', 'protocolVersion', 'capabilities', 'clientInfo', 'level', 'task'],
    ...['progressToken', 'progress', 'total', 'requestId', 'traceparent', 'tracestate'],
  ].map((it) => `"${it}"`),
);

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
 * Everything that is not known to be the protocol's own: whatever is forwarded can carry something out, and a rule about
 * `arguments` alone is dodged by writing the same into `_meta`, or under a name that nobody knows.
 */
function* inspectParams(root: Tree, inspection: Inspection): Work<void> {
  for (const name of handed) inspectFields(memberOf(root, name), inspection);
  const isFixed = (key: string) => decided.has(key) || signposts.has(key) || key === '"_meta"';
  yield* inspectSome(root, (key) => !isFixed(key), inspection);
  const meta = memberOf(root, '_meta');
  const isProtocols = (key: string) => signposts.has(key) || key.startsWith('"io.modelcontextprotocol/');
  if (typeof meta === 'object') yield* inspectSome(meta, (key) => !isProtocols(key), inspection);
  for (const [index, key] of root.keys.entries())
    if (decided.has(key)) {
      const alone: Tree = { open: '[', keys: [], values: [copyOf(root.values[index] ?? 'null')] };
      yield* inspectTree(alone, inspection, undefined);
    }
}

/** Some members of an object, with their names. */
function* inspectSome(tree: Tree, isMeant: (key: string) => boolean, inspection: Inspection): Work<void> {
  const meant = [...tree.keys.keys()].filter((index) => isMeant(tree.keys[index] ?? ''));
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
