/** What a JSON text means. Numbers are doubles here; the exact digits live in the text. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

declare const checked: unique symbol;
/**
 * JSON text in canonical form: valid, no duplicate member, no insignificant white space, strings with only the
 * escapes they need, numbers with the digits they came with, depth and size within bounds.
 * Only `protocol/codec.ts` makes one, so whatever holds one knows it was parsed once and means one thing.
 */
export type JsonText = string & { readonly [checked]: true };

/** A JSON-RPC id: a string, or an integer that a double holds exactly. `1` and `"1"` are different ids. */
export type RequestId = string | number;

export type Request = {
  readonly kind: 'request';
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonText | undefined;
};
/** What JSON-RPC calls a notification. */
export type Notice = {
  readonly kind: 'notice';
  readonly method: string;
  readonly params: JsonText | undefined;
};
/** What JSON-RPC calls a response. */
export type Reply = { readonly kind: 'reply'; readonly id: RequestId; readonly answer: Answer };
export type Message = Request | Notice | Reply;

/** How a request ended, as JSON text: the `result` value, or the `error` object with `code` and `message`. */
export type Answer =
  | {
      readonly kind: 'result';
      readonly text: JsonText;
      /** Set when the server waits for answers of the caller: what the next round asks for it by. */
      readonly held?: string | undefined;
    }
  | { readonly kind: 'error'; readonly text: JsonText };
