import type { IncomingMessage } from 'node:http';
import { Fault } from '../domain/faults.ts';

/** Reads a request body. Rejects with `TOO_LARGE` at the first byte beyond the bound, `BAD_MESSAGE` when it breaks off. */
export function readBody(req: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > bytesMax) {
        req.pause();
        reject(new Fault('TOO_LARGE', { detail: `more than ${bytesMax} bytes` }));
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
