import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { OpenKeychain } from '../../src/secrets/keychain.ts';

/** A folder that is gone after the test. */
export function scratch(t: TestContext): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-secrets-')));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

/** A file with exactly this mode, whatever the umask. */
export function file(path: string, content: string | Buffer, mode = 0o600): string {
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

/** A keychain that is a map. */
export function keychainOf(held: Map<string, string>): OpenKeychain {
  return (ask) =>
    ask({
      get: (name) => Promise.resolve(held.get(name)),
      set: (name, value) => Promise.resolve(void held.set(name, value)),
      remove: (name) => Promise.resolve(held.delete(name) ? 'removed' : 'absent'),
      probe: () => Promise.resolve(),
    });
}

/** That the fault is SECRET_UNAVAILABLE, says this, hints at that, and repeats no value. */
export function unavailable(detail: RegExp, hint: RegExp) {
  return (reason: unknown): true => {
    assert.ok(reason instanceof Fault);
    assert.equal(reason.code, 'SECRET_UNAVAILABLE');
    assert.match(reason.detail ?? '', detail);
    assert.match(reason.hint ?? '', hint);
    assert.doesNotMatch(`${reason.detail ?? ''} ${reason.hint ?? ''}`, /hunter2/);
    return true;
  };
}
