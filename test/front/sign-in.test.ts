/** The credential of an open stream is looked at again, whatever else comes from the same place. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { Guesses } from '../../src/callers/guesses.ts';
import { SignInDesk } from '../../src/callers/sign-in.ts';
import { Fault } from '../../src/domain/faults.ts';
import { lookAgain } from '../../src/front/sign-in.ts';

const remote = '10.0.0.1';
const lookEveryMs = 30_000;

type Issuer = { says: 'active' | 'not active' | 'nothing'; asked: number };

/** An issuer that has to be asked about each token, and a stream that was opened with one. */
function openStream(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let steadyMs = 0;
  const issuer: Issuer = { says: 'active', asked: 0 };
  const guesses = new Guesses({ failuresMax: 3, checksMax: 2, asksMax: 2, placesMax: 100 });
  const desk = new SignInDesk(
    {
      tokens: {
        known: () => undefined,
        asks: () => true,
        check: async () => {
          issuer.asked++;
          if (issuer.says === 'nothing') throw new Fault('ISSUER_UNAVAILABLE');
          if (issuer.says === 'not active') throw new Fault('UNAUTHENTICATED', { detail: 'not active' });
          return { principal: { name: 'corp:ana' }, untilMs: Number.POSITIVE_INFINITY };
        },
      },
      resourceOf: () => '',
      guesses,
      used: () => undefined,
      wallMs: () => 0,
      steadyMs: () => steadyMs,
    },
    { keys: { byId: new Map() }, certificates: new Map(), users: new Map(), withoutKey: false },
  );
  const stream = { ended: 0, res: new EventEmitter() };
  lookAgain(
    {} as IncomingMessage,
    stream.res as unknown as ServerResponse,
    'fx',
    {
      signIn: (credentials, door) => desk.signIn(credentials, door),
      peers: { credentials: () => ({ kind: 'bearer', token: 'opaque' }), remote: () => remote },
    },
    () => stream.ended++,
  );
  const guess = () => {
    for (let i = 0; i < 10; i++)
      assert.throws(() =>
        desk.signIn({ kind: 'bearer', token: `mcpd_wrong ${i}` }, { server: 'fx', remote }),
      );
  };
  const look = async () => {
    steadyMs += lookEveryMs;
    t.mock.timers.tick(lookEveryMs);
    await new Promise(setImmediate);
  };
  return { issuer, guesses, stream, guess, look, now: () => steadyMs };
}

describe('a stream that was opened with a token', () => {
  it('ends when the token is taken back, also where somebody fails to sign in all the time from its place', async (t) => {
    const { issuer, stream, guess, look } = openStream(t);
    await look();
    assert.equal(stream.ended, 0, 'while the token is good');
    issuer.says = 'not active';
    guess();
    await look();
    assert.equal(stream.ended, 1);
  });

  it('ends when the token is taken back, also where its place has as many questions under way as it may', async (t) => {
    const { issuer, guesses, stream, look, now } = openStream(t);
    for (let i = 0; i < 2; i++) assert.ok(guesses.begin(remote, now(), 'its issuer') !== undefined);
    issuer.says = 'not active';
    await look();
    assert.equal(stream.ended, 1);
  });

  it('goes on while the issuer cannot be asked, and is looked at again', async (t) => {
    const { issuer, stream, look } = openStream(t);
    issuer.says = 'nothing';
    await look();
    await look();
    assert.deepEqual([stream.ended, issuer.asked], [0, 2]);
    issuer.says = 'not active';
    await look();
    assert.equal(stream.ended, 1);
  });

  it('is no guesser: its looks take no failure from those who sign in from the same place', async (t) => {
    const { issuer, guesses, look, now } = openStream(t);
    issuer.says = 'not active';
    for (let i = 0; i < 2; i++) await look();
    for (let i = 0; i < 3; i++) assert.equal(guesses.failed(remote, now()), 'said');
  });

  it('is not looked at any more when its connection is closed', async (t) => {
    const { issuer, stream, look } = openStream(t);
    stream.res.emit('close');
    await look();
    assert.equal(issuer.asked, 0);
  });
});
