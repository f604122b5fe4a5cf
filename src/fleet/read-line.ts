import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText, Notice, Request, RequestId } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';
import {
  canonical,
  decodeUtf8,
  elements,
  encode,
  objectOf,
  readEnvelopeBytes,
  readId,
  type Bounds,
  type Envelope,
} from '../protocol/codec.ts';

/** One line from a child, judged by itself. */
export type ChildLine =
  | { readonly kind: 'answer'; readonly id: RequestId; readonly answer: Answer }
  /** It names the request it answers, and is no answer. */
  | { readonly kind: 'garbled'; readonly id: RequestId; readonly why: string }
  /** A message that answers something, but does not say what. */
  | { readonly kind: 'unplaced'; readonly why: string }
  | Request
  | Notice
  /** A request that must not be passed on; `id` is undefined where there is no usable one. */
  | { readonly kind: 'bad-request'; readonly id: RequestId | undefined; readonly why: string }
  | { readonly kind: 'garbage'; readonly why: string };

const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const SPACE = 0x20;

/** Reads one line. Never throws: whatever a child writes has a name here. */
export function readLine(bytes: Buffer, bounds: Bounds): ChildLine {
  const first = bytes[0];
  // Banners and arrays are turned away before they cost a parse.
  if (first === undefined || (first !== OPEN_OBJECT && first > SPACE))
    return { kind: 'garbage', why: 'not a JSON object' };
  try {
    return judge(readEnvelopeBytes(bytes, bounds));
  } catch (reason) {
    return unreadable(Fault.from(reason), first === OPEN_OBJECT);
  }
}

/** Messages in one array; JSON-RPC knows no bound, and each of them is work. */
const batchMax = 1_000;

/**
 * Reads one line of a child that may write several messages as one array (2025-03-26 basic, batching): each is judged by
 * itself, as if it had come alone. Never throws.
 */
export function readLines(bytes: Buffer, bounds: Bounds): readonly ChildLine[] {
  if (bytes[0] !== OPEN_ARRAY) return [readLine(bytes, bounds)];
  try {
    const batch = elements(canonical(decodeUtf8(bytes), { ...bounds, depthMax: bounds.depthMax + 1 }));
    if (batch.length === 0) return [{ kind: 'garbage', why: 'an empty batch' }];
    if (batch.length > batchMax) return [{ kind: 'unplaced', why: `a batch of more than ${batchMax}` }];
    return batch.map((text) => readLine(Buffer.from(text), bounds));
  } catch (reason) {
    return [unreadable(Fault.from(reason), true)];
  }
}

/** The wire id in the first or last bytes of a line too long to read. Most writers put it at one of these places. */
export function wireIdAtTheEdge(head: Buffer, tail: Buffer): number | undefined {
  const early = /^\{(?:"jsonrpc":"2\.0",)?"id":(\d{1,15}),/.exec(head.toString('latin1'));
  const late = /,"id":(\d{1,15})\}\r?$/.exec(tail.toString('latin1'));
  const digits = early?.[1] ?? late?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function judge(envelope: Envelope): ChildLine {
  const { jsonrpc, id, method } = envelope;
  if (method !== undefined) return judgeCall(envelope, method);
  if (id === undefined || id === 'null') return { kind: 'unplaced', why: 'a response without an id' };
  const wireId = idOf(id);
  if (wireId === undefined) return { kind: 'garbage', why: 'a response with a bad id' };
  if (jsonrpc !== '"2.0"') return { kind: 'garbled', id: wireId, why: 'jsonrpc is not "2.0"' };
  return judgeAnswer(wireId, envelope);
}

function judgeAnswer(id: RequestId, { result, error }: Envelope): ChildLine {
  if (result !== undefined) {
    // Some servers write `"error":null` beside a result; it says nothing.
    if (error !== undefined && error !== 'null')
      return { kind: 'garbled', id, why: 'a result and an error at once' };
    if (result.charCodeAt(0) !== OPEN_OBJECT)
      return { kind: 'garbled', id, why: 'the result is not an object' };
    return { kind: 'answer', id, answer: { kind: 'result', text: result } };
  }
  if (error === undefined || error === 'null')
    return { kind: 'garbled', id, why: 'neither a result nor an error' };
  return { kind: 'answer', id, answer: { kind: 'error', text: properError(error) } };
}

function judgeCall({ jsonrpc, id, params, result, error }: Envelope, method: JsonText): ChildLine {
  const wireId = id === undefined ? undefined : idOf(id);
  const refused = (why: string): ChildLine =>
    id === undefined ? { kind: 'garbage', why } : { kind: 'bad-request', id: wireId, why };
  if (id !== undefined && wireId === undefined)
    return refused('an id that is neither a string nor an integer');
  if (jsonrpc !== '"2.0"') return refused('jsonrpc is not "2.0"');
  if (method.charCodeAt(0) !== 0x22 || method.length > 1024) return refused('a method that is no name');
  if (result !== undefined || error !== undefined) return refused('a request and a response at once');
  if (params !== undefined && params.charCodeAt(0) !== OPEN_OBJECT)
    return refused('params that are not an object');
  const name = readJson(method) as string; // The first character was a quote.
  return wireId === undefined
    ? { kind: 'notice', method: name, params }
    : { kind: 'request', id: wireId, method: name, params };
}

function idOf(text: JsonText): RequestId | undefined {
  try {
    return readId(text);
  } catch {
    // Null, a float, a boolean, or too long: not an id.
    return undefined;
  }
}

/** An error object that clients can read: an integer code and a text, with whatever else the server put there. */
function properError(error: JsonText): JsonText {
  if (error.charCodeAt(0) !== OPEN_OBJECT)
    return encode({ code: -32603, message: 'The server reported an error without saying which.' });
  const said = objectOf(error);
  if (Number.isSafeInteger(said['code']) && typeof said['message'] === 'string') return error;
  const code = Number.isSafeInteger(said['code']) ? said['code'] : -32603;
  const message =
    typeof said['message'] === 'string' ? said['message'] : 'The server reported an error without a message.';
  return encode({ code, message, ...(said['data'] === undefined ? {} : { data: said['data'] }) });
}

/** A line that is JSON but too deep, or whose members look alike, was meant for somebody; a banner was not. */
function unreadable(fault: Fault, isMessage: boolean): ChildLine {
  const why = fault.detail ?? fault.says;
  const meant =
    isMessage && (fault.code === 'TOO_DEEP' || fault.code === 'TOO_LARGE' || fault.code === 'BAD_MESSAGE');
  return meant ? { kind: 'unplaced', why } : { kind: 'garbage', why };
}
