/** Reads an event stream chunk by chunk and gives the data of each event that has any (WHATWG HTML 9.2.6). */
export class EventReader {
  readonly #take: (data: string) => void;
  #rest = '';
  #data: string[] = [];

  constructor(take: (data: string) => void) {
    this.#take = take;
  }

  feed(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  #line(line: string): void {
    if (line.startsWith('data:')) this.#data.push(line.slice(line.charAt(5) === ' ' ? 6 : 5));
    if (line !== '') return;
    const data = this.#data.join('\n');
    this.#data = [];
    // An event that only primes the stream with its id brings no message (2025-11-25 basic/transports, SSE polling).
    if (data !== '') this.#take(data);
  }
}
