/**
 * D-12: a daemon works for an hour, and something goes wrong every half minute. Exits with 1 when a promise was broken.
 * `npm run soak -- --minutes 60 [--seed N] [--chaos-seconds 30] [--pause 250] [--out FILE]`
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runSoak } from './run-soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    'chaos-seconds': { type: 'string' },
    pause: { type: 'string', default: '250' },
    out: { type: 'string' },
  },
});
const minutes = positive(values.minutes);
const usual = Math.min(30, Math.max(2, minutes * 4));

const summary = await runSoak({
  minutes,
  seed: positive(values.seed),
  chaosEveryMs: 1000 * (values['chaos-seconds'] === undefined ? usual : positive(values['chaos-seconds'])),
  pauseMs: positive(values.pause),
  print: (line) => console.log(line),
});
const { flat, seen, broken, acts, guests, slopesJudged } = summary;
console.log(
  `\nseed ${summary.seed}; ${summary.calls} calls, ${summary.records} records, ${seen.lives} lives`,
);
console.log(`acts: ${list(acts)}; commands that the disk did not take: ${summary.unsure}`);
console.log(
  `guests: ${list(Object.fromEntries(Object.entries(guests).map(([name, { turns, troubles }]) => [name, `${turns} (${troubles} troubles)`])))}`,
);
console.log(
  `the last life, ${flat.minutes.toFixed(1)} min of it: heap ${flat.heapMiBPerHour.toFixed(2)} MiB/h, rss ${flat.rssMiBPerHour.toFixed(2)} MiB/h, fds ${flat.fds}, timers ${flat.timers}, handles ${flat.handles}${slopesJudged ? '' : ' (too short to be judged)'}`,
);
console.log(
  `rss max ${seen.rssMiB.toFixed(0)} MiB, late max ${seen.lateMs} ms (own work ${seen.ownMs} ms), health worst ${seen.healthMs} ms, ready max ${seen.readyMs} ms, orphans ${seen.orphans}, zombies ${seen.zombies}`,
);
console.log(
  broken.length === 0 ? 'every promise was kept' : `BROKEN: ${broken.length}\n${broken.join('\n')}`,
);
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(summary, undefined, 2)}\n`);
process.exitCode = broken.length === 0 ? 0 : 1;

function list(counts: Readonly<Record<string, number | string>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function positive(text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0) throw new Error(`${text} is no positive number`);
  return number;
}
