import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../domain/message.ts';
import { canonical, decodeUtf8, encode, objectOf } from '../protocol/codec.ts';
import type { ReplyError } from '../operate/reply.ts';
import { checkLength } from './place.ts';
import { replyBytesMax } from './line.ts';
import { readToken, tokenPath } from './token.ts';
import { whoAmI } from './user-name.ts';

export { whoAmI } from './user-name.ts';

const NEWLINE = 0x0a;

/** What the daemon answered. `ok: false` may carry fields too: what took effect all the same. */
export type Answer =
  | { readonly ok: true; readonly [field: string]: unknown }
  | { readonly ok: false; readonly error: ReplyError; readonly [field: string]: unknown };

/** The daemon cannot be reached, or did not answer. */
export class NoAnswer extends Error {
  readonly code: 'NOT_RUNNING' | 'NOT_PERMITTED' | 'NO_ANSWER';
  readonly hint: string;

  constructor(code: NoAnswer['code'], says: string, hint: string, cause?: Error) {
    super(says, { cause });
    this.name = 'NoAnswer';
    this.code = code;
    this.hint = hint;
  }
}

export type AskOptions = {
  readonly answerWithinMs?: number;
  /** What the daemon may call us where it cannot ask the system. */
  readonly operator?: string;
  /** A person's own; without it, the token of this start is read from beside the socket. */
  readonly token?: string | undefined;
};

/** Sends one command and waits for its answer. Throws `NoAnswer`, and `CONFIG_INVALID` for a path that is too long. */
export async function ask(
  socketPath: string,
  command: string,
  args: Readonly<Record<string, Json>> = {},
  { answerWithinMs = 60_000, operator = whoAmI(), token }: AskOptions = {},
): Promise<Answer> {
  checkLength(Buffer.byteLength(socketPath), socketPath);
  const say = async (shown: string | undefined): Promise<Answer> => {
    const line = encode({ command, args, operator, ...(shown === undefined ? {} : { token: shown }) });
    const heard = await persist(() => exchange(socketPath, `${line}\n`, answerWithinMs), answerWithinMs);
    const reply = objectOf(canonical(decodeUtf8(heard), { bytesMax: replyBytesMax, depthMax: 64 }));
    if (typeof reply['ok'] !== 'boolean')
      throw new NoAnswer('NO_ANSWER', `what answers at ${socketPath} is not mcpd`, 'mcpd ctl status');
    // The daemon is the one writer of this line; `ok` decides which of the two shapes it has.
    return reply as Answer;
  };
  if (token !== undefined) return say(token);
  const first = readToken(tokenPath(socketPath));
  const answer = await say(first);
  if (answer.ok || answer.error.code !== 'NOT_PERMITTED') return answer;
  // A daemon that was started between the look at the file and the command has another token. It carried out nothing.
  const second = readToken(tokenPath(socketPath));
  return second === first ? answer : say(second);
}

/**
 * Tries again while the line before the socket is full (EAGAIN of a Unix socket, connect(2)): a process that comes and goes
 * without end must not keep an operator from the kill switch. Nothing was said yet, so nothing can be done twice.
 */
async function persist<T>(once: () => Promise<T>, withinMs: number): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    try {
      return await once();
    } catch (reason) {
      if (!isFull(reason) || performance.now() > until) throw reason;
      await sleep(tryAgainMs);
    }
  }
}

const tryAgainMs = 5;

function isFull(reason: unknown): boolean {
  return reason instanceof NoAnswer && (reason.cause as NodeJS.ErrnoException | undefined)?.code === 'EAGAIN';
}

function exchange(socketPath: string, line: string, answerWithinMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = connect(socketPath);
    const settle = (end: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      end();
    };
    const silent = (why: string) =>
      settle(() =>
        reject(
          new NoAnswer(
            'NO_ANSWER',
            `mcpd did not answer: ${why}`,
            'ask again: mcpd ctl status; then look into its log',
          ),
        ),
      );
    const timer = setTimeout(() => silent(`${answerWithinMs} ms passed`), answerWithinMs);
    socket.once('connect', () => socket.write(line));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > replyBytesMax) silent('its answer is too large');
      else if (chunk.includes(NEWLINE)) {
        const all = Buffer.concat(chunks);
        settle(() => resolve(all.subarray(0, all.indexOf(NEWLINE))));
      }
    });
    socket.once('end', () => silent('it hung up'));
    // When the daemon refuses a command before reading all of it, the write breaks although the answer is here.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      settle(() => reject(connectError(socketPath, error)));
    });
    socket.once('close', () => silent('it hung up'));
  });
}

function connectError(socketPath: string, error: NodeJS.ErrnoException): NoAnswer {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new NoAnswer(
        'NOT_RUNNING',
        `the daemon is not running: nothing answers at ${socketPath}`,
        'start it with: mcpd run; if it runs with another MCPD_STATE_DIR or --policies, give the same here',
      );
    case 'EACCES':
    case 'EPERM':
      return new NoAnswer(
        'NOT_PERMITTED',
        `you may not use ${socketPath}`,
        'run this as the user that mcpd runs as',
      );
    default:
      return new NoAnswer(
        'NO_ANSWER',
        `no answer from ${socketPath}: ${error.message}`,
        'ask again: mcpd ctl status',
        error,
      );
  }
}
