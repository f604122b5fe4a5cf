import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import type { Credentials } from '../../src/domain/caller.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Guesses } from '../../src/callers/guesses.ts';
import { keyRing } from '../../src/callers/key-ring.ts';
import { SignInDesk, type Admission, type Tokens } from '../../src/callers/sign-in.ts';
import { namePattern } from '../../src/policy/match.ts';

const secret = 'S'.repeat(43);
const key = (id: string) => `mcpd_${id}_${secret}`;
const record = (name: string, id: string, more: object = {}) => ({
  name,
  id,
  sha256: hash('sha256', key(id), 'hex'),
  createdAt: '2026-01-01T00:00:00.000Z',
  ...more,
});
const end = 10_000;
const keys = keyRing(
  [
    record('alice', 'AAAAAAAA', { servers: ['git*'] }),
    record('agent', 'GGGGGGGG'),
    record('eve', 'EEEEEEEE', { revokedAt: 'x' }),
    record('tom', 'TTTTTTTT', { expiresAt: new Date(end).toISOString() }),
  ],
  namePattern,
);
const admission: Admission = {
  keys,
  certificates: new Map([
    ['uri:spiffe://corp/agent', 'agent'],
    ['dns:bob.example', 'bob'],
  ]),
  users: new Map([[1000, 'carol']]),
  withoutKey: false,
};

const bearer = (token: string) => ({ kind: 'bearer', token }) as const;
const none = { kind: 'none' } as const;
const certificate = (
  names: readonly string[],
  and: Extract<Credentials, { kind: 'certificate' }>['and'] = none,
): Credentials => ({
  kind: 'certificate',
  certificate: { names, sha256: 'ab'.repeat(32), untilMs: end },
  and,
});
const agent = ['uri:spiffe://corp/agent'];

type House = { wallMs: number; steadyMs: number; used: string[]; checked: string[]; desk: SignInDesk };

function house(more: Partial<Admission> = {}, tokens?: Tokens): House {
  const it = { wallMs: 0, steadyMs: 0, used: [] as string[], checked: [] as string[] };
  const own: Tokens = {
    known: (token) =>
      token === 'known' ? { principal: { name: 'corp:k', via: 'token of corp' }, untilMs: end } : undefined,
    asks: () => true,
    check: async (token, resource) => {
      it.checked.push(`${token} for ${resource}`);
      if (token !== 'good') throw new Fault('UNAUTHENTICATED', { detail: 'bad signature' });
      return { principal: { name: 'corp:g', via: 'token of corp' }, untilMs: end };
    },
  };
  const desk = new SignInDesk(
    {
      tokens: tokens ?? own,
      resourceOf: (server) => `https://mcp.example/${server}`,
      guesses: new Guesses({ failuresMax: 3, checksMax: 2, asksMax: 2, placesMax: 100 }),
      used: (id) => it.used.push(id),
      wallMs: () => it.wallMs,
      steadyMs: () => it.steadyMs,
    },
    { ...admission, ...more },
  );
  return Object.assign(it, { desk });
}

const at = { server: 'git', remote: '10.0.0.1' };
const nameOf = async ({ desk }: House, credentials: Credentials) =>
  desk.identify(await desk.signIn(credentials, at)).name;
const refusal = async ({ desk }: House, credentials: Credentials, place = at): Promise<string> => {
  try {
    await desk.signIn(credentials, place);
  } catch (reason) {
    const fault = Fault.from(reason);
    assert.ok(!`${fault.message} ${fault.detail}`.includes(secret));
    return fault.code;
  }
  return 'let in';
};

const welcome: readonly (readonly [string, Credentials, string])[] = [
  ['a key', bearer(key('AAAAAAAA')), 'alice'],
  ['a token that is known', bearer('known'), 'corp:k'],
  ['a token that is good', bearer('good'), 'corp:g'],
  ['a mapped certificate', certificate(agent), 'agent'],
  [
    'a mapped certificate with a key of the same caller',
    certificate(agent, bearer(key('GGGGGGGG'))),
    'agent',
  ],
  ['a mapped user', { kind: 'user', uid: 1000 }, 'carol'],
];
for (const [what, credentials, name] of welcome)
  test(`${what} signs in as ${name}`, async () => {
    assert.equal(await nameOf(house(), credentials), name);
  });

const unwelcome: readonly (readonly [string, Credentials])[] = [
  ['nothing', none],
  ['an unknown key', bearer(key('ZZZZZZZZ'))],
  ['a revoked key', bearer(key('EEEEEEEE'))],
  ['a bad token', bearer('bad')],
  ['a malformed header', { kind: 'malformed', why: 'x' }],
  ['a certificate that is not mapped', certificate(['dns:x'])],
  ['a certificate of two callers', certificate([...agent, 'dns:bob.example'])],
  ['a certificate and the key of somebody else', certificate(agent, bearer(key('AAAAAAAA')))],
  ['a certificate and a wrong key', certificate(agent, bearer(key('ZZZZZZZZ')))],
  ['a certificate and a malformed header', certificate(agent, { kind: 'malformed', why: 'x' })],
  ['a certificate that is not mapped, with a good key', certificate(['dns:x'], bearer(key('GGGGGGGG')))],
  ['a certificate and the token of somebody else', certificate(agent, bearer('good'))],
  ['a user that is not mapped', { kind: 'user', uid: 0 }],
];
for (const [what, credentials] of unwelcome)
  test(`${what} does not sign in, nor where no key is needed, but for who brings nothing`, async () => {
    assert.equal(await refusal(house(), credentials), 'UNAUTHENTICATED');
    const open = house({ withoutKey: true });
    const bringsNothing = credentials.kind === 'none' || credentials.kind === 'user';
    assert.equal(await refusal(open, credentials), bringsNothing ? 'let in' : 'UNAUTHENTICATED');
    if (bringsNothing) assert.equal(await nameOf(open, credentials), 'anyone');
  });

test('a key, a certificate, a user and a known token are found good at once', () => {
  const { desk } = house();
  for (const credentials of [
    bearer(key('AAAAAAAA')),
    bearer('known'),
    certificate(agent),
    { kind: 'user', uid: 1000 } as const,
  ])
    assert.ok(!(desk.signIn(credentials, at) instanceof Promise));
});

test('a token is held against the server in the address', async () => {
  const one = house();
  await one.desk.signIn(bearer('good'), at);
  assert.deepEqual(one.checked, ['good for https://mcp.example/git']);
});

test('without an issuer there are no tokens', async () => {
  const { desk } = house();
  const bare = new SignInDesk(
    {
      tokens: undefined,
      resourceOf: () => '',
      guesses: new Guesses(),
      used: () => undefined,
      wallMs: () => 0,
      steadyMs: () => 0,
    },
    admission,
  );
  assert.throws(() => bare.signIn(bearer('good'), at), { code: 'UNAUTHENTICATED' });
  assert.notEqual(desk, bare);
});

test('a proof is held against new keys: whoever was revoked is out, everybody else stays in', async () => {
  const one = house();
  const { desk } = one;
  const proofs = await Promise.all(
    [
      bearer(key('AAAAAAAA')),
      bearer(key('GGGGGGGG')),
      bearer('good'),
      certificate(agent),
      certificate(agent, bearer(key('GGGGGGGG'))),
      { kind: 'user', uid: 1000 } as const,
    ].map(async (it) => desk.signIn(it, at)),
  );
  const names = () =>
    proofs.map((proof) => {
      try {
        return desk.identify(proof).name;
      } catch (reason) {
        return Fault.from(reason).code;
      }
    });
  assert.deepEqual(names(), ['alice', 'agent', 'corp:g', 'agent', 'agent', 'carol']);
  desk.replaceKeys(keyRing([record('alice', 'AAAAAAAA')], namePattern));
  assert.deepEqual(names(), ['alice', 'UNAUTHENTICATED', 'corp:g', 'agent', 'UNAUTHENTICATED', 'carol']);
  const [first] = proofs;
  assert.ok(first !== undefined);
  assert.equal(desk.identify(first).reach, undefined, 'the scope is that of the new keys');
});

test('a proof ends with its credential, though its request goes on', async () => {
  for (const credentials of [bearer(key('TTTTTTTT')), bearer('good'), certificate(agent)]) {
    const one = house();
    const proof = await one.desk.signIn(credentials, at);
    one.wallMs = end - 1;
    one.desk.identify(proof);
    one.wallMs = end;
    assert.throws(() => one.desk.identify(proof), { code: 'UNAUTHENTICATED' });
  }
});

test('what was not checked at the door is checked when it is asked about, and a token is not', () => {
  const { desk } = house();
  assert.equal(desk.identify(bearer(key('AAAAAAAA'))).name, 'alice');
  assert.throws(() => desk.identify(bearer('good')), { code: 'UNAUTHENTICATED' });
});

test('a guesser is told that it is too much; its neighbour with something good is not', async () => {
  const one = house();
  const answers: string[] = [];
  for (let i = 0; i < 5; i++) answers.push(await refusal(one, bearer(key('ZZZZZZZZ'))));
  assert.deepEqual(answers, [
    'UNAUTHENTICATED',
    'UNAUTHENTICATED',
    'UNAUTHENTICATED',
    'TOO_MANY',
    'TOO_MANY',
  ]);
  for (const [, credentials, name] of welcome) {
    one.steadyMs += 1000;
    assert.equal(await nameOf(one, credentials), name);
  }
  assert.equal(await refusal(one, none), 'UNAUTHENTICATED', 'to ask what to bring is no guess');
  assert.equal(await refusal(one, bearer('bad'), { ...at, remote: '10.0.0.2' }), 'UNAUTHENTICATED');
});

test('whoever is looked at again is told what its credential is worth, and counts for nothing', async () => {
  const one = house();
  const again = { ...at, again: true };
  for (let i = 0; i < 50; i++)
    assert.equal(await refusal(one, bearer(`taken back ${i}`), again), 'UNAUTHENTICATED');
  assert.equal(one.checked.length, 50);
  for (let i = 0; i < 3; i++) assert.equal(await refusal(one, bearer('bad')), 'UNAUTHENTICATED');
  assert.equal(await refusal(one, bearer('bad')), 'TOO_MANY');
  for (const credentials of [bearer('taken back'), bearer(key('EEEEEEEE'))])
    assert.equal(await refusal(one, credentials, again), 'UNAUTHENTICATED');
  assert.equal(await refusal(one, bearer('good'), again), 'let in');
});

test('no issuer is asked for a guesser, beyond one question a second', async () => {
  const one = house();
  for (let i = 0; i < 50; i++) await refusal(one, bearer(`bad ${i}`));
  assert.equal(one.checked.length, 4, 'the bound, and one more');
  one.steadyMs = 1000;
  assert.equal(await refusal(one, bearer('good')), 'let in');
});

test('each use of a key is noted with its id, and no use of a wrong one', async () => {
  const one = house();
  await nameOf(one, bearer(key('AAAAAAAA')));
  await refusal(one, bearer(key('EEEEEEEE')));
  assert.deepEqual(one.used, ['AAAAAAAA']);
});

test('what somebody signed in with stands until it is taken away', async () => {
  const { desk, ...one } = house();
  const whoIs = async (credentials: Credentials) => desk.identify(await desk.signIn(credentials, at));
  const all = await Promise.all(
    [bearer(key('AAAAAAAA')), bearer('good'), certificate(agent), { kind: 'user', uid: 1000 } as const].map(
      whoIs,
    ),
  );
  assert.ok(all.every((it) => desk.stands(it)));
  desk.replaceKeys(keyRing([record('alice', 'AAAAAAAA', { revokedAt: 'x' })], namePattern));
  assert.deepEqual(
    all.map((it) => desk.stands(it)),
    [false, true, true, true],
  );
  assert.equal(desk.stands({ name: 'anyone' }), false);
  assert.deepEqual(desk.callerNames(), ['agent', 'bob', 'carol']);
  assert.equal(one.wallMs, 0);
});
