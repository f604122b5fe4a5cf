import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { JsonText } from '../domain/message.ts';
import { printable } from '../domain/printable.ts';
import { Lines } from '../fleet/lines.ts';
import { writeLine } from '../fleet/write-line.ts';
import { hear, tooLong, type Heard } from './heard.ts';
import { Relay } from './relay.ts';
import type { Upstream } from './wire.ts';

export type Streams = { readonly stdin: Readable; readonly stdout: Writable; readonly stderr: Writable };

/** For one message of the client's. */
const lineBounds = { bytesMax: 16 * 1024 * 1024, depthMax: 512 };
/** A client that has said everything may still want to hear the answers. */
const answerWithinMs = 60_000;
/** For the last words to be read. */
const flushWithinMs = 500;
const unreadNotesMax = 64 * 1024;

/**
 * Speaks MCP over stdio on behalf of one server of the running daemon, until the client closes its side, hangs up, or `stop`
 * fires. Diagnostics go to stderr, a sentence a line.
 */
export async function relayStdio(upstream: Upstream, streams: Streams, stop: AbortSignal): Promise<void> {
  const { stdin, stdout, stderr } = streams;
  const told = Promise.withResolvers<void>();
  stop.addEventListener('abort', () => told.resolve());
  // Nobody reads the answers any more, so nobody wants them made.
  stdout.on('error', () => told.resolve());
  stdout.on('close', () => told.resolve());
  // A client that does not read its server's stderr must not end it.
  stderr.on('error', () => undefined);

  const relay = new Relay({ upstream, say: sayTo(stdout), note: noteTo(stderr) });
  await Promise.race([told.promise, converse(stdin, relay)]);
  await relay.end();
  await Promise.race([told.promise, flushed(stdout)]);
}

/** Takes in the client's lines, one after the other, and stops reading while one cannot be passed on. */
async function converse(stdin: Readable, relay: Relay): Promise<void> {
  let heard: Heard[] = [];
  const lines = new Lines(lineBounds.bytesMax, {
    line: (bytes) => {
      if (!isBlank(bytes)) heard.push(hear(bytes, lineBounds));
    },
    overlong: () => heard.push(tooLong),
  });
  const passOn = async () => {
    const ready = heard;
    heard = [];
    for (const it of ready) await relay.take(it);
  };
  for await (const chunk of untilBroken(stdin)) {
    lines.feed(chunk);
    await passOn();
  }
  lines.end();
  await passOn();
  await Promise.race([relay.settled(), pause(answerWithinMs, undefined, { ref: false })]);
}

/** A pipe that breaks is a client that is gone: there is nothing left to read. Only of the pipe, or a fault would pass for it. */
async function* untilBroken(stdin: Readable): AsyncGenerator<Buffer> {
  try {
    yield* stdin as AsyncIterable<Buffer>;
  } catch {
    return;
  }
}

function sayTo(stdout: Writable): (message: JsonText) => Promise<void> {
  let drained: Promise<void> | undefined;
  return (message) => {
    if (stdout.write(writeLine(message))) return Promise.resolve();
    // One wait for all: an answer that nobody reads holds the next ones where they are, in the daemon.
    drained ??= new Promise((resolve) =>
      stdout.once('drain', () => {
        drained = undefined;
        resolve();
      }),
    );
    return drained;
  };
}

function noteTo(stderr: Writable): (sentence: string) => void {
  let last: string | undefined;
  return (sentence) => {
    // Said once is enough; a client in a loop would fill its user's log.
    if (sentence === last || stderr.writableLength > unreadNotesMax) return;
    last = sentence;
    stderr.write(`mcpd connect: ${printable(sentence)}\n`);
  };
}

function flushed(stdout: Writable): Promise<unknown> {
  const written = new Promise<void>((resolve) => stdout.write('', () => resolve()));
  return Promise.race([written, pause(flushWithinMs, undefined, { ref: false })]);
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09);
}
