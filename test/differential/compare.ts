import { at, writeTree, type Node } from '../support/oracle.ts';
import { idOf, isRequest, methodOf, streamOf, type Seen } from './transcript.ts';

/** A message as text, with the ids left out that each conversation has of its own. */
export type Told = { readonly stream: string; readonly text: string };

/**
 * Everything that a client saw, as text to the digit and in the order of members. Left out: the id of a question from the
 * server, mcpd's correlation ids, and what the server itself never says twice alike (`varies`).
 */
export function tell(seen: readonly Seen[], varies: readonly (readonly [RegExp, string])[]): readonly Told[] {
  const asked = new Set(seen.flatMap(({ message }) => (isRequest(message) ? [idOf(message)] : [])));
  return seen.map(({ stream, message }) => {
    let text = writeTree(withoutIds(message, asked));
    for (const [pattern, as] of varies) text = text.replaceAll(pattern, as);
    return { stream, text };
  });
}

/** What differs between the two; empty when a client cannot tell them apart. */
export function compare(
  direct: readonly Told[],
  through: readonly Told[],
  mayBeLate: (text: string) => boolean,
): readonly string[] {
  const missing = without(texts(direct), texts(through)).map((text) => `only directly:     ${short(text)}`);
  const added = without(texts(through), texts(direct)).map((text) => `only through mcpd: ${short(text)}`);
  if (missing.length + added.length > 0) return [...missing, ...added];
  return inOrder(direct, through, mayBeLate);
}

/** Each stream must bring its messages in the order in which the server said them. */
function inOrder(
  direct: readonly Told[],
  through: readonly Told[],
  mayBeLate: (text: string) => boolean,
): readonly string[] {
  const order = texts(direct).filter((text) => !mayBeLate(text));
  const wrong: string[] = [];
  for (const [stream, said] of byStream(through)) {
    let from = 0;
    for (const text of said.filter((it) => !mayBeLate(it))) {
      const found = order.indexOf(text, from);
      if (found < 0) wrong.push(`out of order on ${stream}: ${short(text)}`);
      else from = found + 1;
    }
  }
  return wrong;
}

/** Progress that came on another stream than that of the call it belongs to. */
export function misplaced(through: readonly Seen[], sent: readonly Node[]): readonly string[] {
  return through.flatMap(({ stream, message }) => {
    if (methodOf(message) !== 'notifications/progress') return [];
    const token = textOf(at(message, 'params', 'progressToken'));
    const call = sent.find((it) => textOf(at(it, 'params', '_meta', 'progressToken')) === token);
    const own = call === undefined ? undefined : streamOf(idOf(call) ?? '');
    return stream === own ? [] : [`progress of ${token} came on ${stream}`];
  });
}

function textOf(node: Node | undefined): string | undefined {
  return node === undefined ? undefined : writeTree(node);
}

function byStream(told: readonly Told[]): ReadonlyMap<string, readonly string[]> {
  const streams = new Map<string, string[]>();
  for (const { stream, text } of told) {
    const known = streams.get(stream);
    if (known === undefined) streams.set(stream, [text]);
    else known.push(text);
  }
  return streams;
}

function texts(told: readonly Told[]): string[] {
  return told.map(({ text }) => text);
}

/** What is left of the first list when each entry of the second has taken one equal entry away. */
function without(all: readonly string[], gone: readonly string[]): string[] {
  const left = [...all];
  for (const text of gone) {
    const found = left.indexOf(text);
    if (found >= 0) left.splice(found, 1);
  }
  return left;
}

function withoutIds(message: Node, asked: ReadonlySet<string | undefined>): Node {
  if (isRequest(message)) return withMember(message, ['id'], placeholder('a question'));
  const requestId = at(message, 'params', 'requestId');
  if (
    methodOf(message) === 'notifications/cancelled' &&
    requestId !== undefined &&
    asked.has(writeTree(requestId))
  )
    return withMember(message, ['params', 'requestId'], placeholder('a question'));
  if (at(message, 'error', 'data', 'correlationId') === undefined) return message;
  return withMember(message, ['error', 'data', 'correlationId'], placeholder('a correlation'));
}

function placeholder(what: string): Node {
  return { kind: 'word', text: `(${what})` };
}

/** The same tree with an existing member replaced. */
export function withMember(node: Node, path: readonly string[], value: Node): Node {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (node.kind !== 'object') return node;
  return {
    kind: 'object',
    members: node.members.map(
      ([name, it]) => [name, name === key ? withMember(it, rest, value) : it] as const,
    ),
  };
}

function short(text: string): string {
  return text.length <= 1000 ? text : `${text.slice(0, 1000)}… (${text.length} characters)`;
}
