import { isUtf8 } from 'node:buffer';
import { readJson } from '../domain/read-json.ts';
import type { Work } from './drive.ts';
import { shortCharsMax, type Inspection } from './inspection.ts';
import type { RedactRule } from './rules.ts';
import { charset, isIn } from './runs.ts';
import { memberOf, type Tree } from './tree.ts';

const charsPerStep = 64 * 1024;

/** What the protocol finds its way by, at the top of a message or one below: a marker there would lose the caller its answer. */
const signposts = new Set(
  [
    'jsonrpc',
    'id',
    'method',
    'type',
    'resultType',
    'nextCursor',
    'requestState',
    'taskId',
    'progressToken',
    'requestId',
  ].map((it) => `"${it}"`),
);

/**
 * The objects below the top that are the protocol's too. Not `structuredContent`, an error's `data` or what nobody knows: an
 * `id` there is a tool's own, and a rule that passed it over would let a number of staff out under that name.
 */
const signposted = new Set(['params', 'result', 'task', '_meta'].map((it) => `"${it}"`));

/** Replaces in a tree what an inspection finds: texts, numbers, member names. `root`: the top of a message. */
export function* inspectTree(tree: Tree, inspection: Inspection, root: Tree | undefined): Work<void> {
  if (!inspection.looksAtTexts) return;
  const stack: Tree[] = [tree];
  const top = new Set<Tree>();
  if (root !== undefined) {
    top.add(root);
    for (const [index, value] of root.values.entries())
      if (typeof value === 'object' && signposted.has(root.keys[index] ?? '')) top.add(value);
  }
  let chars = 0;
  for (;;) {
    const node = stack.pop();
    if (node === undefined) return;
    const isTop = top.has(node);
    const type = memberOf(node, 'type');
    const isMedia = type === '"image"' || type === '"audio"';
    for (const [index, value] of node.values.entries()) {
      const key = node.keys[index];
      if (typeof value === 'object') stack.push(value);
      else if (isTop && key !== undefined && signposts.has(key)) continue;
      else if (value.length > shortCharsMax)
        node.values[index] = yield* leaf(value, key, isMedia, inspection);
      else node.values[index] = shortLeaf(value, key, isMedia, inspection);
      chars += (key?.length ?? 0) + (typeof value === 'string' ? value.length : 1) + 16;
      if (chars < charsPerStep) continue;
      chars = 0;
      yield;
    }
    yield* inspectKeys(node, inspection);
  }
}

function shortLeaf(raw: string, key: string | undefined, isMedia: boolean, inspection: Inspection): string {
  const steps = leaf(raw, key, isMedia, inspection);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function* leaf(raw: string, key: string | undefined, isMedia: boolean, inspection: Inspection): Work<string> {
  if (raw.charCodeAt(0) !== 0x22) {
    if (!/^[-0-9]/.test(raw)) return raw;
    const marker = inspection.number(raw);
    return marker === undefined ? raw : JSON.stringify(marker);
  }
  const value = stringOf(raw);
  if (isMedia && key === '"data"' && isBase64(value)) return raw;
  const file = key === '"blob"' && isBase64(value) ? Buffer.from(value, 'base64') : undefined;
  // In what is no text, numbers stand by chance.
  if (file !== undefined && !isUtf8(file)) return raw;
  const before = file === undefined ? value : file.toString('utf8');
  const after = yield* inspection.longText(before);
  if (after === before) return raw;
  return JSON.stringify(file === undefined ? after : Buffer.from(after, 'utf8').toString('base64'));
}

/** Member names too. Two that come out alike would be two members of one name, and readers differ on which one counts. */
function* inspectKeys(node: Tree, inspection: Inspection): Work<void> {
  let taken: Set<string> | undefined;
  const counts = new Map<string, number>();
  for (const [index, raw] of node.keys.entries()) {
    const before = stringOf(raw);
    const after =
      before.length > shortCharsMax ? yield* inspection.longText(before) : inspection.text(before);
    if (after === before) continue;
    taken ??= new Set(node.keys);
    let written = JSON.stringify(after);
    for (let count = counts.get(after) ?? 1; taken.has(written);) {
      written = JSON.stringify(`${after} ${++count}`);
      counts.set(after, count);
    }
    taken.add(written);
    node.keys[index] = written;
  }
}

/** Replaces the whole values at the paths that the rules name, below `tree`. */
export function inspectFields(tree: Tree | string | undefined, inspection: Inspection): void {
  if (typeof tree !== 'object') return;
  for (const rule of inspection.rules)
    for (const path of rule.fields) replaceAt(tree, path, rule, inspection);
}

function replaceAt(tree: Tree, path: readonly string[], rule: RedactRule, inspection: Inspection): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  const name = JSON.stringify(key);
  for (const [index, value] of tree.values.entries()) {
    const fits = key === '*' || (tree.open === '{' ? tree.keys[index] === name : String(index) === key);
    if (!fits) continue;
    if (rest.length > 0) {
      if (typeof value === 'object') replaceAt(value, rest, rule, inspection);
      continue;
    }
    // There is nothing to hide in what is not there.
    if (value === 'null') continue;
    const isText = typeof value === 'string' && value.startsWith('"');
    const found = typeof value === 'string' ? (isText ? stringOf(value) : value) : plain(value);
    const marker = inspection.field(rule, found, isText);
    if (marker !== undefined) tree.values[index] = JSON.stringify(marker);
  }
}

function plain(tree: Tree): string {
  const inner = tree.values.map((value, index) => {
    const text = typeof value === 'string' ? value : plain(value);
    return tree.open === '{' ? `${tree.keys[index] ?? ''}:${text}` : text;
  });
  return tree.open + inner.join(',') + (tree.open === '{' ? '}' : ']');
}

/** What a JSON string means. */
export function stringOf(raw: string): string {
  // Safe: a string as the codec writes it.
  return raw.includes('\\') ? (readJson(raw) as string) : raw.slice(1, -1);
}

export function isBase64(value: string): boolean {
  // Not by a regular expression: on a file of many megabytes its stack of places to go back to runs over.
  let end = value.length;
  if (end % 4 !== 0) return false;
  for (let padding = 0; padding < 2 && value[end - 1] === '='; padding++) end--;
  for (let at = 0; at < end; at++) if (!isIn(value, at, charset.base64)) return false;
  return true;
}
