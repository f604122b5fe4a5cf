import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Guesses } from '../../src/callers/guesses.ts';
import { placeOf } from '../../src/domain/place-of.ts';

const bounds = { failuresMax: 3, checksMax: 2, asksMax: 1, placesMax: 4 };

test('failures are told up to the bound, then only that there were too many, and told again in the next minute', () => {
  const guesses = new Guesses(bounds);
  const fail = (at: number) => guesses.failed('10.0.0.1', at);
  assert.deepEqual([fail(0), fail(1), fail(2), fail(3)], ['said', 'said', 'said', 'too many']);
  assert.equal(fail(59_999), 'too many');
  assert.equal(fail(60_000), 'said');
});

test('one place is not counted for another', () => {
  const guesses = new Guesses(bounds);
  for (let i = 0; i < 10; i++) guesses.failed('10.0.0.1', i);
  assert.equal(guesses.failed('10.0.0.2', 10), 'said');
});

test('for a place that guesses an issuer is asked once a second, and for any other place at once', () => {
  const guesses = new Guesses(bounds);
  for (let i = 0; i < 3; i++) guesses.failed('10.0.0.1', 0);
  const check = (remote: string, at: number) => {
    const leave = guesses.begin(remote, at, 'its issuer');
    leave?.done();
    return leave !== undefined;
  };
  assert.deepEqual(
    [0, 1, 999, 1000, 1001].map((at) => check('10.0.0.1', at)),
    [true, false, false, true, false],
  );
  assert.ok([1, 2, 3].every((at) => check('10.0.0.2', at)));
});

test('what nobody has to be asked about is checked for a place that guesses, too: its neighbour may be there', () => {
  const guesses = new Guesses(bounds);
  for (let i = 0; i < 50; i++) guesses.failed('10.0.0.1', 0);
  for (let i = 0; i < 50; i++) {
    const leave = guesses.begin('10.0.0.1', 0, 'nobody');
    assert.ok(leave !== undefined);
    leave.done();
  }
});

test('a place has an issuer asked so many things at once, and its other checks go on', () => {
  const guesses = new Guesses(bounds);
  const first = guesses.begin('10.0.0.1', 0, 'its issuer');
  assert.ok(first !== undefined);
  assert.equal(guesses.begin('10.0.0.1', 0, 'its issuer'), undefined);
  assert.notEqual(guesses.begin('10.0.0.1', 0, 'nobody'), undefined);
  first.done();
  assert.notEqual(guesses.begin('10.0.0.1', 0, 'its issuer'), undefined);
});

test('a place has only so many checks under way, and gets leave again when one is done', () => {
  const guesses = new Guesses(bounds);
  const first = guesses.begin('10.0.0.1', 0, 'nobody');
  assert.ok(first !== undefined && guesses.begin('10.0.0.1', 0, 'nobody') !== undefined);
  assert.equal(guesses.begin('10.0.0.1', 0, 'nobody'), undefined);
  first.done();
  first.done();
  assert.notEqual(guesses.begin('10.0.0.1', 0, 'nobody'), undefined);
  assert.equal(guesses.begin('10.0.0.1', 0, 'nobody'), undefined, 'one that is done twice is one');
});

test('no number of addresses fills the memory', () => {
  const guesses = new Guesses(bounds);
  for (let i = 0; i < 10_000; i++) guesses.failed(`10.0.${i >> 8}.${i & 255}`, i);
  assert.equal(guesses.places, bounds.placesMax);
});

const places: readonly (readonly [string, string])[] = [
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002:a:b:c:d', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::10.0.0.1', '64:ff9b:0:0::/64'],
  ['unix:1000', 'unix:1000'],
  ['unix', 'unix'],
  ['', ''],
];
for (const [remote, place] of places)
  test(`${remote === '' ? 'nothing' : remote} is counted as ${place}`, () => {
    assert.equal(placeOf(remote), place);
  });
