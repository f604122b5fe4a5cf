import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Facts } from '../../src/domain/decision.ts';
import type { PolicySet } from '../../src/policy-tools/cast.ts';
import { offlineFacts } from '../../src/policy-tools/offline.ts';
import { readPolicies } from '../../src/policy-files.ts';
import { nothingSwitchedOff } from '../../src/operate/switches.ts';

export const nowMs = Date.parse('2027-01-15T08:00:00Z');

/** No disk: every path is what it says. */
export const facts: Facts = offlineFacts(nowMs, (path) => path);
export const factsAt = (atMs: number | undefined): Facts => offlineFacts(atMs ?? nowMs, (path) => path);

/** What every server file of a test begins with. */
export const launch =
  'command = "/bin/cat"\npurpose = "a test"\nowner = "tests"\nout_of_scope = "all else"\n';

/** Writes a folder of policies; `servers` by name. Gone after the test. */
export function folder(
  t: TestContext,
  servers: Readonly<Record<string, string>>,
  daemon = '[listen]\nport = 8377\n',
): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-policy-tools-')));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  put(join(dir, 'mcpd.toml'), daemon);
  for (const [name, text] of Object.entries(servers)) put(join(dir, 'servers', `${name}.toml`), text);
  return dir;
}

export function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  // Whatever the umask is, others must not write to it.
  chmodSync(path, 0o644);
}

/** The same, read and compiled. */
export function policy(
  t: TestContext,
  servers: Readonly<Record<string, string>>,
  daemon?: string,
): PolicySet & { readonly dir: string } {
  const dir = folder(t, servers, daemon);
  const standing = { switches: nothingSwitchedOff, grants: [], version: 'v1' };
  const read = readPolicies(dir, { HOME: '/home/nobody' }, () => standing);
  assert.ok(read.ok, read.ok ? '' : read.complaints.join('\n'));
  return { dir, roots: [dir], files: read.loaded.servers, orders: read.orders };
}
