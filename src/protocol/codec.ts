import { isAscii, isUtf8 } from 'node:buffer';
import { Fault } from '../domain/faults.ts';
import { readJson } from '../domain/read-json.ts';
import { fold } from './look-alike.ts';
import type { Answer, Json, JsonObject, JsonText, Message, RequestId } from '../domain/message.ts';
import { check, type Bounds, type Checked } from './canonical.ts';
import { hasControlByte } from './control-bytes.ts';

export type { Bounds } from './canonical.ts';

/** An id longer than this is refused: it would be carried through every record of the call. */
const idCharsMax = 1024;

/** Bytes → text. Throws `BAD_JSON` on invalid UTF-8 and on a byte order mark (RFC 8259 section 8.1). */
export function decodeUtf8(bytes: Buffer): string {
  // Most of what large results hold is ASCII, and then one byte is one character.
  if (isAscii(bytes)) return bytes.toString('latin1');
  // A lossy decoder would put U+FFFD where the child may see something else.
  if (!isUtf8(bytes)) throw new Fault('BAD_JSON', { detail: 'not valid UTF-8' });
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
    throw new Fault('BAD_JSON', { detail: 'byte order mark' });
  return bytes.toString('utf8');
}

/** Any JSON text → canonical text; see `canonical.ts` for what that means and what it throws. */
export function canonical(text: string, bounds: Bounds): JsonText {
  return check(text, bounds).text;
}

/** The members that an envelope may have, as they stand. Says nothing about whether they go together. */
export type Envelope = {
  readonly jsonrpc: JsonText | undefined;
  readonly id: JsonText | undefined;
  readonly method: JsonText | undefined;
  readonly params: JsonText | undefined;
  readonly result: JsonText | undefined;
  readonly error: JsonText | undefined;
};

/** Any JSON text → its envelope, in one pass. Throws as `canonical`, and `BAD_MESSAGE` when it is no JSON-RPC object. */
export function readEnvelope(text: string, bounds: Bounds): Envelope {
  return envelopeIn(check(text, bounds));
}

/** The same of bytes; also throws like `decodeUtf8`. */
export function readEnvelopeBytes(bytes: Buffer, bounds: Bounds): Envelope {
  // Of a large text the bytes tell sooner than its characters that no control character is in it.
  const controls = bytes.length >= largeBytes && !hasControlByte(bytes) ? 'none' : 'perhaps';
  return envelopeIn(check(decodeUtf8(bytes), bounds, controls));
}

const largeBytes = 4096;

function envelopeIn(checked: Checked): Envelope {
  if (checked.text.charCodeAt(0) !== 0x7b) throw new Fault('BAD_MESSAGE', { detail: 'not a JSON object' });
  const found: Found = {
    jsonrpc: undefined,
    id: undefined,
    method: undefined,
    params: undefined,
    result: undefined,
    error: undefined,
  };
  // Neither lists nor pairs are made on the way: this is done for every message.
  if (checked.spans === undefined) for (const it of members(checked.text)) put(found, it[0], it[1]);
  else
    for (const { key, from, to } of checked.spans) put(found, key, checked.text.slice(from, to) as JsonText);
  return found;
}

type Found = { -readonly [Name in keyof Envelope]: Envelope[Name] };

function put(found: Found, key: string, text: JsonText): void {
  switch (key) {
    case 'jsonrpc':
    case 'id':
    case 'method':
    case 'params':
    case 'result':
    case 'error':
      found[key] = text;
      return;
    default:
      refuseLookAlike(key);
  }
}

/** Names that mean something in an envelope or at the top of `params`. */
const reservedExactly: ReadonlySet<string> = new Set([
  ...['jsonrpc', 'id', 'method', 'params', 'result', 'error'],
  ...['name', 'uri', 'arguments', '_meta', 'task', 'taskId', 'ref', 'notifications'],
  ...['inputResponses', 'requestState'],
]);
const reserved: ReadonlySet<string> = new Set([...reservedExactly].map(fold));

/**
 * A reader that ignores case (Go's encoding/json) would take `Name` for `name` and run another tool than the one that was
 * decided (CVE-2026-27896, GHSA-4gph-2hhr-5mwg).
 */
function refuseLookAlike(key: string): void {
  if (key.length > 16 || reservedExactly.has(key)) return;
  if (reserved.has(fold(key)))
    throw new Fault('BAD_MESSAGE', { detail: 'a member differs from a reserved one only in case' });
}

/** The same of all names at the top of an object text; nothing but the names is cut out. */
function refuseLookAlikes(text: JsonText): void {
  let at = 1;
  while (text.charCodeAt(at) !== 0x7d) {
    const keyEnd = skipString(text, at);
    refuseLookAlike(nameIn(text, at, keyEnd));
    const end = skipValue(text, keyEnd + 1);
    if (text.charCodeAt(end) !== 0x2c) break;
    at = end + 1;
  }
}

/** A client's message. Throws `BAD_MESSAGE` when the envelope is not one of request, notification, response. */
export function readMessage(text: string, bounds: Bounds): Message {
  const envelope = readEnvelope(text, bounds);
  if (envelope.jsonrpc !== '"2.0"') throw new Fault('BAD_MESSAGE', { detail: 'jsonrpc is not "2.0"' });
  const { id, method, params, result, error } = envelope;
  if (method !== undefined) {
    if (result !== undefined || error !== undefined)
      throw new Fault('BAD_MESSAGE', { detail: 'a request and a response at once' });
    if (method.charCodeAt(0) !== 0x22) throw new Fault('BAD_MESSAGE', { detail: 'method is not a string' });
    if (params !== undefined) {
      if (params.charCodeAt(0) !== 0x7b)
        throw new Fault('BAD_MESSAGE', { detail: 'params is not an object' });
      refuseLookAlikes(params);
    }
    const name = readJson(method) as string;
    if (name.length > idCharsMax) throw new Fault('TOO_LARGE', { detail: 'method name' });
    return id === undefined
      ? { kind: 'notice', method: name, params }
      : { kind: 'request', id: readId(id), method: name, params };
  }
  if (params !== undefined) throw new Fault('BAD_MESSAGE', { detail: 'params without a method' });
  if (id === undefined) throw new Fault('BAD_MESSAGE', { detail: 'neither a method nor an id' });
  return { kind: 'reply', id: readId(id), answer: readAnswer(result, error) };
}

/** A JSON-RPC id. Throws `BAD_MESSAGE` unless it is a string or an integer that a double holds exactly. */
export function readId(text: JsonText): RequestId {
  if (text.charCodeAt(0) === 0x22) {
    if (text.length > idCharsMax + 2) throw new Fault('TOO_LARGE', { detail: 'id' });
    return readJson(text) as string;
  }
  const id = Number(text);
  // 2^53+1 would round to another call's id; 1.0, true and null are read as other things by other readers.
  if (!/^-?\d/.test(text) || !Number.isSafeInteger(id) || String(id) !== text) {
    throw new Fault('BAD_MESSAGE', { detail: 'id is neither a string nor an integer' });
  }
  return id;
}

/** The answer in a response. Throws `BAD_MESSAGE` unless it is exactly one of an object result and a proper error. */
export function readAnswer(result: JsonText | undefined, error: JsonText | undefined): Answer {
  if (result !== undefined && error !== undefined)
    throw new Fault('BAD_MESSAGE', { detail: 'a result and an error at once' });
  if (result !== undefined) {
    if (result.charCodeAt(0) !== 0x7b)
      throw new Fault('BAD_MESSAGE', { detail: 'the result is not an object' });
    return { kind: 'result', text: result };
  }
  if (error === undefined) throw new Fault('BAD_MESSAGE', { detail: 'neither a result nor an error' });
  if (error.charCodeAt(0) !== 0x7b) throw new Fault('BAD_MESSAGE', { detail: 'the error is not an object' });
  const { code, message } = objectOf(error);
  if (!Number.isSafeInteger(code) || typeof message !== 'string') {
    throw new Fault('BAD_MESSAGE', { detail: 'the error lacks an integer code or a message' });
  }
  return { kind: 'error', text: error };
}

/** What a text means. Numbers beyond 2^53 lose digits here; the text keeps them. */
export function valueOf(text: JsonText): Json {
  return readJson(text);
}

/** What an object text means; `{}` where there is none. Throws `BAD_PARAMS` for anything but an object. */
export function objectOf(text: JsonText | undefined): JsonObject {
  if (text === undefined) return {};
  if (text.charCodeAt(0) !== 0x7b) throw new Fault('BAD_PARAMS', { detail: 'not an object' });
  return readJson(text) as JsonObject;
}

/** Our own plain data → canonical text. */
export function encode(value: Json | object): JsonText {
  return JSON.stringify(value) as JsonText;
}

/** The members of an object text, each as it stands. */
export function members(text: JsonText): [string, JsonText][] {
  const found: [string, JsonText][] = [];
  if (text.charCodeAt(0) !== 0x7b) throw new Fault('BAD_PARAMS', { detail: 'not an object' });
  let at = 1;
  while (text.charCodeAt(at) !== 0x7d) {
    const keyEnd = skipString(text, at);
    const end = skipValue(text, keyEnd + 1);
    found.push([nameIn(text, at, keyEnd), text.slice(keyEnd + 1, end) as JsonText]);
    if (text.charCodeAt(end) !== 0x2c) break;
    at = end + 1;
  }
  return found;
}

/** What the member name means that stands in quotes from here to there. Hardly any holds an escape. */
function nameIn(text: JsonText, from: number, to: number): string {
  const name = text.slice(from + 1, to - 1);
  return name.includes('\\') ? (readJson(text.slice(from, to)) as string) : name;
}

/** One member of an object text as it stands, without cutting out the others. */
function memberOf(text: JsonText, wanted: string): JsonText | undefined {
  let at = 1;
  while (text.charCodeAt(at) !== 0x7d) {
    const keyEnd = skipString(text, at);
    const end = skipValue(text, keyEnd + 1);
    if (nameIn(text, at, keyEnd) === wanted) return text.slice(keyEnd + 1, end) as JsonText;
    if (text.charCodeAt(end) !== 0x2c) break;
    at = end + 1;
  }
  return undefined;
}

/** The elements of an array text, each as it stands; the first so many of them. */
export function elements(text: JsonText, countMax = Number.POSITIVE_INFINITY): JsonText[] {
  const found: JsonText[] = [];
  if (text.charCodeAt(0) !== 0x5b) throw new Fault('BAD_PARAMS', { detail: 'not an array' });
  let at = 1;
  while (text.charCodeAt(at) !== 0x5d && found.length < countMax) {
    const end = skipValue(text, at);
    found.push(text.slice(at, end) as JsonText);
    if (text.charCodeAt(end) !== 0x2c) break;
    at = end + 1;
  }
  return found;
}

function skipString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
}

/** Where a value of canonical text ends. It was checked before, so nothing here can run past the end. */
function skipValue(text: string, from: number): number {
  let at = from;
  let depth = 0;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = skipString(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (code === 0x7b || code === 0x5b) depth++;
    else if (code === 0x7d || code === 0x5d) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (code === 0x2c || code !== code)) return at;
    at++;
  }
}

/** An object of these members, in this order. */
export function object(entries: Iterable<readonly [string, JsonText]>): JsonText {
  const parts: string[] = [];
  for (const [key, text] of entries) parts.push(`${JSON.stringify(key)}:${text}`);
  return `{${parts.join(',')}}` as JsonText;
}

/** An array of these elements, in this order. */
export function array(items: readonly JsonText[]): JsonText {
  return `[${items.join(',')}]` as JsonText;
}

/** The text at a path of member names, or undefined where the path leads nowhere. */
export function member(text: JsonText, path: readonly string[]): JsonText | undefined {
  let found: JsonText | undefined = text;
  for (const key of path) {
    if (found.charCodeAt(0) !== 0x7b) return undefined;
    found = memberOf(found, key);
    if (found === undefined) return undefined;
  }
  return found;
}

/** The same text with the member at a path replaced or added, everything else as it stands. */
export function withMember(text: JsonText, path: readonly string[], value: JsonText): JsonText {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const entries = text.charCodeAt(0) === 0x7b ? members(text) : [];
  const at = entries.findIndex(([name]) => name === key);
  const inner = withMember(at < 0 ? ('{}' as JsonText) : (entries[at]?.[1] as JsonText), rest, value);
  if (at < 0) entries.push([key, inner]);
  else entries[at] = [key, inner];
  return object(entries);
}

/** The same object text without one of its members. */
export function withoutMember(text: JsonText, key: string): JsonText {
  const entries = members(text);
  const kept = entries.filter(([name]) => name !== key);
  return kept.length === entries.length ? text : object(kept);
}

function idText(id: RequestId): string {
  return typeof id === 'number' ? String(id) : JSON.stringify(id);
}

export function requestText(id: RequestId, method: string, params?: JsonText): JsonText {
  const tail = params === undefined ? '}' : `,"params":${params}}`;
  return `{"jsonrpc":"2.0","id":${idText(id)},"method":${JSON.stringify(method)}${tail}` as JsonText;
}

export function noticeText(method: string, params?: JsonText): JsonText {
  const tail = params === undefined ? '}' : `,"params":${params}}`;
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)}${tail}` as JsonText;
}

export function resultText(id: RequestId, result: JsonText): JsonText {
  return `{"jsonrpc":"2.0","id":${idText(id)},"result":${result}}` as JsonText;
}

/** An error response. Without an id where the request could not be read (no MCP schema allows a null id). */
export function errorText(id: RequestId | undefined, error: JsonText): JsonText {
  const head = id === undefined ? '' : `"id":${idText(id)},`;
  return `{"jsonrpc":"2.0",${head}"error":${error}}` as JsonText;
}

/** A JSON-RPC error object. */
export function errorBody(code: number, message: string, data?: Json): JsonText {
  return encode(data === undefined ? { code, message } : { code, message, data });
}
