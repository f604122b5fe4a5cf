// A stream is open for hours, and shows its credential once: it ends when that is taken back, whoever knows of it.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it, mock } from 'node:test';
import { Guesses } from '../../src/callers/guesses.ts';
import { SignInDesk } from '../../src/callers/sign-in.ts';
import { Fault } from '../../src/domain/faults.ts';
import { lookAgain } from '../../src/front/sign-in.ts';

describe('the credential of an open stream', () => {
  // What the issuer says of it now, and how often it was asked.
  const told = { is: 'good' as 'good' | 'revoked' | 'unavailable', times: 0 };
  const desk = new SignInDesk(
    {
      tokens: {
        known: () => undefined,
        asks: () => true,
        check: () => {
          told.times++;
          if (told.is === 'good')
            return Promise.resolve({ principal: { name: 'corp:alice' }, untilMs: Infinity });
          return Promise.reject(
            new Fault(told.is === 'revoked' ? 'UNAUTHENTICATED' : 'ISSUER_UNAVAILABLE', { detail: told.is }),
          );
        },
      },
      resourceOf: (server) => server,
      guesses: new Guesses(),
      used: () => undefined,
      wallMs: () => 0,
      steadyMs: () => 0,
    },
    { keys: { byId: new Map() }, certificates: new Map(), users: new Map(), withoutKey: false },
  );
  const plane = {
    signIn: desk.signIn.bind(desk),
    peers: {
      credentials: () => ({ kind: 'bearer', token: 'opaque' }) as const,
      remote: () => '127.0.0.1',
    },
  };
  /** Everything that was begun in this turn is done. */
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('is looked at again; a no ends the stream, and an issuer that cannot be asked does not', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const res = new EventEmitter();
      let ended = 0;
      // Only its `close` is listened to, and the request is handed on to `peers`.
      lookAgain({} as IncomingMessage, res as ServerResponse, 'fx', plane, () => void ended++);
      for (const [is, ends] of [
        ['good', 0],
        ['unavailable', 0],
        ['good', 0],
        ['revoked', 1],
      ] as const) {
        told.is = is;
        mock.timers.tick(30_000);
        await settled();
        assert.equal(ended, ends, is);
      }
      assert.equal(told.times, 4);
      res.emit('close');
      mock.timers.tick(300_000);
      await settled();
      assert.equal(told.times, 4, 'nobody asks about a stream that is closed');
    } finally {
      mock.timers.reset();
    }
  });
});
