/** What a call costs from its arrival to its answer, in this process: every room is real, only the child is not there. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal } from '../src/audit/journal.ts';
import { argumentDigest } from '../src/audit/argument-digest.ts';
import { Scribe } from '../src/audit/scribe.ts';
import { Audit } from '../src/audit/trail.ts';
import type { DataPlane } from '../src/call/data-plane.ts';
import { handleCall } from '../src/call/handle-call.ts';
import { CallsInFlight } from '../src/call/in-flight.ts';
import type { Arrival } from '../src/domain/call.ts';
import { realClock } from '../src/domain/clock.ts';
import { Halt } from '../src/domain/halt.ts';
import type { JsonText } from '../src/domain/message.ts';
import type { Orders } from '../src/domain/orders.ts';
import { Breakers } from '../src/limits/breakers.ts';
import { Limiter } from '../src/limits/limiter.ts';
import { namePattern } from '../src/policy/match.ts';
import { readPolicies } from '../src/policy-files.ts';
import { encode } from '../src/protocol/codec.ts';
import { realPath } from '../src/real-path.ts';
import { Redactor } from '../src/redact/redact.ts';
import { Takes } from '../src/state/takes.ts';
import { tableText } from './table.ts';

/** One policy, from the least that says anything to one that uses everything. Each adds to the one before. */
const steps: readonly (readonly [name: string, root: string, tables: string, rule: string])[] = [
  ['one rule, one class', '', '', ''],
  ['and the arguments held against the schema of the tool', 'check_arguments = true', '', ''],
  ['and two conditions', '', '', 'args = { path = { like = "$DIR/*" }, count = { min = 0, max = 1000 } }'],
  [
    'and a folder by real path',
    '',
    '',
    'args = { path = { within = "$DIR" }, count = { min = 0, max = 1000 } }',
  ],
  [
    'and three limits and a budget, kept over restarts',
    '',
    '[limits]\nper_caller = "9999999/s"\nper_caller_and_tool = "9999999/s"\n[[limit]]\nname = "spending"\ntools = ["read_file"]\nbudget = "sum(args.count) <= 999999999/s"\n',
    'rate = "9999999/s"\n',
  ],
  ['and personal data taken out', '', '[[redact]]\nname = "privacy"\nwhat = ["pii"]\n', ''],
];

/** Microseconds each, as Markdown. */
export async function pipelineReport(calls = 20_000): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-bench-'));
  try {
    mkdirSync(join(dir, 'policies', 'servers'), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, 'a.txt'), '');
    const runs: { readonly name: string; readonly run: () => Promise<void>; us: number[] }[] = [];
    const sums = { root: '', tables: '', rule: '' };
    for (const [at, [name, root, tables, rule]] of steps.entries()) {
      sums.root = root === '' ? (sums.root === '' ? 'check_arguments = false' : sums.root) : root;
      sums.tables += tables;
      // A condition of one rule is written once.
      sums.rule = rule.startsWith('args') ? rule : `${sums.rule}\n${rule}`;
      runs.push({ name, run: make(join(dir, String(at)), dir, policyOf(sums, dir)), us: [] });
    }
    // In turns, so that whatever else the machine does happens to all of them.
    for (let round = 0; round < 5; round++)
      for (const it of runs) {
        const begin = performance.now();
        for (let done = 0; done < calls / 5; done++) await it.run();
        if (round > 0) it.us.push(((performance.now() - begin) * 1000) / (calls / 5));
      }
    const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
    const rows = runs.map(({ name, us }, at) => {
      const own = median(us);
      const before = at === 0 ? own : median(runs[at - 1]?.us ?? []);
      return [name, own.toFixed(1), at === 0 ? '' : (own - before).toFixed(1)];
    });
    return tableText(['policy', 'µs a call', 'more'], rows);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function policyOf(
  { root, tables, rule }: { root: string; tables: string; rule: string },
  dir: string,
): string {
  return `purpose = "to be measured"
owner = "the bench"
out_of_scope = "everything else"
command = ${JSON.stringify(process.execPath)}
${root}

${tables}
[tools.read_file]
risk = "read"
effect = "Reads a file."

[[rule]]
name = "never"
verdict = "deny"
tools = ["delete_*"]

[[rule]]
name = "reading"
verdict = "allow"
tools = ["read_*"]
record = ["path"]
${rule.replaceAll('$DIR', dir)}
`;
}

const inputSchema = {
  type: 'object',
  properties: { path: { type: 'string', minLength: 1 }, count: { type: 'integer', minimum: 0 } },
  required: ['path'],
  additionalProperties: false,
};

/** Builds the rooms over a state folder of their own; gives what makes one call and waits for its answer. */
function make(state: string, dir: string, policy: string): () => Promise<void> {
  mkdirSync(state, { mode: 0o700 });
  const policies = join(state, 'policies');
  mkdirSync(join(policies, 'servers'), { recursive: true, mode: 0o700 });
  writeFileSync(join(policies, 'mcpd.toml'), '[listen]\nport = 1\n', { mode: 0o600 });
  writeFileSync(join(policies, 'servers', 'fs.toml'), policy, { mode: 0o600 });
  const nothingOff = { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined };
  const read = readPolicies(policies, { MCPD_STATE_DIR: state }, () => ({
    switches: nothingOff,
    grants: [],
    version: 'bench',
  }));
  if (!read.ok) throw new Error(read.complaints.join('\n'));
  const plane = planeOf(read.orders, state);
  const path = join(dir, 'a.txt');
  const params = encode({ name: 'read_file', arguments: { path, count: 3 } });
  let id = 0;
  return async () => {
    const outcome = await handleCall(arrivalOf(++id, params), plane);
    if (outcome.kind !== 'answered') throw new Error(JSON.stringify(outcome));
  };
}

function arrivalOf(id: number, params: JsonText): Arrival {
  return {
    id: `bench-${id}`,
    at: Date.now(),
    remote: '127.0.0.1',
    server: 'fs',
    credentials: { kind: 'none' },
    sessionId: 's',
    userAgent: undefined,
    message: { kind: 'request', id, method: 'tools/call', params },
    era: 'legacy',
    mirror: undefined,
    halt: new Halt(),
    outlet: { send: () => 'gone' },
  };
}

function planeOf(orders: Orders, state: string): DataPlane {
  const redactor = new Redactor({
    pattern: (text) => {
      const compiled = namePattern(text);
      if (!compiled.ok) throw new Error(compiled.what);
      return compiled.pattern;
    },
  });
  const audit = new Audit({
    scribe: new Scribe({ open: () => Journal.open({ dir: state }), clock: realClock }),
    clock: realClock,
    redact: (line) => redactor.clean(line as JsonText),
    describe: () => ({ serverVersion: '1', toolDigest: '0123456789abcdef' }),
    policyOf: (server) => orders.servers.get(server),
    durabilityOf: () => 'os',
    knows: () => redactor.generation,
    digest: argumentDigest('k'.repeat(43)),
  });
  const principal = { name: 'bench' };
  const limiter = new Limiter({ clock: realClock, store: Takes.open({ path: join(state, 'takes') }) });
  const text = encode({
    content: [{ type: 'text', text: 'The quick brown fox jumps over the lazy dog. '.repeat(20) }],
  });
  return {
    audit: { open: (arrival) => audit.open(arrival), upcall: (...about) => audit.upcall(...about) },
    callers: { identify: () => principal },
    sessions: {
      resolve: () => ({ id: 's', principal, server: 'fs', era: 'legacy', agreed: undefined }),
      agree: () => undefined,
      disown: () => undefined,
      reachedBy: () => [],
      standing: () => ({ send: () => 'gone' }),
    },
    orders: { current: () => orders },
    facts: { nowMs: realClock.wallMs, tool: () => undefined, realPath },
    pins: { saw: () => undefined },
    tasks: { toolOf: () => undefined, claim: (_call, answer) => answer },
    rounds: { resume: (call) => call, pause: (_call, answer) => answer },
    inFlight: new CallsInFlight(),
    limits: limiter,
    breakers: new Breakers({ clock: realClock, random: Math.random }),
    gate: {
      ask: () => ({ kind: 'approved', by: 'policy' }),
      continues: () => false,
      awaits: () => false,
      hear: () => undefined,
    },
    fleet: {
      hold: () => undefined,
      mirrored: () => [],
      inputSchema: () => inputSchema,
      bindingOf: () => '@',
      forward: async (pass) => {
        pass.spend();
        return { kind: 'result', text };
      },
    },
    redactor: {
      clean: (it) => redactor.clean(it),
      inward: (...about) => redactor.inward(...about),
      outward: (...about) => redactor.outward(...about),
      aside: (...about) => redactor.aside(...about),
    },
  };
}

if (import.meta.main) process.stdout.write(`${await pipelineReport()}\n`);
