import type { Call } from '../domain/call.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import { encode } from '../protocol/codec.ts';
import type { Connection } from './connection.ts';
import { aFewAtATime } from './restore.ts';

/** What is remembered of one session; what it follows beyond that is lost when its child ends. */
const urisMax = 10_000;
const uriCharsMax = 4 * 1024 * 1024;

/** What a session asked of its own child, and what the child agreed to, so that the next one can be asked the same. */
export class Keepsake {
  readonly #uris = new Set<string>();
  #uriChars = 0;
  #level: JsonText | undefined;

  /** Whether the answer to a request is worth remembering. */
  static concerns(method: string): boolean {
    return (
      method === 'resources/subscribe' || method === 'resources/unsubscribe' || method === 'logging/setLevel'
    );
  }

  note({ message, params }: Call, answer: Answer): void {
    if (answer.kind === 'error' || message.kind !== 'request') return;
    if (message.method === 'logging/setLevel') this.#level = message.params;
    const { uri } = params;
    if (typeof uri !== 'string') return;
    if (message.method === 'resources/unsubscribe') {
      if (this.#uris.delete(uri)) this.#uriChars -= uri.length;
    } else if (message.method === 'resources/subscribe' && !this.#uris.has(uri)) {
      if (this.#uris.size >= urisMax || this.#uriChars + uri.length > uriCharsMax) return;
      this.#uris.add(uri);
      this.#uriChars += uri.length;
    }
  }

  /** Asks a new child for the same. Rejects when it does not answer; a refusal is its right. */
  async restore(connection: Connection, withinMs: number): Promise<void> {
    const level = this.#level;
    if (level !== undefined) await connection.own('logging/setLevel', level, withinMs);
    await aFewAtATime([...this.#uris], async (uri) => {
      // The session has taken it back meanwhile.
      if (this.#uris.has(uri)) await connection.own('resources/subscribe', encode({ uri }), withinMs);
    });
  }
}
