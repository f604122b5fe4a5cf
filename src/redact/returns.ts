import { createHash } from 'node:crypto';
import type { Returns } from '../domain/orders.ts';
import { stringOf } from './inspect-tree.ts';
import { memberOf, removeAt, setMember, textOf, type Tree } from './tree.ts';

/** A digest of a short text would only have to be tried out. */
const digestBytesMin = 64;

/** So much of a result as its tool's owner wants given out. Says why there is nothing that may be; undefined: it is done. */
export function curb(root: Tree, isError: boolean, returns: Returns, hasSchema: boolean): string | undefined {
  if (returns.mode === 'full' && Buffer.byteLength(textOf(root)) <= returns.bytesMax) return undefined;
  if (isError) {
    curbError(root, returns);
    return undefined;
  }
  // What became of a task stands one level below.
  for (const holder of [root, memberOf(root, 'result')]) {
    if (typeof holder !== 'object') continue;
    const why = curbResult(holder, returns, hasSchema);
    if (why !== undefined) return why;
  }
  return undefined;
}

function curbResult(holder: Tree, returns: Returns, hasSchema: boolean): string | undefined {
  const content = memberOf(holder, 'content');
  if (typeof content === 'object' && content.open === '[') {
    const left = { bytes: returns.bytesMax };
    for (const [index, block] of content.values.entries())
      content.values[index] = returns.mode === 'metadata' ? noteOf(block) : cutBlock(block, returns, left);
    if (returns.mode === 'metadata') keepOnly(holder, shownMembers);
  }
  const structured = memberOf(holder, 'structuredContent');
  if (structured === undefined) return undefined;
  if (returns.mode === 'snippet' && typeof structured === 'object') {
    cutStrings(structured, returns.bytesMax);
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

const shownMembers = new Set(['"content"', '"isError"', '"resultType"', '"structuredContent"']);

function keepOnly(tree: Tree, names: ReadonlySet<string>): void {
  for (let index = tree.keys.length - 1; index >= 0; index--)
    if (!names.has(tree.keys[index] ?? '')) removeAt(tree, index);
}

type Left = { bytes: number };

/** One block of content, no longer than it may be. `left`: what the whole result may still hold. */
function cutBlock(block: Tree | string, returns: Returns, left: Left): Tree | string {
  if (typeof block !== 'object') return block;
  const resource = memberOf(block, 'resource');
  const holder = typeof resource === 'object' ? resource : block;
  const text = memberOf(holder, 'text');
  const most = returns.mode === 'snippet' ? returns.bytesMax : left.bytes;
  if (typeof text === 'string' && text.startsWith('"')) {
    const value = stringOf(text);
    const bytes = Buffer.byteLength(value);
    left.bytes = Math.max(0, left.bytes - bytes);
    if (bytes > most) setMember(holder, 'text', JSON.stringify(cut(value, bytes, most)));
    return block;
  }
  for (const member of ['blob', 'data']) {
    const raw = memberOf(holder, member);
    if (typeof raw !== 'string') continue;
    // A file that was cut is no file; it is there or it is not.
    if (raw.length > most) return noteOf(block);
    left.bytes -= raw.length;
  }
  return block;
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

/** Every text below, no longer than it may be; member names stay. */
function cutStrings(tree: Tree, most: number): void {
  for (const [index, value] of tree.values.entries()) {
    if (typeof value === 'object') cutStrings(value, most);
    else if (value.length * 3 > most && value.startsWith('"')) {
      const text = stringOf(value);
      const bytes = Buffer.byteLength(text);
      if (bytes > most) tree.values[index] = JSON.stringify(cut(text, bytes, most));
    }
  }
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
  const data = memberOf(error, 'data');
  if (data === undefined) return;
  if (returns.mode === 'snippet' && typeof data === 'object') cutStrings(data, returns.bytesMax);
  else removeAt(error, error.keys.indexOf('"data"'));
}
