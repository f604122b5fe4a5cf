// Measures mcpd beside direct stdio and its peers. `--help` says how to ask for less or more; docs/benchmark.md says what
// the figures mean.
import { rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { standingsOf } from './figures.ts';
import { help, isWhole, type Plan, planFrom } from './flags.ts';
import { stopGateways } from './gateway.ts';
import { measure } from './measure.ts';
import { pipelineReport } from './pipeline.ts';
import { home, makePlace } from './place.ts';
import { redactReport } from './redact.ts';
import { type Chapter, reportText } from './report.ts';

// What ending a scenario in order may take.
const reserveMs = 10_000;

const args = process.argv.slice(2);
const plan = planOrExit();
const place = makePlace();
process.on('exit', () => rmSync(place.dir, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopGateways().finally(() => process.exit(130)));
}
await run(plan);

async function run(plan: Plan): Promise<void> {
  const { targets, scenarios, rounds, seconds, minutes, quick, json } = plan;
  const begin = performance.now();
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC';
  const goOn = (): boolean => performance.now() - begin < minutes * 60_000 - reserveMs;
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const chapters: Chapter[] = [];
  const remarks: string[] = [];
  for (const scenario of scenarios) {
    if (!goOn()) {
      remarks.push(`${scenario.name} was left out: the time of ${String(minutes)} min was over`);
      continue;
    }
    const seen = await measure(scenario, targets, place, { rounds, seconds, quick, goOn, say });
    const least = Math.min(...seen.filter((it) => it.trouble === undefined).map((it) => it.turns.length));
    if (least < rounds) remarks.push(`${scenario.name} had ${String(least)} rounds: the time was over`);
    chapters.push({ scenario, standings: standingsOf(seen) });
  }
  const facts = {
    date,
    command: ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args])].join(' '),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    rounds,
    seconds,
    tookMs: performance.now() - begin,
    remarks,
  };
  say('redaction and pipeline, in this process');
  const text = reportText(chapters, facts) + (await ownCost(quick));
  process.stdout.write(text);
  // A part of the run must not stand where the whole one was written down.
  if (isWhole(plan)) writeFileSync(join(home, 'bench', 'results.md'), text);
  if (json !== undefined) writeFileSync(json, JSON.stringify({ facts, chapters }, undefined, 2) + '\n');
}

/** What the policy itself costs, without a child, a network or a peer. */
async function ownCost(quick: boolean): Promise<string> {
  return `
## Redaction

One core, in one process: megabytes of result text a second, by the kind of text.

${await redactReport(quick ? 2 : 8)}
## The pipeline

One call from its arrival to its answer, in one process and without a child: microseconds, the median of turns. Each line
has all that the lines above it have.

${await pipelineReport(quick ? 5_000 : 20_000)}
`;
}

function planOrExit(): Plan {
  try {
    const plan = planFrom(args);
    if (plan !== undefined) return plan;
    process.stdout.write(help);
    process.exit(0);
  } catch (reason) {
    process.stderr.write(`${reason instanceof Error ? reason.message : String(reason)}\n\n${help}`);
    process.exit(64);
  }
}
