// What the journal costs: a record on the hot path, a sync that several share, and how long `mcpd audit verify` takes for a
// million records. `node bench/journal.ts [records]`
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal } from '../src/audit/journal.ts';
import { journalFiles } from '../src/audit/journal-files.ts';
import { proofPlace } from '../src/audit/journal-keys.ts';
import { openScribe } from '../src/audit/open-scribe.ts';
import type { Scribe } from '../src/audit/scribe.ts';
import { verify } from '../src/audit/verify.ts';
import { realClock } from '../src/domain/clock.ts';

const wanted = Number(process.argv[2] ?? 1_000_000);
const dir = mkdtempSync(join(tmpdir(), 'mcpd-bench-'));
const terms = {
  durable: { read: 'os', write: 'disk', destructive: 'disk' },
  fileBytesMax: 64 * 1024 * 1024,
  fileAgeMs: 86_400_000,
  keepMs: 90 * 86_400_000,
  keepBytesMax: 16 * 1024 ** 3,
  checkpointEveryMs: 1000,
  checkpointDir: undefined,
} as const;

try {
  const bare = join(dir, 'bare');
  report('a record alone, chained', perRecord(bareJournal(bare)));
  const state = join(dir, 'state');
  const scribe = open(state);
  const alone = await appended(scribe, 20_000, 1);
  report('append, one at a time, to the system', alone);
  report('append, 100 at a time, to the system', await appended(scribe, 200_000, 100));
  report('append, one at a time, to the disk', await appended(scribe, 500, 1, 'disk'));
  report('append, 100 at a time, to the disk', await appended(scribe, 20_000, 100, 'disk'));
  await scribe.close();

  const large = join(dir, 'large');
  const writer = open(large);
  for (let n = 0; n < wanted / 2; n++) {
    writer.note(intent(n));
    writer.note(outcome(n));
    if (n % 256 === 0) await new Promise(setImmediate);
  }
  await writer.close();
  const files = journalFiles(join(large, 'audit'));
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  const begin = performance.now();
  const verdict = await verify({ dir: join(large, 'audit'), proof: proofPlace(large, undefined) });
  const tookMs = performance.now() - begin;
  console.log(
    `verify: ${verdict.records} records of ${Math.round(bytes / verdict.records)} B in ${files.length} files, ` +
      `${verdict.checkpoints} checkpoints, ${verdict.findings.length} findings: ${(tookMs / 1000).toFixed(2)} s`,
  );
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function open(state: string): Scribe {
  return openScribe({
    stateDir: state,
    auditDir: join(state, 'audit'),
    terms,
    clock: realClock,
    before: () => undefined,
    onTrouble: (fault) => fault !== undefined && console.log(fault),
    onCheckpoints: (fault) => fault !== undefined && console.log(fault),
  });
}

/** A journal without a head: what a chain costs by itself. */
function bareJournal(place: string): () => void {
  const journal = Journal.open({ dir: place });
  let n = 0;
  return () => journal.write([intent(n++)]);
}

function perRecord(run: () => void, count = 100_000): number {
  const rounds = Array.from({ length: 5 }, () => {
    const begin = performance.now();
    for (let done = 0; done < count; done++) run();
    return ((performance.now() - begin) * 1000) / count;
  });
  return rounds.toSorted((a, b) => a - b)[2] ?? 0;
}

async function appended(
  scribe: Scribe,
  count: number,
  atOnce: number,
  durability: 'os' | 'disk' = 'os',
): Promise<number> {
  const text = intent(1);
  const rounds: number[] = [];
  for (let round = 0; round < 3; round++) {
    const begin = performance.now();
    for (let done = 0; done < count; done += atOnce)
      await Promise.all(Array.from({ length: atOnce }, () => scribe.append(text, durability)));
    rounds.push(((performance.now() - begin) * 1000) / count);
  }
  return rounds.toSorted((a, b) => a - b)[1] ?? 0;
}

function report(what: string, us: number): void {
  console.log(`${what}: ${us.toFixed(2)} µs a record`);
}

function idOf(n: number): string {
  return `242a8fef-0370-4b4e-ae86-${String(n).padStart(12, '0')}`;
}

function intent(n: number): string {
  return (
    `{"kind":"decision","phase":"intent","time":"2026-11-21T01:13:10.650Z","id":"${idOf(n)}","caller":"ana","via":"key AbCd1234",` +
    `"client":{"name":"Claude Desktop","version":"1.2.3"},"session":"edf1ee9935f8","userAgent":"node-fetch/3","remote":"127.0.0.1",` +
    `"server":"filesystem","serverVersion":"0.2.0","toolDigest":"0123456789abcdef","method":"tools/call","target":{"kind":"tool",` +
    `"name":"read_file"},"resources":{"path":"/srv/reports/2026/${n % 1000}/summary of the quarter.txt"},"args":{"path":` +
    `"hmac:abcdefghijklmnopqrstuv","encoding":"hmac:abcdefghijklmnopqrstuv"},"decision":{"kind":"allow","rule":"reads of reports",` +
    `"orders":"a4e787a403bf+0","approvedBy":"policy"},"argBytes":120}`
  );
}

function outcome(n: number): string {
  return (
    `{"kind":"outcome","time":"2026-11-21T01:13:10.784Z","id":"${idOf(n)}","committed":true,"outcome":"answered",` +
    `"resultBytes":14533,"records":1,"found":{"out":{"e-mail":2}},"durationMs":13.061}`
  );
}
