import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where a target may write, and the script of the child that it is to wrap. */
export type Place = { readonly dir: string; readonly echoFile: string };

/** The project's own folder. */
export const home = fileURLToPath(new URL('..', import.meta.url));

/** Makes an owner-only folder with the echo child in it. */
export function makePlace(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-bench-'));
  chmodSync(dir, 0o700);
  write(join(dir, 'payload.mjs'), 'payload.ts');
  const echoFile = join(dir, 'echo-server.mjs');
  write(echoFile, 'echo-server.ts');
  return { dir, echoFile };
}

// As plain JavaScript: a child that must first load Node's type stripper holds 12 MB more, which would count against
// whoever runs a child per session.
function write(file: string, source: string): void {
  const typed = readFileSync(new URL(source, import.meta.url), 'utf8');
  writeFileSync(file, stripped(typed).replaceAll("'./payload.ts'", "'./payload.mjs'"), { mode: 0o600 });
}

/** In a process of its own, which can be told not to warn that stripping is an experiment. */
function stripped(source: string): string {
  const script = `import { stripTypeScriptTypes } from 'node:module';
import { readFileSync, writeSync } from 'node:fs';
writeSync(1, stripTypeScriptTypes(readFileSync(0, 'utf8')));`;
  return execFileSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    {
      input: source,
      encoding: 'utf8',
      timeout: 20_000,
    },
  );
}
