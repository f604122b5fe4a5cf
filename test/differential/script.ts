/** What a client does, written down once and played against any server: messages as text, and waits for what comes back. */

export type Step =
  /** Sends a message, as it stands; a request is waited for. */
  | { readonly kind: 'send'; readonly text: string }
  /** Sends a request and goes on at once. */
  | { readonly kind: 'begin'; readonly text: string }
  /** Waits for the answer to a request that was begun; `id` as it is written in JSON. */
  | { readonly kind: 'answered'; readonly id: string }
  /** Waits until the server has said so many messages of this method in all. */
  | { readonly kind: 'heard'; readonly method: string; readonly times: number }
  /** Takes a text out of an answer that was seen; from here on it stands for `name` in what is sent. */
  | {
      readonly kind: 'learn';
      readonly name: string;
      readonly id: string;
      readonly path: readonly string[];
    }
  /** From here on the client leaves questions of this method without an answer. */
  | { readonly kind: 'unanswered'; readonly method: string };

export type Script = {
  readonly steps: readonly Step[];
  /** What the client answers when the server asks: method → the text of the result. Everything else is -32601. */
  readonly answers: ReadonlyMap<string, string>;
};

export const send = (text: string): Step => ({ kind: 'send', text });
export const begin = (text: string): Step => ({ kind: 'begin', text });
export const answered = (id: string): Step => ({ kind: 'answered', id });
export const heard = (method: string, times = 1): Step => ({ kind: 'heard', method, times });
export const unanswered = (method: string): Step => ({ kind: 'unanswered', method });
export const learn = (name: string, id: string, ...path: readonly string[]): Step => ({
  kind: 'learn',
  name,
  id,
  path,
});

/** A request; `params` is JSON text, so that digits, order and white space stay what they are. */
export const request = (id: number | string, method: string, params?: string): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)}${
    params === undefined ? '' : `,"params":${params}`
  }}`;

export const notice = (method: string, params?: string): string =>
  `{"jsonrpc":"2.0","method":${JSON.stringify(method)}${params === undefined ? '' : `,"params":${params}`}}`;

export const call = (id: number | string, name: string, args = '{}', more = ''): string =>
  request(id, 'tools/call', `{"name":${JSON.stringify(name)},"arguments":${args}${more}}`);

/** The handshake that begins every script. */
export function hello(revision: string, capabilities = '{}'): readonly Step[] {
  const params = `{"protocolVersion":"${revision}","capabilities":${capabilities},"clientInfo":{"name":"scripted","version":"1.0"}}`;
  return [send(request('hello', 'initialize', params)), send(notice('notifications/initialized'))];
}
