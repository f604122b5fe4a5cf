/** Runs the official conformance suite against one URL and reads what it found. */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { projectRoot } from '../support/daemon.ts';

/** A revision of the protocol, and the frozen set of scenarios that the suite requires of it. */
export type Revision = '2025-11-25' | '2026-07-28';
export const revisions: readonly Revision[] = ['2025-11-25', '2026-07-28'];

export type Verdict = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
export type Check = {
  readonly id: string;
  readonly status: Verdict;
  readonly description: string;
  readonly errorMessage?: string;
  /** For an INFO, why something was not tried. */
  readonly details?: { readonly message?: string };
};
export type Scenario = {
  readonly name: string;
  /** False: it runs, and a failure does not count against the revision. */
  readonly required: boolean;
  readonly checks: readonly Check[];
};
export type SuiteRun = {
  readonly revision: Revision;
  /** What the suite itself thinks of it: 0 when no required scenario failed. Undefined when it did not come to an end. */
  readonly exitCode: number | undefined;
  readonly scenarios: readonly Scenario[];
  /** Scenarios of the set that left no checks behind. */
  readonly missing: readonly string[];
  /** What the suite printed, for when nothing else says what went wrong. */
  readonly printed: string;
};

const suite = join(projectRoot, 'node_modules', '@modelcontextprotocol', 'conformance');
/** Both sets, one after the other, within what the runner of the tests grants a file. */
const runWithinMs = 50_000;

/**
 * Runs one set. The suite has no option for a credential, so the server must serve callers without one, and it tries
 * DNS rebinding only on a server that is on this machine: `localhost`, `127.0.0.1` or `[::1]`.
 */
export async function runSuite(url: string, revision: Revision): Promise<SuiteRun> {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-conformance-'));
  try {
    const args = ['server', '--url', url, '--requirements', revision, '-o', dir];
    const { exitCode, printed } = await end([join(suite, 'dist', 'index.js'), ...args]);
    const wanted = scenariosOf(readFileSync(join(suite, 'requirements', `${revision}.yaml`), 'utf8'));
    const found = readChecks(dir);
    return {
      revision,
      exitCode,
      scenarios: [...wanted].flatMap(([name, required]) => {
        const checks = found.get(name);
        return checks === undefined ? [] : [{ name, required, checks }];
      }),
      missing: [...wanted.keys()].filter((name) => !found.has(name)),
      printed,
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * The scenarios of a server in the suite's own list, and whether each is required. The file has one form: a list under
 * `server:`, and under `not_scored:` entries that say which leg they belong to.
 */
function scenariosOf(requirements: string): Map<string, boolean> {
  const section = (name: string): string =>
    new RegExp(`^${name}:\n((?:[ ].*\n)*)`, 'm').exec(requirements)?.[1] ?? '';
  const required = [...section('server').matchAll(/^ {2}- (\S+)$/gm)];
  const others = [...section('not_scored').matchAll(/^ {2}- scenario: (\S+)\n {4}leg: server$/gm)];
  if (required.length === 0 || others.length === 0)
    throw new Error('The list of requirements was not understood.');
  return new Map([
    ...required.map(([, name]) => [name as string, true] as const),
    ...others.map(([, name]) => [name as string, false] as const),
  ]);
}

/** Scenario → its checks. The suite keeps each in a folder `server-SCENARIO-TIME`. */
function readChecks(dir: string): Map<string, Check[]> {
  const files = globSync('*/checks.json', { cwd: dir });
  return new Map(
    files.map((file) => [
      basename(dirname(file)).replace(/^server-(.*)-\d{4}-\d\d-\d\dT[\d-]+Z$/, '$1'),
      JSON.parse(readFileSync(join(dir, file), 'utf8')) as Check[],
    ]),
  );
}

function end(args: readonly string[]): Promise<{ exitCode: number | undefined; printed: string }> {
  return new Promise((resolve, reject) => {
    const { PATH, HOME } = process.env;
    const child = spawn(process.execPath, args, {
      env: { PATH, HOME, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: runWithinMs,
      killSignal: 'SIGKILL',
    });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ exitCode: code ?? undefined, printed }));
  });
}
