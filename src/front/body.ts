import type { IncomingMessage } from 'node:http';
import { Fault } from '../domain/faults.ts';
import type { TurnedAway } from '../protocol/wire-errors.ts';

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
    req.on('end', () =>
      resolve(chunks === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, size)),
    );
    req.on('error', (cause) => reject(new Fault('BAD_MESSAGE', { detail: 'the body broke off', cause })));
    req.on('close', () => {
      if (!req.complete) reject(new Fault('BAD_MESSAGE', { detail: 'the body broke off' }));
    });
  });
}
