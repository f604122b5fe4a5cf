import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Gateway, plainEnvironment, startGateway } from './gateway.ts';
import { home, type Place } from './place.ts';

/** Starts mcpd as its owner would, on a policy of the shipped kind, with a key, journal and state of its own. */
export async function startMcpd({ dir, echoFile }: Place): Promise<Gateway> {
  const port = await freePort();
  const policies = mkdtempSync(join(dir, 'policies-'));
  const state = mkdtempSync(join(dir, 'state-'));
  mkdirSync(join(policies, 'servers'), { mode: 0o700 });
  writeFileSync(join(policies, 'mcpd.toml'), daemonToml(port), { mode: 0o600 });
  writeFileSync(join(policies, 'servers', 'echo.toml'), serverToml(echoFile), { mode: 0o600 });
  const launch = join(home, 'src', 'launch.cjs');
  const env = { MCPD_STATE_DIR: state, MCPD_POLICIES: policies };
  return startGateway({
    args: [launch, 'run', '--policies', policies],
    env,
    cwd: dir,
    logFile: join(dir, 'mcpd.log'),
    endpoint: {
      url: `http://127.0.0.1:${String(port)}/servers/echo/mcp`,
      headers: { Authorization: `Bearer ${newKey(launch, env)}` },
    },
    readyPath: '/readyz',
  });
}

function newKey(launch: string, env: Readonly<Record<string, string>>): string {
  const printed = execFileSync(process.execPath, [launch, 'key', 'add', 'bench', '--json'], {
    cwd: home,
    env: { ...plainEnvironment(), ...env },
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { key } = JSON.parse(printed) as { readonly key?: string };
  if (key === undefined) throw new Error('`mcpd key add` printed no key');
  return key;
}

function daemonToml(port: number): string {
  return `[listen]
port = ${String(port)}

[sessions]
max = 2048
per_caller_max = 2048

[limits]
per_caller = ${neverReached}
`;
}

// Charged at every call like any other rate, but too high to turn one away.
const neverReached = '"9999999/s"';

/**
 * What a shipped server file has: rules of each verdict, rates, and arguments to record. The child takes as many calls at
 * once as there are sessions, because the peers set no bound either.
 */
function serverToml(echoFile: string): string {
  return `purpose = "to be measured"
owner = "the bench"
out_of_scope = "everything else"
command = ${JSON.stringify(process.execPath)}
args = [${JSON.stringify(echoFile)}]
sharing = "all"
concurrency = 1024
waiting_max = 1024

[limits]
per_caller = ${neverReached}
per_caller_and_tool = ${neverReached}

[tools.echo]
risk = "read"
effect = "Says what it was told."

[tools.note]
risk = "write"
effect = "Would write it down."

[[rule]]
name = "nothing is deleted"
verdict = "deny"
tools = ["delete_*", "remove_*"]

[[rule]]
name = "writes need a yes"
verdict = "confirm"
tools = ["create_*", "write_*", "update_*"]

[[rule]]
name = "what is measured"
verdict = "allow"
tools = ["echo", "note"]
record = ["token"]
rate = ${neverReached}
`;
}
