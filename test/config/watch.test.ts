import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import { watchPolicies } from '../../src/config/watch.ts';
import { plainDaemon, plainServer, put, scratch } from './scratch.ts';

/** A watch over fresh policies; `next` resolves at the next change. */
function watched(t: TestContext, options: { readonly pollMs?: number } = {}) {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': plainServer });
  const loaded = loadPolicies(dir, { HOME: '/h' });
  assert.ok(loaded.ok);
  let changes = 0;
  let tell: () => void = () => undefined;
  const watch = watchPolicies({
    dir,
    digest: loaded.digest,
    debounceMs: 20,
    pollMs: options.pollMs ?? 60_000,
    changed: () => {
      changes += 1;
      tell();
    },
  });
  t.after(() => watch.close());
  const next = () => new Promise<void>((resolve) => (tell = resolve));
  return { dir, watch, next, changes: () => changes, digest: loaded.digest };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 300));

test('a saved file is a change, once, however it is saved', async (t) => {
  const { dir, next, changes } = watched(t);
  await settle();
  assert.equal(changes(), 0, 'nothing has changed yet');

  let change = next();
  writeFileSync(join(dir, 'servers/x.toml'), `${plainServer}# plain\n`);
  await change;

  change = next();
  writeFileSync(join(dir, 'servers/.x.swp'), `${plainServer}# renamed\n`);
  renameSync(join(dir, 'servers/.x.swp'), join(dir, 'servers/x.toml'));
  await change;

  change = next();
  writeFileSync(join(dir, 'servers/y.toml'), plainServer);
  await change;

  change = next();
  rmSync(join(dir, 'mcpd.toml'));
  await change;
  await settle();
  assert.equal(changes(), 4);
});

test('the same bytes again, and files that are no policy, are no change', async (t) => {
  const { dir, changes } = watched(t);
  await settle();
  writeFileSync(join(dir, 'servers/x.toml'), plainServer);
  writeFileSync(join(dir, 'notes.txt'), 'x');
  mkdirSync(join(dir, 'sandbox'));
  writeFileSync(join(dir, 'sandbox/mcpd.toml'), 'x');
  await settle();
  assert.equal(changes(), 0);
});

test('what the events miss, the poll finds', async (t) => {
  const { dir, next } = watched(t, { pollMs: 30 });
  const change = next();
  renameSync(dir, `${dir}-old`);
  t.after(() => {
    rmSync(`${dir}-old`, { recursive: true });
  });
  put(dir, { 'mcpd.toml': `${plainDaemon}# new\n`, 'servers/x.toml': plainServer });
  await change;
});

test('a change between the first read and the watch is not lost', async (t) => {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': plainServer });
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = watchPolicies({ dir, digest: 'another one', debounceMs: 1, changed: resolve });
  t.after(() => watch.close());
  await promise;
});

test('a closed watch says nothing more', async (t) => {
  const { dir, watch, changes } = watched(t, { pollMs: 20 });
  writeFileSync(join(dir, 'mcpd.toml'), '# changed\n');
  await watch.close();
  await settle();
  assert.equal(changes(), 0);
});

test('a base that files extend is watched, also one that was named later', async (t) => {
  const { dir, next } = watched(t);
  await settle();
  put(dir, { 'base/a.toml': 'owner = "ana"\n' });
  let change = next();
  const pin = '0'.repeat(64);
  writeFileSync(
    join(dir, 'servers/x.toml'),
    `extends = { file = "../base/a.toml", sha256 = "${pin}" }\n${plainServer}`,
  );
  await change;
  await settle();
  change = next();
  writeFileSync(join(dir, 'base/a.toml'), 'owner = "bob"\n');
  await change;
});

test('a base whose change no event tells is found by the poll', async (t) => {
  const { dir, next } = watched(t, { pollMs: 30 });
  put(dir, { 'base/a.toml': 'owner = "ana"\n' });
  let change = next();
  const pin = '0'.repeat(64);
  writeFileSync(
    join(dir, 'servers/x.toml'),
    `extends = { file = "../base/a.toml", sha256 = "${pin}" }\n${plainServer}`,
  );
  await change;
  change = next();
  renameSync(join(dir, 'base'), join(dir, 'other'));
  put(dir, { 'base/a.toml': 'owner = "bob"\n' });
  await change;
});
