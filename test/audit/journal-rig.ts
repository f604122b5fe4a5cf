import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Clock } from '../../src/domain/clock.ts';
import type { Fault } from '../../src/domain/faults.ts';
import { Journal, type JournalPlace } from '../../src/audit/journal.ts';
import { realDisk, type Disk } from '../../src/audit/journal-disk.ts';
import { journalFiles } from '../../src/audit/journal-files.ts';
import { headPath, proofPlace, type ProofPlace } from '../../src/audit/journal-keys.ts';
import { openProof } from '../../src/audit/journal-proof.ts';
import { Retention } from '../../src/audit/journal-retention.ts';
import type { RetentionTerms } from '../../src/audit/retention.ts';
import { Scribe, type ScribeParts } from '../../src/audit/scribe.ts';
import { verify } from '../../src/audit/verify.ts';
import type { Verdict } from '../../src/audit/verdict.ts';

const startMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

/** A clock that a test moves. Both hands, unless it wants a jump. */
export class TestClock implements Clock {
  steady = 1000;
  wall = startMs;
  readonly steadyMs = () => this.steady;
  readonly wallMs = () => this.wall;

  pass(ms: number): void {
    this.steady += ms;
    this.wall += ms;
  }
}

export type RigParts = Partial<Pick<JournalPlace, 'rotateAtBytes' | 'rotateAtAgeMs'>> &
  Partial<Pick<ScribeParts, 'waitingMax' | 'slowAfterMs' | 'keptLinesMax'>> & {
    readonly disk?: Partial<Disk>;
    readonly keep?: RetentionTerms;
  };

/** A state directory with a journal and everything that proves it, and the writer that a daemon has. */
export class JournalRig {
  readonly dir: string;
  readonly audit: string;
  readonly proof: ProofPlace;
  readonly clock = new TestClock();
  readonly told: (Fault | undefined)[] = [];
  readonly toldOfCheckpoints: (Fault | undefined)[] = [];
  readonly timers = new Map<() => void, number>();

  constructor(t: Pick<TestContext, 'after'> | undefined) {
    this.dir = mkdtempSync(join(tmpdir(), 'mcpd-journal-'));
    this.audit = join(this.dir, 'audit');
    this.proof = proofPlace(this.dir, undefined);
    t?.after(() => this.remove());
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** What a daemon does at its start. Without upkeep nothing happens by itself. */
  open(parts: RigParts & { readonly upkeep?: boolean } = {}): Scribe {
    const { waitingMax, slowAfterMs, keptLinesMax, disk, keep, upkeep = true, ...more } = parts;
    const proof = openProof(this.proof, (fault) => this.toldOfCheckpoints.push(fault));
    const terms = keep ?? { keepMs: Infinity, keepBytesMax: Infinity };
    const retention = new Retention(this.audit, terms, { ...realDisk, ...disk });
    return new Scribe({
      open: (going, owe) =>
        Journal.open({ dir: this.audit, proof, clock: this.clock, disk: { ...disk }, ...more }, going, owe),
      clock: this.clock,
      onTrouble: (fault) => this.told.push(fault),
      later: (afterMs, run) => {
        const once = () => run();
        this.timers.set(once, afterMs);
        return () => this.timers.delete(once);
      },
      ...(upkeep ? { upkeep: { checkpoints: proof.checkpoints, checkpointEveryMs: 1000, retention } } : {}),
      ...(waitingMax === undefined ? {} : { waitingMax }),
      ...(slowAfterMs === undefined ? {} : { slowAfterMs }),
      ...(keptLinesMax === undefined ? {} : { keptLinesMax }),
    });
  }

  /** What waits for so many milliseconds comes now. */
  fire(afterMs: number): void {
    for (const [run, waits] of [...this.timers]) {
      if (waits !== afterMs || !this.timers.delete(run)) continue;
      run();
    }
  }

  verify(publicKey?: string): Promise<Verdict> {
    return verify({ dir: this.audit, proof: this.proof, ...(publicKey === undefined ? {} : { publicKey }) });
  }

  get files(): readonly string[] {
    return journalFiles(this.audit);
  }

  get head(): string {
    return headPath(this.proof);
  }

  /** All lines of a file, without their line feeds. */
  lines(file = this.files[0] ?? ''): string[] {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  }

  setLines(file: string, lines: readonly string[]): void {
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  }

  /** The kinds of all records, oldest first. */
  kinds(): string[] {
    return this.files.flatMap((file) =>
      this.lines(file).map((line) => String((JSON.parse(line) as { kind?: string }).kind)),
    );
  }

  /** A copy of everything, as somebody would keep to put it back later. */
  copy(): { readonly putBack: (what: 'journal' | 'head' | 'checkpoints' | 'all') => void } {
    const kept = mkdtempSync(join(this.dir, 'kept-'));
    cpSync(this.audit, join(kept, 'audit'), { recursive: true });
    cpSync(this.proof.dir, join(kept, 'proof'), { recursive: true });
    const from = {
      journal: ['audit', this.audit],
      checkpoints: ['proof/checkpoints', this.proof.checkpoints],
    } as const;
    return {
      putBack: (what) => {
        if (what === 'head' || what === 'all') cpSync(join(kept, 'proof', basename(this.head)), this.head);
        for (const name of ['journal', 'checkpoints'] as const) {
          if (what !== name && what !== 'all') continue;
          rmSync(from[name][1], { recursive: true, force: true });
          cpSync(join(kept, from[name][0]), from[name][1], { recursive: true });
        }
      },
    };
  }
}

export const line = (kind: string, more = '') =>
  `{"kind":"${kind}","time":"2026-01-02T03:04:05.006Z"${more}}`;

/** A journal of `records` calls over several files, closed in order. */
export async function written(rig: JournalRig, records: number, rotateAtBytes = 2000): Promise<void> {
  const scribe = rig.open({ rotateAtBytes });
  for (let n = 0; n < records; n++)
    await scribe.append(line('decision', `,"n":${n},"id":"${randomUUID()}"`), 'os');
  await scribe.close();
}
