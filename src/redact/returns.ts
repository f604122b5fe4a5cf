import { createHash } from 'node:crypto';
import type { Returns } from '../domain/orders.ts';
import { stringOf } from './inspect-tree.ts';
import { memberOf, quoted, removeAt, setMember, textOf, type Tree } from './tree.ts';

/** A digest of a short text would only have to be tried out. */
const digestBytesMin = 64;

/** So much of a result as its tool's owner wants given out. Says why there is nothing that may be; undefined: it is done. */
export function curb(root: Tree, isError: boolean, returns: Returns, hasSchema: boolean): string | undefined {
  if (returns.mode === 'full' && Buffer.byteLength(textOf(root)) <= returns.bytesMax) return undefined;
  if (isError) {
    curbError(root, returns);
    return undefined;
  }
  const left = { bytes: returns.bytesMax };
  if (isTask(root)) {
    // What became of a task stands one level below.
    const inner = memberOf(root, 'result');
    const why = typeof inner === 'object' ? curbResult(inner, returns, hasSchema, left, false) : undefined;
    if (why !== undefined) return why;
    const error = memberOf(root, 'error');
    if (typeof error === 'object') curbError(error, returns);
  }
  return curbResult(root, returns, hasSchema, left, true);
}

type Left = { bytes: number };

function curbResult(
  holder: Tree,
  returns: Returns,
  hasSchema: boolean,
  left: Left,
  isRoot: boolean,
): string | undefined {
  const content = memberOf(holder, 'content');
  const isList = typeof content === 'object' && content.open === '[';
  if (isList) {
    for (const [index, block] of content.values.entries())
      content.values[index] = returns.mode === 'metadata' ? noteOf(block) : cutBlock(block, returns, left);
  } else if (content !== undefined && returns.mode !== 'metadata')
    setMember(holder, 'content', cutBlock(content, returns, left));
  const isCut = curbMembers(holder, returns, left, isRoot);
  // A caller looks for a list; whatever stood in its place or beside it is not given out.
  if (returns.mode === 'metadata' && !isList && (content !== undefined || (isCut && !isOnTheWay(holder))))
    setMember(holder, 'content', { open: '[', keys: [], values: [] });
  const structured = memberOf(holder, 'structuredContent');
  if (structured === undefined) return undefined;
  if (returns.mode === 'snippet' && typeof structured === 'object') {
    cutRest(structured, returns, left);
    return undefined;
  }
  if (returns.mode === 'full' && Buffer.byteLength(textOf(structured)) <= returns.bytesMax) return undefined;
  if (hasSchema && memberOf(holder, 'isError') !== 'true')
    return returns.mode === 'full'
      ? `the structured result is larger than the ${returns.bytesMax} bytes that may be given out`
      : 'only what kind of result it is may be given out, and the output schema of this tool asks for all of it';
  removeAt(holder, holder.keys.indexOf('"structuredContent"'));
  return undefined;
}

/** What a task says of itself (2025-11-25, and the extension of 2026-07-28), without a word of what it is doing. */
const taskMembers = quoted([
  ...['taskId', 'status', 'createdAt', 'lastUpdatedAt'],
  ...['ttl', 'ttlMs', 'pollInterval', 'pollIntervalMs'],
]);
/** What a server asks instead of answering, and must have back as it was. */
const questionMembers = quoted(['inputRequests', 'requestState']);
const relatedTask = '"io.modelcontextprotocol/related-task"';

function isTask(holder: Tree): boolean {
  return typeof memberOf(holder, 'taskId') === 'string' && typeof memberOf(holder, 'status') === 'string';
}

function isQuestion(holder: Tree): boolean {
  return ['resultType', 'status'].some((it) => memberOf(holder, it) === '"input_required"');
}

/** Not a result yet: the caller will ask again. */
function isOnTheWay(holder: Tree): boolean {
  return isTask(holder) || isQuestion(holder) || typeof memberOf(holder, 'task') === 'object';
}

/** Everything beside content and structured content: a server may write a whole file under any name. Says whether any went. */
function curbMembers(holder: Tree, returns: Returns, left: Left, isRoot: boolean): boolean {
  const ofTask = isTask(holder);
  const ofQuestion = isQuestion(holder);
  return keepMembers(holder, (key, value) => {
    if (key === '"content"' || key === '"structuredContent"') return value;
    if (key === '"isError"' && (value === 'true' || value === 'false')) return value;
    if (key === '"resultType"' && isName(value)) return value;
    if (ofQuestion && questionMembers.has(key)) return value;
    // Only these were curbed already: a result inside that calls itself a task may hold another one that nobody has looked at.
    const isInner = ofTask && isRoot && typeof value === 'object';
    if (isInner && (key === '"result"' || key === '"error"')) return value;
    if (ofTask && taskMembers.has(key) && isName(value)) return value;
    if (typeof value === 'object' && key === '"task"') return curbTask(value, returns, left);
    if (typeof value === 'object' && key === '"_meta"') return curbMeta(value, returns, left);
    return curbMember(key, value, returns, left);
  });
}

function curbTask(task: Tree, returns: Returns, left: Left): Tree {
  keepMembers(task, (key, value) =>
    taskMembers.has(key) && isName(value) ? value : curbMember(key, value, returns, left),
  );
  return task;
}

function curbMeta(meta: Tree, returns: Returns, left: Left): Tree | undefined {
  keepMembers(meta, (key, value) =>
    key === relatedTask && typeof value === 'object'
      ? curbTask(value, returns, left)
      : curbMember(key, value, returns, left),
  );
  return meta.values.length === 0 ? undefined : meta;
}

/**
 * What is left of each member; undefined: it goes. Says whether any went. In one pass: taken out one by one, the many members of
 * a hostile result would cost the square of their number, and nothing else would be done meanwhile.
 */
function keepMembers(
  tree: Tree,
  keep: (key: string, value: Tree | string) => Tree | string | undefined,
): boolean {
  const before = tree.values.length;
  let count = 0;
  for (const [index, value] of tree.values.entries()) {
    const key = tree.keys[index] ?? '';
    const kept = keep(key, value);
    if (kept === undefined) continue;
    tree.values[count] = kept;
    if (tree.open === '{') tree.keys[count] = key;
    count++;
  }
  tree.values.length = count;
  if (tree.open === '{') tree.keys.length = count;
  return count < before;
}

function curbMember(
  key: string,
  value: Tree | string,
  returns: Returns,
  left: Left,
): Tree | string | undefined {
  if (returns.mode !== 'snippet') return wholeMember(key, value, returns, left);
  // A name is a text too.
  if (Buffer.byteLength(key) > Math.max(returns.bytesMax, nameCharsMax)) return undefined;
  if (typeof value === 'string') return cutText(value, returns, left);
  cutRest(value, returns, left);
  return value;
}

/** What was cut here would be of no use; it is there or it is not. */
function wholeMember(
  key: string,
  value: Tree | string,
  returns: Returns,
  left: Left,
): Tree | string | undefined {
  if (returns.mode === 'metadata') return undefined;
  const bytes = Buffer.byteLength(key) + Buffer.byteLength(textOf(value));
  if (bytes > mostOf(returns, left)) return undefined;
  left.bytes = Math.max(0, left.bytes - bytes);
  return value;
}

/** So long is what names something: a type, a place, a task. */
const nameCharsMax = 256;

function isName(value: Tree | string): boolean {
  return typeof value === 'string' && value.length <= nameCharsMax;
}

/** Where a block says what it is. Cut, these would lead nowhere. */
const blockNames = quoted(['type', 'mimeType', 'uri', 'name']);
const fileMembers = quoted(['blob', 'data']);
/** What people read. A note in any other member makes a block that no client takes. */
const blockTexts = quoted(['text', 'title', 'description']);

/** One block of content, no longer than it may be. `left`: what the whole result may still hold. */
function cutBlock(block: Tree | string, returns: Returns, left: Left): Tree | string {
  if (typeof block !== 'object') return cutText(block, returns, left);
  const resource = memberOf(block, 'resource');
  const parts = typeof resource === 'object' ? [block, resource] : [block];
  for (const part of parts)
    for (const [index, value] of part.values.entries()) {
      const key = part.keys[index] ?? '';
      const isWhole = fileMembers.has(key) || (blockNames.has(key) && !isName(value));
      if (!isWhole || typeof value !== 'string') continue;
      // A file that was cut is no file, a place no place; it is there or it is not.
      const bytes = Buffer.byteLength(value);
      if (bytes > mostOf(returns, left)) return noteOf(block);
      left.bytes = Math.max(0, left.bytes - bytes);
    }
  for (const part of parts)
    keepMembers(part, (key, value) => {
      if (typeof value === 'object' && value === resource) return value;
      if (typeof value === 'string') {
        if (fileMembers.has(key) || blockNames.has(key)) return value;
        if (blockTexts.has(key) && value.startsWith('"')) return cutText(value, returns, left);
      } else if (key === '"annotations"' && textOf(value).length <= nameCharsMax) return value;
      return wholeMember(key, value, returns, left);
    });
  return block;
}

function mostOf(returns: Returns, left: Left): number {
  return returns.mode === 'snippet' ? returns.bytesMax : left.bytes;
}

/** A text as written, no longer than it may be; what is no text stays. */
function cutText(raw: string, returns: Returns, left: Left): string {
  const most = mostOf(returns, left);
  if (!raw.startsWith('"')) return raw;
  const value = stringOf(raw);
  const bytes = Buffer.byteLength(value);
  left.bytes = Math.max(0, left.bytes - bytes);
  return bytes > most ? JSON.stringify(cut(value, bytes, most)) : raw;
}

/** Every text below, no longer than it may be; member names stay. */
function cutRest(tree: Tree, returns: Returns, left: Left): void {
  for (const [index, value] of tree.values.entries()) {
    if (typeof value === 'object') cutRest(value, returns, left);
    else tree.values[index] = cutText(value, returns, left);
  }
}

/** The first so many bytes, to the end of a character, and how much there was. */
export function cut(value: string, bytes: number, most: number): string {
  if (bytes <= most) return value;
  const all = Buffer.from(value, 'utf8');
  let end = most;
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${all.toString('utf8', 0, end)}[cut by mcpd: ${end} of ${bytes} bytes shown]`;
}

/** What a block of content is, in place of what it says. */
function noteOf(block: Tree | string): Tree | string {
  const type = textAt(block, 'type') ?? 'unknown';
  const resource = memberOf(block, 'resource');
  const holder = typeof resource === 'object' ? resource : block;
  const kind = textAt(holder, 'mimeType') ?? type;
  const text = textAt(holder, 'text');
  if (text !== undefined)
    return textBlock(`[${short(kind)}, ${measured(Buffer.from(text, 'utf8'))}; withheld by mcpd]`);
  const file = textAt(holder, 'blob') ?? textAt(holder, 'data');
  if (file !== undefined)
    return textBlock(`[${short(kind)}, ${measured(Buffer.from(file, 'base64'))}; withheld by mcpd]`);
  return textBlock(`[${short(type)}; withheld by mcpd]`);
}

function measured(bytes: Buffer): string {
  const size = `${bytes.length} bytes`;
  if (bytes.length < digestBytesMin) return size;
  return `${size}, sha256 ${createHash('sha256').update(bytes).digest('hex')}`;
}

/** What a server calls the type of something is its word, and may be anything. */
function short(name: string): string {
  return /^[\w.+/-]{1,64}$/.test(name) ? name : 'unknown';
}

function textBlock(text: string): Tree {
  return { open: '{', keys: ['"type"', '"text"'], values: ['"text"', JSON.stringify(text)] };
}

function textAt(node: Tree | string | undefined, key: string): string | undefined {
  const raw = memberOf(node, key);
  return typeof raw === 'string' && raw.startsWith('"') ? stringOf(raw) : undefined;
}

/** An error may tell as much as a result. */
function curbError(error: Tree, returns: Returns): void {
  const message = textAt(error, 'message') ?? '';
  const bytes = Buffer.byteLength(message);
  const shown =
    returns.mode === 'metadata'
      ? `[${bytes} bytes; withheld by mcpd]`
      : cut(message, bytes, returns.bytesMax);
  setMember(error, 'message', JSON.stringify(shown));
  const left = { bytes: returns.bytesMax };
  keepMembers(error, (key, value) => {
    if (key === '"message"') return value;
    if (key === '"code"' && isName(value) && !textOf(value).startsWith('"')) return value;
    if (returns.mode !== 'snippet' || typeof value !== 'object') return undefined;
    return curbMember(key, value, returns, left);
  });
}
