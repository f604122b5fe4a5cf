/** One HTTP response, whole. */
export type Reply = {
  readonly status: number;
  readonly eventStream: boolean;
  readonly sessionId: string | undefined;
  /** The server closes this connection now. */
  readonly closes: boolean;
  /** How long the server keeps an idle connection, when it says so. */
  readonly keptForMs: number | undefined;
  readonly body: Buffer;
};

type Head = Omit<Reply, 'body'>;
type Awaiting = 'head' | 'bytes' | 'chunk-size' | 'chunk-bytes' | 'chunk-end' | 'trailer';

const headBytesMax = 64 * 1024;
const bodyBytesMax = 32 * 1024 * 1024;
const nothing = Buffer.alloc(0);
const blankLine = Buffer.from('\r\n\r\n');
const lineEnd = Buffer.from('\r\n');

/**
 * Reads the responses of one HTTP/1.1 connection: by Content-Length or chunked. Much cheaper than node:http, whose client
 * would take as much of the machine as the gateway it measures. `push` throws on anything else.
 */
export class ReplyReader {
  readonly #onReply: (reply: Reply) => void;
  #awaiting: Awaiting = 'head';
  #unread: Buffer = nothing;
  #head: Head | undefined;
  #parts: Buffer[] = [];
  #bodyBytes = 0;
  #missing = 0;

  constructor(onReply: (reply: Reply) => void) {
    this.#onReply = onReply;
  }

  push(chunk: Buffer): void {
    const buffer = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    this.#unread = nothing;
    let at = 0;
    while (at < buffer.length) {
      const next = this.#step(buffer, at);
      if (next === undefined) {
        if (buffer.length - at > headBytesMax) throw new Error('A header or chunk line is too long.');
        this.#unread = buffer.subarray(at);
        return;
      }
      at = next;
    }
  }

  /** Reads one piece from `at` and says where the next begins, or nothing when the piece has not arrived whole. */
  #step(buffer: Buffer, at: number): number | undefined {
    switch (this.#awaiting) {
      case 'head':
        return this.#readHead(buffer, at);
      case 'bytes':
      case 'chunk-bytes':
        return this.#readBytes(buffer, at);
      case 'chunk-size':
        return this.#readChunkSize(buffer, at);
      case 'chunk-end':
        if (buffer.length < at + 2) return undefined;
        this.#awaiting = 'chunk-size';
        return at + 2;
      case 'trailer': {
        const end = buffer.indexOf(lineEnd, at);
        if (end === -1) return undefined;
        if (end === at) this.#finish();
        return end + 2;
      }
    }
  }

  #readHead(buffer: Buffer, at: number): number | undefined {
    const end = buffer.indexOf(blankLine, at);
    if (end === -1) return undefined;
    const text = buffer.toString('latin1', at, end);
    const lower = text.toLowerCase();
    const status = Number(text.slice(9, 12));
    if (!lower.startsWith('http/1.1 ') || Number.isNaN(status)) throw new Error('Not an HTTP/1.1 response.');
    if (status < 200) return end + 4;
    const kept = header(lower, lower, 'keep-alive')?.match(/timeout=(\d{1,6})/)?.[1];
    this.#head = {
      status,
      eventStream: header(lower, lower, 'content-type')?.startsWith('text/event-stream') ?? false,
      sessionId: header(text, lower, 'mcp-session-id'),
      closes: header(lower, lower, 'connection') === 'close',
      keptForMs: kept === undefined ? undefined : Number(kept) * 1000,
    };
    if (header(lower, lower, 'transfer-encoding') === 'chunked') this.#awaiting = 'chunk-size';
    else this.#expect(Number(header(lower, lower, 'content-length') ?? (status === 204 ? 0 : NaN)), 'bytes');
    return end + 4;
  }

  #readChunkSize(buffer: Buffer, at: number): number | undefined {
    const end = buffer.indexOf(lineEnd, at);
    if (end === -1) return undefined;
    const size = parseInt(buffer.toString('latin1', at, end), 16);
    if (size === 0) this.#awaiting = 'trailer';
    else this.#expect(size, 'chunk-bytes');
    return end + 2;
  }

  #expect(bytes: number, awaiting: 'bytes' | 'chunk-bytes'): void {
    if (Number.isNaN(bytes)) throw new Error('The response does not say how long it is.');
    this.#bodyBytes += bytes;
    if (this.#bodyBytes > bodyBytesMax) throw new Error('The response is too long.');
    this.#missing = bytes;
    this.#awaiting = awaiting;
    if (bytes === 0) this.#finish();
  }

  #readBytes(buffer: Buffer, at: number): number {
    const end = Math.min(at + this.#missing, buffer.length);
    this.#parts.push(buffer.subarray(at, end));
    this.#missing -= end - at;
    if (this.#missing === 0) {
      if (this.#awaiting === 'bytes') this.#finish();
      else this.#awaiting = 'chunk-end';
    }
    return end;
  }

  #finish(): void {
    const head = this.#head;
    if (head === undefined) throw new Error('A body came before its head.');
    const body = this.#parts.length === 1 ? (this.#parts[0] ?? nothing) : Buffer.concat(this.#parts);
    this.#head = undefined;
    this.#parts = [];
    this.#bodyBytes = 0;
    this.#awaiting = 'head';
    this.#onReply({ ...head, body });
  }
}

/** The value of a header; `lower` is `text` in lower case and of the same length. */
function header(text: string, lower: string, name: string): string | undefined {
  const found = lower.indexOf(`\r\n${name}:`);
  if (found === -1) return undefined;
  const begin = found + name.length + 3;
  const end = text.indexOf('\r\n', begin);
  return text.slice(begin, end === -1 ? undefined : end).trim();
}

/** The JSON-RPC messages of a reply: the body itself, or the `data` of each server-sent event. */
export function messagesIn(reply: Reply): Buffer[] {
  if (!reply.eventStream) return reply.body.length === 0 ? [] : [reply.body];
  const found: Buffer[] = [];
  let ofOneEvent: Buffer[] = [];
  for (let at = 0; at <= reply.body.length;) {
    const end = reply.body.indexOf(10, at);
    const line = reply.body.subarray(at, end === -1 ? undefined : end);
    at += line.length + 1;
    if (line.length > 5 && line.toString('latin1', 0, 5) === 'data:') ofOneEvent.push(line.subarray(5));
    else if (line.length <= 1 && ofOneEvent.length > 0) {
      found.push(ofOneEvent.length === 1 ? (ofOneEvent[0] ?? nothing) : Buffer.concat(ofOneEvent));
      ofOneEvent = [];
    }
  }
  // An event that no blank line ends was never sent, says the standard; so what is left is dropped.
  return found.filter((data) => data.some((byte) => byte > 32));
}
