import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { usualCare, type Proof } from '../../src/domain/care.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import type { Redacted } from '../../src/domain/redacted.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import type { Proving } from '../../src/fleet/proofs.ts';
import { ask, callText, fleetOf, specOf, toolCall, until } from './support.ts';

const running: Fleet[] = [];
let dir = '';
let token = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-proof-'));
  token = join(dir, 'token-is-good');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((fleet) => fleet.stop()));
  rmSync(dir, { recursive: true });
});

const proof: Proof = { tool: 'whoami', args: { verbose: false }, everyMs: 50 };

/** A fleet with one server that has a credential, and all that was decided about mcpd's own calls. */
function start(leave: Proving['leave'], more: Partial<ServerSpec> = {}, stands = (): boolean => true) {
  const told: string[] = [];
  const parts = fleetOf({
    clean: (text) => text.replaceAll('t0ken', '[redacted]') as Redacted,
    proving: {
      leave: async (server, { tool }) => {
        told.push(`may ${server} ${tool}`);
        return leave(server, proof);
      },
      stands,
      ended: (server, { tool }, outcome) => told.push(`${outcome} ${server} ${tool}`),
    },
  });
  running.push(parts.fleet);
  const care = { ...usualCare, health: { ...usualCare.health, proof } };
  parts.fleet.apply([
    specOf('has-a-credential', { sharing: 'all', env: { TOKEN_FILE: token }, care, ...more }),
  ]);
  return { ...parts, told };
}
const credentialOf = (fleet: Fleet) => fleet.status()[0]?.credential;
const allowed = () => Promise.resolve(undefined);

describe('the credential of a server', () => {
  it('fails, is shown since when, is said once, and recovers; the child stays and callers’ calls go on', async () => {
    const { fleet, logged, told } = start(allowed);
    await until(() => credentialOf(fleet)?.kind === 'fails');
    const failing = credentialOf(fleet);
    assert.ok(failing?.kind === 'fails');
    assert.match(failing.because, /401: \[redacted\] is not good/);
    const pid = fleet.status()[0]?.pid;
    assert.equal(await callText(fleet, toolCall('free')), 'free');
    await until(() => told.filter((it) => it.startsWith('fails')).length >= 3);
    assert.deepEqual(credentialOf(fleet), failing, 'since the first time');
    writeFileSync(token, '');
    await until(() => credentialOf(fleet)?.kind === 'works');
    const { asked } = await ask(fleet, toolCall('asked'));
    assert.deepEqual((asked as unknown[])[0], { verbose: false });
    const said = logged
      .filter(({ message }) => message.includes('credential'))
      .map(({ level, message }) => `${level} ${message}`);
    assert.deepEqual(said, ['warn the credential of fx does not work', 'info the credential of fx works']);
    assert.deepEqual([fleet.status()[0]?.pid, fleet.status()[0]?.restarts], [pid, 0]);
    assert.doesNotMatch(
      JSON.stringify([logged, fleet.status().map(({ credential }) => credential)]),
      /t0ken/,
    );
  });

  it('is asked with the arguments of the owner, after the record and never without leave', async () => {
    const { fleet, told } = start(() => Promise.resolve('the tool is switched off'));
    await until(() => told.length >= 3);
    assert.deepEqual(credentialOf(fleet), { kind: 'not-asked', because: 'the tool is switched off' });
    assert.deepEqual(new Set(told), new Set(['may fx whoami']));
    assert.deepEqual(await ask(fleet, toolCall('asked')), { content: [], asked: [] });
  });

  it('is not asked when it cannot be put on record', async () => {
    const { fleet } = start(() => Promise.reject(new Error('the disk is full')));
    await until(() => credentialOf(fleet)?.kind === 'not-asked');
    assert.deepEqual(await ask(fleet, toolCall('asked')), { content: [], asked: [] });
  });

  it('is not asked when the leave was taken back while the call stood in line', async () => {
    const { fleet, told } = start(allowed, {}, () => false);
    await until(() => told.some((it) => it.startsWith('ORDERS_CHANGED')));
    assert.equal(credentialOf(fleet), undefined);
    assert.deepEqual(await ask(fleet, toolCall('asked')), { content: [], asked: [] });
  });

  it('is not known where the server does not answer in time, and that is no failure', async () => {
    const { fleet, told } = start(allowed, { answerWithinMs: 40, env: { TOKEN_FILE: 'slow' } });
    await until(() => told.some((it) => it.startsWith('UPSTREAM_TIMEOUT')));
    assert.equal(credentialOf(fleet), undefined);
    assert.equal(fleet.status()[0]?.state, 'ready');
  });

  it('is asked for in mcpd’s own child where sessions have theirs', async () => {
    const { fleet } = start(allowed, { sharing: 'session' });
    await until(() => credentialOf(fleet)?.kind === 'fails');
    assert.equal(fleet.status()[0]?.children, 1);
  });

  it('is asked for at once in a new child, which may have been given a new one', async () => {
    const everyMs = 86_400_000;
    const care = { ...usualCare, health: { ...usualCare.health, proof: { ...proof, everyMs } } };
    const { fleet } = start(allowed, { care });
    await until(() => credentialOf(fleet)?.kind === 'fails');
    writeFileSync(token, '');
    await fleet.restart('fx');
    await until(() => credentialOf(fleet)?.kind === 'works');
  });
});
