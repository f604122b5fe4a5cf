import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { printComplaint } from '../../src/config/complaint.ts';
import { loadPolicies } from '../../src/config/load.ts';
import type { Loaded } from '../../src/config/load.ts';

/** A folder that is gone after the test. */
export function scratch(t: TestContext): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-config-')));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

/** Writes files below a folder, which is what others may not write to. */
export function put(dir: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, 0o644);
  }
}

export const plainDaemon = '[listen]\nport = 8377\n';
export const plainServer = 'command = "/bin/cat"\n';

/** Loads one server file `x` beside a plain mcpd.toml. */
export function loadServer(t: TestContext, text: string | Buffer): Loaded {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': text });
  return loadPolicies(dir, { HOME: '/home/nobody' });
}

/** Loads one mcpd.toml beside a plain server file. */
export function loadDaemon(
  t: TestContext,
  text: string,
  env: Record<string, string> = { HOME: '/home/nobody' },
): Loaded {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': text, 'servers/x.toml': plainServer });
  return loadPolicies(dir, env);
}

/** What a person would read, without the folder in front. */
export function said(loaded: Loaded): readonly string[] {
  const complaints = loaded.ok ? loaded.warnings : loaded.complaints;
  return complaints.map((complaint) => printComplaint(complaint).replace(/\/\S*?mcpd-config-\w+\//g, ''));
}
