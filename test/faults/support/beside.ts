import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LegacyCaller, type Deed } from '../../load/callers.ts';
import { projectRoot, rule, serving } from '../../support/daemon.ts';
import { JournalTail } from './tail.ts';
import { recordVerified, verifyJournal } from './verify.ts';
import type { Watched } from './watch.ts';

export const all = rule('allow', ['*'], 'record = ["text"]\n');
/** A server that has nothing to do with what goes wrong beside it; see `Bystander`. */
export const calm = serving('answers', `sharing = "all"\n${all}`);

/** The text of a server file for one of the servers in test/faults/servers. */
export function program(file: string, more = ''): string {
  const path = join(projectRoot, 'test', 'faults', 'servers', `${file}.ts`);
  return `command = "$NODE"\nargs = [${JSON.stringify(path)}]\n${more}\n`;
}

/** Calls `calm` all the time. */
export class Bystander {
  readonly #caller: LegacyCaller;
  readonly #took: number[] = [];
  readonly #wrong: Deed[] = [];
  readonly #loop: Promise<void>;
  #going = true;

  constructor({ daemon: { url, key } }: Watched) {
    this.#caller = new LegacyCaller('bystander', { url, server: 'calm', key });
    this.#loop = this.#keepCalling();
  }

  async #keepCalling(): Promise<void> {
    while (this.#going) {
      const deed = await this.#caller.call('echo', { text: randomUUID() });
      this.#took.push(deed.to - deed.from);
      if (deed.end !== 'answered' || deed.said !== deed.text) this.#wrong.push(deed);
      await sleep(10);
    }
  }

  /** How long each call took, the quickest first, without the one that opened the session; and none went wrong. */
  async noticedNothing(): Promise<number[]> {
    await this[Symbol.asyncDispose]();
    assert.ok(this.#took.length > 0);
    assert.deepEqual(this.#wrong, []);
    return this.#took.slice(1).sort((a, b) => a - b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#going = false;
    await this.#loop;
    this.#caller.hangUp();
  }
}

/** Of numbers in order, such as 0.99 of them. */
export function quantile(sorted: readonly number[], part: number): number {
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) * 10) / 10;
}

/** Drained, exit 0, nothing left, and whether it lives was answered every time. */
export async function endsQuietly(watched: Watched): Promise<void> {
  assert.equal(await watched.end('SIGTERM'), 0);
  assert.deepEqual(watched.marked(), []);
  assert.equal(watched.seen.zombies, 0);
  assert.equal(watched.seen.healthFailures, 0);
}

/** The end every test has: quiet, and the journal whole. */
export async function endsWell(watched: Watched, id: string): Promise<void> {
  await endsQuietly(watched);
  const { wrong } = new JournalTail(watched.daemon).read();
  assert.deepEqual(wrong, []);
  assert.equal(await verifyJournal(watched.daemon), '');
  recordVerified(id);
  watched.record(id);
}
