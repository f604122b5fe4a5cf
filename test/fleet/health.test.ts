import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { usualCare, type Care } from '../../src/domain/care.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { processIds } from '../../src/fleet/process-table.ts';
import { ask, callText, fleetOf, isAlive, openSession, passOf, specOf, toolCall, until } from './support.ts';

const running: Fleet[] = [];
afterEach(() => Promise.all(running.splice(0).map((fleet) => fleet.stop())));

const health = { everyMs: 50, withinMs: 250, failuresMax: 2, proof: undefined };
const quick: Care = { ...usualCare, health };

function start(how: string, more: Partial<ServerSpec> = {}): ReturnType<typeof fleetOf> {
  // Calls of the tool `patient` may take longer than others.
  const parts = fleetOf({ answerWithinMs: () => 60_000 });
  running.push(parts.fleet);
  parts.fleet.apply([specOf('hangs', { sharing: 'all', env: { HANGS: how }, care: quick, ...more })]);
  return parts;
}

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const statusOf = (fleet: Fleet) => {
  const [status] = fleet.status();
  assert.ok(status !== undefined);
  return status;
};

/** The processes of a fleet. */
function children(cookie: string): number[] {
  return processIds().filter((pid) => {
    try {
      return isAlive(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(cookie);
    } catch {
      return false;
    }
  });
}

describe('C-02 a child that hangs', () => {
  it('C-02 is found although nobody calls it, ended, and replaced; that counts as a death', async () => {
    const { fleet, logged } = start('idle');
    await until(() => statusOf(fleet).state === 'ready');
    const { pid } = statusOf(fleet);
    await until(() => statusOf(fleet).hung > 0 && statusOf(fleet).restarts > 0);
    await until(() => !isAlive(pid ?? 0));
    assert.ok(logged.some(({ level, message }) => level === 'error' && message === 'fx hangs'));
  });

  it('C-02 with calls in flight: each ends at its own time, and when one was not answered in time, the rest end with the child', async () => {
    const { fleet } = start('call', { answerWithinMs: 300 });
    await fleet.waitReady(10_000);
    const first = ask(fleet, toolCall('work', { ms: 100_000 }));
    first.catch(() => undefined);
    await until(() => statusOf(fleet).inFlight === 1);
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(statusOf(fleet).hung, 0, 'who works on a call may be silent as long as it may take');
    const { pass, call } = passOf(toolCall('work', { ms: 100_000 }));
    Object.assign(pass.grounds, { call: { ...call, target: { kind: 'tool', name: 'patient' } } });
    const second = fleet.forward(pass);
    second.catch(() => undefined);
    await assert.rejects(first, fault('UPSTREAM_TIMEOUT'));
    await assert.rejects(second, fault('UPSTREAM_DIED'));
    await until(() => statusOf(fleet).state === 'ready');
    assert.equal(statusOf(fleet).hung, 1);
  });

  it('C-02 is not one that does one thing at a time and answers in the end', async () => {
    const { fleet } = start('busy');
    await fleet.waitReady(10_000);
    const { pid } = statusOf(fleet);
    assert.equal(await callText(fleet, toolCall('work', { ms: 1_200 })), 'worked');
    const { hung, pid: now } = statusOf(fleet);
    assert.deepEqual([hung, now], [0, pid]);
  });

  it('C-02 is not one that does not know `ping`', async () => {
    const { fleet } = start('ping');
    await fleet.waitReady(10_000);
    await until(() => statusOf(fleet).pingMs !== undefined);
    const { pid } = statusOf(fleet);
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual([statusOf(fleet).hung, statusOf(fleet).pid], [0, pid]);
  });

  it('C-02 nobody looks where the owner says so', async () => {
    const { fleet } = start('idle', { care: { ...quick, health: { ...health, everyMs: 0 } } });
    await fleet.waitReady(10_000);
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(statusOf(fleet).hung, 0);
  });
});

describe('every child is looked at', () => {
  it('a session’s own, whose session goes on with the next one', async () => {
    const { fleet, cookie } = start('ping', { sharing: 'session' });
    await fleet.waitReady(10_000);
    await openSession(fleet);
    const standing = statusOf(fleet).pid;
    const [own] = children(cookie).filter((pid) => pid !== standing);
    process.kill(own ?? 0, 'SIGSTOP');
    await until(() => statusOf(fleet).hung === 1);
    assert.equal(await callText(fleet, toolCall('work')), 'worked');
    assert.equal(isAlive(own ?? 0), false);
  });

  it('a caller’s', async () => {
    const { fleet, cookie } = start('ping', { sharing: 'principal' });
    await fleet.waitReady(10_000);
    await openSession(fleet);
    const standing = statusOf(fleet).pid;
    const [own] = children(cookie).filter((pid) => pid !== standing);
    process.kill(own ?? 0, 'SIGSTOP');
    await until(() => statusOf(fleet).hung === 1 && !isAlive(own ?? 0));
    assert.equal(await callText(fleet, toolCall('work')), 'worked');
  });

  it('a spare, before a session finds out', async () => {
    const { fleet, cookie } = start('ping', { sharing: 'session', spare: 1 });
    await until(() => statusOf(fleet).spares === 1);
    const standing = statusOf(fleet).pid;
    const [spare] = children(cookie).filter((pid) => pid !== standing);
    process.kill(spare ?? 0, 'SIGSTOP');
    await until(() => statusOf(fleet).hung === 1 && !isAlive(spare ?? 0));
    await until(() => statusOf(fleet).spares === 1);
    await openSession(fleet);
  });

  it('a spare that ends when it is asked anything before `initialize` costs its server one child, and is not asked again', async () => {
    const { fleet } = start('early', { sharing: 'session', spare: 1 });
    await until(() => statusOf(fleet).restarts === 1);
    await until(() => statusOf(fleet).spares === 1);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.deepEqual([statusOf(fleet).restarts, statusOf(fleet).hung], [1, 0]);
    await openSession(fleet);
  });
});
