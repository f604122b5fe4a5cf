import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/policy/decide.ts';
import { namesOf } from '../../src/protocol/look-alike.ts';
import { asks, condition, facts, me, ordersWith, rule, tool } from '../policy/support.ts';

describe('the names of members', () => {
  it('are listed once for each message where there are many, however many conditions ask for them', () => {
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`k${at}`, 0]));
    assert.equal(namesOf(wide), namesOf(wide));
    assert.deepEqual(namesOf({ __proto__: null, b: 1, a: 2 }), ['b', 'a']);
  });
});

describe('the work for one decision is bounded in', () => {
  it('what many paths make it look up on the disk', () => {
    const args = [condition('paths.*', [{ kind: 'within', folders: ['/tmp'] }])];
    const orders = ordersWith([rule('in tmp', 'allow', { tools: ['*'], args })]);
    let chars = 0;
    const counting = { ...facts, realPath: (path: string) => ((chars += path.length), '/tmp/x') };
    const decided = (paths: string[]) => decide(orders, asks(tool('x'), 'fx', me, { paths }), counting).kind;
    // As many steps of a path as fit into one: each costs a look at the disk.
    const deep = '/usr/..'.repeat(580);
    assert.equal(decided(Array.from({ length: 900 }, (_, at) => `${deep}/tmp/${at}`)), 'deny');
    assert.ok(chars <= 128 * 1024, `${chars} characters were looked up`);
    assert.equal(decided(Array.from({ length: 900 }, (_, at) => `/tmp/some/where/${at}/file.txt`)), 'allow');
  });

  it('what many texts make regular expressions read, and a denial is not dodged by that', () => {
    const matches = ['(?:(?:a|b){1,250}c?(?:a|b){1,250}){1,2}(?:[ab]{0,400})*'];
    const args = [condition('texts.*', [{ kind: 'text', like: [], matches }])];
    const texts = Array.from({ length: 60 }, () => 'ab'.repeat(30_000));
    const decided = (verdict: 'allow' | 'deny', given: string[]) => {
      const orders = ordersWith([
        rule('long', verdict, { tools: ['*'], args }),
        ...(verdict === 'deny' ? [rule('rest', 'allow', { tools: ['*'] })] : []),
      ]);
      return decide(orders, asks(tool('x'), 'fx', me, { texts: given }), facts).kind;
    };
    assert.equal(decided('allow', texts), 'deny');
    assert.equal(decided('deny', texts), 'deny');
    assert.equal(decided('allow', ['ab', 'ba']), 'allow');
  });
});
