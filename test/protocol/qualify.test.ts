import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { JsonText } from '../../src/domain/message.ts';
import {
  isCut,
  isQualifiable,
  nameCharsMax,
  qualify,
  qualifyId,
  qualifyToken,
  qualifyUri,
  realName,
  takeApart,
  takeIdApart,
  takeTokenApart,
  takeUriApart,
} from '../../src/protocol/qualify.ts';

const json = (value: unknown): JsonText => JSON.stringify(value) as JsonText;
/** What a qualified name stands for, where the server offers these names. */
const readIn = (qualified: string, known: readonly string[]): string | undefined => {
  const apart = takeApart(qualified);
  return apart === undefined ? undefined : realName(apart, known);
};

const serverName = fc.stringMatching(/^[a-z0-9-]{1,32}$/);
/** Names as servers give them, and names that look like what the hall makes of others. */
const toolName = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }).filter(isQualifiable),
  fc.stringMatching(/^[a-z_]{0,70}_[0-9a-f]{8}$/),
  fc.stringMatching(/^[_-]{1,6}[a-b]{0,2}[_-]{0,3}$/),
  fc.constantFrom('constructor', '__proto__', 'toString', 'a__b', '_', '__', '-', ' ', 'Å', 'A\u030a'),
);

describe('the qualified name of a tool', () => {
  const table: readonly (readonly [server: string, name: string, qualified: string | RegExp])[] = [
    ['fs', 'read_file', 'fs__read_file'],
    ['a', 'b__c', 'a__b__c'],
    ['a', '_b', 'a___b'],
    ['a-b', 'c-d', 'a-b__c-d'],
    ['fs', 'x'.repeat(60), `fs__${'x'.repeat(60)}`],
    ['fs', 'x'.repeat(61), /^fs__x{51}_[0-9a-f]{8}$/],
    ['s'.repeat(32), 'x'.repeat(30), `${'s'.repeat(32)}__${'x'.repeat(30)}`],
    ['s'.repeat(32), 'x'.repeat(31), /^s{32}__x{21}_[0-9a-f]{8}$/],
    ['fs', 'lies/größe', /^fs__lies_gr__e_[0-9a-f]{8}$/],
    ['fs', 'a b', 'fs__a_b_c8687a08'],
    // It ends as a cut name does, so it is cut as well.
    ['fs', 'commit_deadbeef', /^fs__commit_deadbeef_[0-9a-f]{8}$/],
    ['fs', 'deadbeef', 'fs__deadbeef'],
    ['fs', '👍', /^fs___[0-9a-f_]{9}$/],
  ];
  for (const [server, name, qualified] of table) {
    it(`${JSON.stringify(name.slice(0, 20))} of ${server.slice(0, 10)} (${name.length} characters)`, () => {
      const got = qualify(server, name);
      if (typeof qualified === 'string') assert.equal(got, qualified);
      else assert.match(got, qualified);
      assert.equal(readIn(got, ['other', name, 'another']), name);
    });
  }

  it('fits what clients accept, begins with its server, and leads back to the one name it was made of', () => {
    fc.assert(
      fc.property(serverName, toolName, fc.array(toolName, { maxLength: 5 }), (server, name, others) => {
        const qualified = qualify(server, name);
        assert.match(qualified, /^[A-Za-z0-9_-]{1,64}$/);
        assert.ok(qualified.length <= nameCharsMax);
        assert.equal(takeApart(qualified)?.server, server);
        assert.equal(readIn(qualified, [...others, name]), name);
        assert.equal(qualify(server, name), qualified);
      }),
      { numRuns: 20_000 },
    );
  });

  it('is never that of another tool of any server', () => {
    const one = fc.tuple(serverName, toolName);
    fc.assert(
      fc.property(one, one, ([serverA, a], [serverB, b]) => {
        if (serverA === serverB && a === b) return;
        assert.notEqual(qualify(serverA, a), qualify(serverB, b));
      }),
      { numRuns: 50_000 },
    );
  });

  it('is not that of a tool whose real name is that form', () => {
    fc.assert(
      fc.property(serverName, toolName, (server, name) => {
        const { rest = '' } = takeApart(qualify(server, name)) ?? {};
        if (rest !== name) assert.notEqual(qualify(server, rest), qualify(server, name));
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('a qualified name leads nowhere', () => {
  const known = ['read_file', 'x'.repeat(61), 'a b', 'commit_deadbeef'];
  for (const [what, qualified] of [
    ['without a server', '__read_file'],
    ['without a name', 'fs__'],
    ['with one underscore', 'fs_read_file'],
    ['of a server that could not be called so', 'Fs__read_file'],
    ['of a server that could not be called so', 'f.s__read_file'],
    ['in a spelling that is not given: too long', `fs__${'x'.repeat(61)}`],
    ['in a spelling that is not given: another character', 'fs__a b'],
    ['in a spelling that is not given: looks cut', 'fs__commit_deadbeef'],
    ['that is cut and fits nothing known', 'fs__read_file_00000000'],
  ] as const) {
    it(`${what}: ${qualified.slice(0, 30)}`, () => assert.equal(readIn(qualified, known), undefined));
  }

  it('when it fits two names: a server could show one and run the other', () => {
    // 32 bits of a hash are found again by trying: two names with one beginning and one hash.
    const seen = new Map<string, string>();
    let twins: readonly [string, string] | undefined;
    for (let i = 0; twins === undefined; i++) {
      const name = `${'x'.repeat(60)}${i}`;
      const qualified = qualify('fs', name);
      const other = seen.get(qualified);
      if (other !== undefined) twins = [other, name];
      seen.set(qualified, name);
    }
    const [one, other] = twins;
    assert.equal(readIn(qualify('fs', one), [one]), one);
    assert.equal(readIn(qualify('fs', one), [one, other]), undefined);
    assert.equal(readIn(qualify('fs', one), [other, one]), undefined);
    assert.equal(readIn(qualify('fs', one), [one, one]), one);
  });

  it('when half of a surrogate pair is all there is: two such names would hash alike', () => {
    assert.equal(isQualifiable('\ud800'), false);
    assert.equal(readIn(qualify('fs', '\ud800'), ['\ud800']), undefined);
  });
});

describe('other things that are qualified', () => {
  it('a URI stays one, and leads back to its server and to itself', () => {
    fc.assert(
      fc.property(serverName, fc.webUrl(), (server, uri) => {
        const qualified = qualifyUri(server, uri);
        assert.ok(URL.canParse(qualified));
        assert.deepEqual(takeUriApart(qualified), { server, rest: uri });
      }),
    );
    assert.equal(qualifyUri('fs', 'file:///a/{name}'), 'mcpd.fs+file:///a/{name}');
    assert.deepEqual(takeUriApart('mcpd.a+mcpd.b+file:///x'), { server: 'a', rest: 'mcpd.b+file:///x' });
    for (const other of [
      'file:///x',
      'mcpd.+file:///x',
      'mcpd.fs+',
      'mcpd.fs',
      'MCPD.fs+file:///x',
      'xmcpd.fs+a:b',
    ])
      assert.equal(takeUriApart(other), undefined, other);
  });

  it('an id leads back, also one with dots in it', () => {
    assert.deepEqual(takeIdApart(qualifyId('fs', 'a.b.c')), { server: 'fs', rest: 'a.b.c' });
    for (const other of ['', 'fs', '.x', 'fs.', 'F.x']) assert.equal(takeIdApart(other), undefined, other);
  });

  it('a progress token leads back as it stood, a number a number', () => {
    for (const token of [1, -7, 0, 'a', '1', '', 'n1', 's', 'a.b', 'ü"\\'])
      assert.deepEqual(takeTokenApart(JSON.parse(qualifyToken('fs', json(token))) as string), {
        server: 'fs',
        token: json(token),
      });
    assert.equal(qualifyToken('fs', json(1.5)), '1.5');
    for (const other of ['fs.', 'fs.x1', 'fs.n', 'fs.n1e9', 'fs.n01', 'fs.n{}', 'fs.n1,"a":2'])
      assert.equal(takeTokenApart(other), undefined, other);
  });

  it('says of a name whether it was cut', () => {
    assert.equal(isCut('a_b_c8687a08'), true);
    assert.equal(isCut('read_file'), false);
  });
});
