import type { IncomingMessage } from 'node:http';
import { Fault } from '../domain/faults.ts';
import type { TurnedAway } from '../protocol/wire-errors.ts';

/** Whether so many bytes more may be held; not undefined: they may not. */
export type Holds = (bytes: number) => TurnedAway | undefined;

/**
 * Reads a request body. Rejects with `TOO_LARGE` at the first byte beyond the bound, `BAD_MESSAGE` when it breaks off. What is
 * announced is not counted, only what is there: else whoever announces much and sends nothing would keep everybody out.
 */
export function readBody(req: IncomingMessage, bytesMax: number, holds: Holds): Promise<Buffer | TurnedAway> {
  return new Promise((resolve, reject) => {
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
