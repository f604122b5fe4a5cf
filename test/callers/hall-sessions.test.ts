import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HallSessions, type Branch } from '../../src/callers/hall-sessions.ts';
import type { Session } from '../../src/domain/caller.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { JsonText } from '../../src/domain/message.ts';

const session = (id: string, server = '*'): Session => ({
  id,
  principal: { name: 'ann' },
  server,
  era: 'legacy',
  agreed: undefined,
});
const branch = (server: string, id = server): Branch => ({
  server,
  session: session(id, server),
  offers: new Set(),
});
const unknown = (reason: unknown) => reason instanceof Fault && reason.code === 'UNKNOWN_SESSION';

function open() {
  const ended: string[] = [];
  const halls = new HallSessions(({ id }) => void ended.push(id));
  return { halls, ended, guest: halls.begin(session('h'), '{}' as JsonText) };
}

describe('a hall session', () => {
  it('is found until it ends, and ends everything it holds', () => {
    const { halls, ended, guest } = open();
    assert.equal(halls.of(session('h')), guest);
    const halt = new Halt();
    guest.begin(1, halt);
    guest.opened(branch('a'));
    guest.opened(branch('b'));
    halls.end(session('h'));
    halls.end(session('h'));
    assert.deepEqual(ended, ['a', 'b']);
    assert.equal(halt.reason, 'session ended');
    assert.throws(() => halls.of(session('h')), unknown);
  });

  it('leaves alone what ends elsewhere', () => {
    const { halls, ended } = open();
    halls.end(session('another'));
    assert.deepEqual(ended, []);
  });

  it('takes one branch for each server, and none once it is over', () => {
    const { halls, ended, guest } = open();
    assert.equal(guest.opened(branch('a', 'first')), true);
    assert.equal(guest.opened(branch('a', 'second')), false);
    assert.deepEqual(ended, ['second']);
    halls.end(session('h'));
    assert.equal(guest.opened(branch('b')), false);
    assert.deepEqual(ended, ['second', 'first', 'b']);
  });

  it('forgets the questions of a server with its branch, and no other’s', () => {
    const { guest, ended } = open();
    const [a, b] = [branch('a'), branch('b')];
    for (const it of [a, b]) guest.opened(it);
    guest.asked('s-1', 'a');
    guest.asked('s-2', 'b');
    guest.close(a);
    guest.close(a);
    assert.deepEqual(ended, ['a']);
    assert.equal(guest.whoAsked('s-1'), undefined);
    assert.equal(guest.whoAsked('s-2'), 'b');
    assert.equal(guest.whoAsked('s-2'), undefined);
  });

  it('a lost branch does not take a newer one with it', () => {
    const { guest, ended } = open();
    const old = branch('a', 'old');
    guest.opened(old);
    guest.close(old);
    const next = branch('a', 'new');
    guest.opened(next);
    guest.close(old);
    assert.equal(guest.branch('a'), next);
    assert.deepEqual(ended, ['old']);
  });

  it('opens a server once at a time, and again after that', async () => {
    const { guest } = open();
    let times = 0;
    const opening = async () => ++times;
    assert.deepEqual(await Promise.all([guest.opening('a', opening), guest.opening('a', opening)]), [1, 1]);
    assert.equal(await guest.opening('a', opening), 2);
    await assert.rejects(guest.opening('a', () => Promise.reject(new Fault('UPSTREAM_DOWN'))));
    assert.equal(await guest.opening('a', opening), 3);
  });

  it('is busy while something is under way', () => {
    const { halls, guest } = open();
    guest.begin('1', new Halt());
    assert.throws(() => guest.begin('1', new Halt()), { code: 'BAD_MESSAGE' });
    guest.begin(1, new Halt());
    guest.done('1');
    assert.equal(halls.isBusy(session('h')), true);
    guest.done(1);
    assert.equal(halls.isBusy(session('h')), false);
    assert.equal(halls.isBusy(session('another')), false);
  });
});
