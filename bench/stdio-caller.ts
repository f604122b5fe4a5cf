import { type ChildProcess, spawn } from 'node:child_process';
import { agreedText, callText, type Ask, type Caller, firstId, helloText, tokenOf } from './caller.ts';
import { type Expected, judge, type Sent, type Verdict } from './verdict.ts';

/** What to run. */
export type Command = { readonly file: string; readonly args: readonly string[] };

const lineBytesMax = 32 * 1024 * 1024;
const lineEnd = Buffer.from('\n');

/** A direct pipe to one echo child, which any number of callers share. */
export class StdioLine {
  readonly #child: ChildProcess;
  #waiting: ((line: Buffer) => void)[] = [];
  #unread: Buffer[] = [];
  #unreadBytes = 0;
  #toWrite = '';
  #id = firstId;

  constructor({ file, args }: Command) {
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Initialises the child. Rejects when it dies instead. */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', () => reject(new Error('The echo child ended.')));
      this.#ask(helloText, () => resolve());
    });
    this.#write(agreedText);
  }

  caller(session: number, ask: Ask, expected: Expected): Caller {
    let current: object | undefined;
    return {
      refresh: async () => {},
      call: (done: (verdict: Verdict) => void) => {
        this.#id += 1;
        const sent: Sent = { id: this.#id, token: tokenOf(session, this.#id) };
        const asked = (current = sent);
        this.#ask(callText(sent.id, sent.token, ask), (line) => {
          if (current === asked) done(judge([line], sent, expected));
        });
      },
      abandon: () => (current = undefined),
      close: () => {},
    };
  }

  close(): void {
    this.#child.stdin?.end();
  }

  /** The echo child answers in the order it was asked, so a reply needs no looking up. */
  #ask(text: string, take: (line: Buffer) => void): void {
    this.#waiting.push(take);
    this.#write(text);
  }

  // One write for all the calls that one chunk of replies sets off: a write each would be the slowest thing here.
  #write(text: string): void {
    if (this.#toWrite === '') {
      queueMicrotask(() => {
        this.#child.stdin?.write(this.#toWrite, 'latin1');
        this.#toWrite = '';
      });
    }
    this.#toWrite += text + '\n';
  }

  #read(chunk: Buffer): void {
    const waiting = this.#waiting;
    let answered = 0;
    let at = 0;
    for (let end = chunk.indexOf(lineEnd); end !== -1; end = chunk.indexOf(lineEnd, at)) {
      const rest = chunk.subarray(at, end);
      const line = this.#unread.length === 0 ? rest : Buffer.concat([...this.#unread, rest]);
      this.#unread = [];
      this.#unreadBytes = 0;
      at = end + 1;
      // Callers ask again while this runs, behind those that wait.
      waiting[answered]?.(line);
      answered += 1;
    }
    this.#waiting = waiting.slice(answered);
    if (at === chunk.length) return;
    this.#unread.push(chunk.subarray(at));
    this.#unreadBytes += chunk.length - at;
    if (this.#unreadBytes > lineBytesMax) throw new Error('The echo child sent too long a line.');
  }
}
