import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { meantFor } from '../../src/fleet/meant-for.ts';
import { followedMax, Members } from '../../src/fleet/members.ts';
import { passOf, request } from './support.ts';

const session = (id: string, caller = 'ana') => ({
  id,
  principal: { name: caller },
  server: 'fx',
  era: 'legacy' as const,
  agreed: undefined,
});
const tooMany = (reason: unknown) => reason instanceof Fault && reason.code === 'TOO_MANY';

function membersOf(...ids: readonly string[]): Members {
  const members = new Members();
  for (const id of ids) members.join(session(id));
  return members;
}

describe('who follows what', () => {
  it('a resource is followed until the last session stops or ends', () => {
    const members = membersOf('A', 'B');
    assert.equal(members.follow('A', 'x:/1'), true);
    assert.equal(members.follow('A', 'x:/1'), false);
    members.follow('B', 'x:/1');
    assert.equal(members.isFollowedBesides('A', 'x:/1'), true);
    members.unfollow('A', 'x:/1');
    assert.equal(members.isFollowed('x:/1'), true);
    assert.equal(members.isFollowedBesides('B', 'x:/1'), false);
    assert.deepEqual(members.leave('B'), ['x:/1']);
    assert.deepEqual([members.followed, members.size], [0, 1]);
    assert.deepEqual(members.leave('B'), []);
  });

  it('a session that is not there follows nothing', () => {
    const members = membersOf('A');
    assert.throws(
      () => members.follow('B', 'x:/1'),
      (reason) => reason instanceof Fault && reason.code === 'UNKNOWN_SESSION',
    );
    assert.equal(members.followed, 0);
  });

  it('news of a resource reach those who follow it or what contains it, and nobody who follows its neighbour', () => {
    const members = membersOf('itself', 'folder', 'slash', 'root', 'prefix', 'below', 'other');
    members.follow('itself', 'file:///a/b.txt');
    members.follow('folder', 'file:///a');
    members.follow('slash', 'file:///a/');
    members.follow('root', 'file:///');
    members.follow('prefix', 'file:///a/b');
    members.follow('below', 'file:///a/b.txt/c');
    members.follow('other', 'file:///ab');
    assert.deepEqual([...members.followersOf('file:///a/b.txt')].sort(), [
      'folder',
      'itself',
      'root',
      'slash',
    ]);
    assert.deepEqual(members.followersOf('https://a'), []);
    assert.deepEqual(members.followersOf(''), []);
  });

  it('a URI with more steps than anybody names, or longer than any may be, costs little and reaches who named it whole', () => {
    const members = membersOf('A', 'B');
    const deep = `x:${'/'.repeat(60_000)}`;
    members.follow('A', deep);
    members.follow('B', 'x:');
    assert.deepEqual(members.followersOf(deep), ['A']);
    assert.deepEqual(members.followersOf(`x:/${'y'.repeat(70_000)}`), []);
    assert.deepEqual(members.followersOf(`x:${'/'.repeat(20)}`), ['B']);
  });
});

describe('bounds', () => {
  it('one session follows so many resources and no more, and has room again when it stops', () => {
    const members = membersOf('A', 'B');
    for (let i = 0; i < followedMax.perSession; i++) members.follow('A', `x:/${i}`);
    assert.throws(() => members.follow('A', 'x:/more'), tooMany);
    assert.equal(members.follow('A', 'x:/0'), false);
    members.follow('B', 'x:/more');
    members.unfollow('A', 'x:/0');
    members.follow('A', 'x:/again');
  });

  it('all sessions of one child follow so many resources and no more; what one follows already costs nothing', () => {
    const ids = Array.from({ length: followedMax.perChild / followedMax.perSession }, (_, at) => `s${at}`);
    const members = membersOf(...ids, 'last');
    for (const id of ids)
      for (let i = 0; i < followedMax.perSession; i++) members.follow(id, `x:/${id}/${i}`);
    assert.throws(() => members.follow('last', 'x:/more'), tooMany);
    members.follow('last', 'x:/s0/0');
    members.leave('s1');
    members.follow('last', 'x:/more');
  });

  it('long URIs fill a child sooner, and give their room back', () => {
    const members = membersOf('A', 'B');
    const long = (at: number) => `x:/${at}`.padEnd(60_000, 'z');
    const fit = Math.floor(followedMax.uriChars / 60_000);
    for (let i = 0; i < fit; i++) members.follow('A', long(i));
    assert.throws(() => members.follow('B', long(fit)), tooMany);
    members.leave('A');
    for (let i = 0; i < fit; i++) members.follow('B', long(i));
    assert.throws(() => members.follow('B', long(fit)), tooMany);
    members.drop(long(0));
    members.follow('B', long(fit));
  });
});

describe('who a message about nothing in particular is meant for', () => {
  const legacy = session('L');
  const modern = { ...session('M'), era: 'modern' as const };
  const callOf = (from: typeof legacy | typeof modern) => ({
    ...passOf(request('tools/call')).call,
    session: from,
  });
  const both = () => {
    const members = membersOf('L');
    members.join(modern);
    return members;
  };

  it('is no session whose only stream is that of its request', () => {
    const one = new Set(['ana']);
    assert.equal(meantFor('one caller', [], one, both()), 'L');
    assert.equal(meantFor('one caller', [callOf(modern), callOf(legacy)], one, both()), 'L');
    assert.equal(meantFor('one caller', [callOf(legacy), callOf(modern)], one, both()), undefined);
    assert.equal(meantFor('all callers', [callOf(modern)], one, both()), undefined);
    assert.equal(meantFor('all callers', [], one, both()), undefined);
    assert.equal(meantFor('all callers', [callOf(legacy)], one, both()), 'L');
    assert.equal(meantFor('all callers', [callOf(legacy)], undefined, both()), undefined);
  });
});
