import type { IncomingMessage } from 'node:http';
import { Fault } from '../domain/faults.ts';
import { decodeUtf8 } from '../protocol/codec.ts';
import type { TurnedAway } from '../protocol/wire-errors.ts';

/** Buffers of at least so many bytes are never cut out of Node's pool. */
const ownBytes = 64 * 1024;

/** Whether so many bytes more may be held; not undefined: they may not. */
export type Holds = (bytes: number) => TurnedAway | undefined;

/**
 * Reads a request body. Rejects with `TOO_LARGE` at the first byte beyond the bound, `BAD_MESSAGE` when it breaks off. What is
 * announced is not counted, only what is there: else whoever announces much and sends nothing would keep everybody out.
 * Whoever went away before it was read, while its credential was looked at, has broken off, too: nothing more is told of it, and
 * to wait for that would be to count its request for all time.
 */
export function readBody(req: IncomingMessage, bytesMax: number, holds: Holds): Promise<Buffer | TurnedAway> {
  return new Promise((resolve, reject) => {
    if (req.destroyed) {
      reject(new Fault('BAD_MESSAGE', { detail: 'the body broke off' }));
      return;
    }
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > bytesMax) {
        req.pause();
        reject(new Fault('TOO_LARGE', { detail: `more than ${bytesMax} bytes` }));
        return;
      }
      const away = holds(chunk.length);
      if (away !== undefined) {
        req.pause();
        resolve(away);
      } else if (first === undefined) first = chunk;
      else (chunks ??= [first]).push(chunk);
    });
    req.on('end', () => {
      const body = chunks === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, size);
      chunks?.forEach(giveBack);
      // The request is there for as long as its call, and with it these listeners: they must not hold the body a second time.
      first = chunks = undefined;
      resolve(body);
    });
    req.on('error', (cause) => reject(new Fault('BAD_MESSAGE', { detail: 'the body broke off', cause })));
    req.on('close', () => {
      if (!req.complete) reject(new Fault('BAD_MESSAGE', { detail: 'the body broke off' }));
    });
  });
}

/** The text of a body, whose bytes nobody may look at afterwards. Throws like `decodeUtf8`. */
export function textOf(body: Buffer): string {
  const text = decodeUtf8(body);
  giveBack(body);
  return text;
}

/**
 * Gives the memory of large bytes back at once. The collector sees only the handles, which are small, and would let dozens of
 * bodies of a megabyte lie. Nobody may look at the bytes afterwards: they are empty then.
 */
export function giveBack({ buffer, length }: Buffer): void {
  // Small ones share their memory with others.
  if (length >= ownBytes && buffer.byteLength === length && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
