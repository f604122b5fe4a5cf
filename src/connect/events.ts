import { Lines } from '../fleet/lines.ts';
import { decodeUtf8 } from '../protocol/codec.ts';
import { Fault } from '../domain/faults.ts';

/** One event of a stream, or only its id: what is needed to go on after it. */
export type StreamEvent = {
  /** Empty for an event that only carries an id (2025-11-25 basic/transports, polling). */
  readonly text: string;
  readonly id: string | undefined;
  readonly retryMs: number | undefined;
};

const idCharsMax = 1024;
/** A stream that ends at once and says to come back at once would be a loop. */
const retryMsMin = 50;
const retryMsMax = 60_000;

/**
 * Reads server-sent events (WHATWG HTML, 9.2) as they come. An event that the end of the stream cuts off is none. Throws
 * `TOO_LARGE` for an event over the bound, `BAD_JSON` for one that is not UTF-8.
 */
export async function* readEvents(
  body: AsyncIterable<Buffer>,
  bytesMax: number,
): AsyncGenerator<StreamEvent, void> {
  let ready: StreamEvent[] = [];
  const event = new Growing(bytesMax, (whole) => ready.push(whole));
  const lines = new Lines(bytesMax + 'data: '.length, {
    line: (bytes) => event.line(decodeUtf8(bytes)),
    overlong: () => {
      throw new Fault('TOO_LARGE', { detail: 'an event' });
    },
  });
  for await (const chunk of body) {
    lines.feed(chunk);
    const whole = ready;
    ready = [];
    yield* whole;
  }
}

/** The event that is being read, line by line. */
class Growing {
  readonly #charsMax: number;
  readonly #whole: (event: StreamEvent) => void;
  #data: string[] = [];
  #chars = 0;
  #id: string | undefined;
  #retryMs: number | undefined;

  constructor(charsMax: number, whole: (event: StreamEvent) => void) {
    this.#charsMax = charsMax;
    this.#whole = whole;
  }

  line(line: string): void {
    if (line === '') return this.#end();
    const colon = line.indexOf(':');
    // A comment keeps an idle stream alive.
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.#chars += value.length;
      if (this.#chars > this.#charsMax) throw new Fault('TOO_LARGE', { detail: 'an event' });
      this.#data.push(value);
    } else if (field === 'id' && value.length <= idCharsMax && isHeaderText(value)) this.#id = value;
    else if (field === 'retry' && /^\d{1,9}$/.test(value))
      this.#retryMs = Math.min(Math.max(Number(value), retryMsMin), retryMsMax);
  }

  #end(): void {
    const event = { text: this.#data.join('\n'), id: this.#id, retryMs: this.#retryMs };
    this.#data = [];
    this.#chars = 0;
    this.#id = undefined;
    this.#retryMs = undefined;
    if (event.text !== '' || event.id !== undefined || event.retryMs !== undefined) this.#whole(event);
  }
}

/** An id goes back in the Last-Event-ID header, so it must be able to stand in one. */
function isHeaderText(value: string): boolean {
  return /^[\x20-\x7e]*$/.test(value);
}
