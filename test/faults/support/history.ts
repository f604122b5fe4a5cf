/**
 * What a client did and what it was told, held against what mcpd left on the disk. Three questions: is everything that was
 * acknowledged on record? Is everything a child has seen on record? Is what was switched off still off?
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ask, type Answer } from '../../../src/control/client.ts';
import { join } from 'node:path';
import {
  rawEnv,
  rule,
  serving,
  textOf,
  type Rpc,
  type TestDaemon,
  type TestSession,
} from '../../support/daemon.ts';

/** A server whose calls can be told apart in the journal and in what the child read. */
export const recorded = serving('answers', rawEnv + rule('allow', ['*'], 'record = ["text"]'));

export class History {
  readonly daemon: TestDaemon;
  /** Texts of calls that were answered. */
  readonly acknowledged: string[] = [];
  /** The last word about the switch of `list_dir`: `off` and `on` were acknowledged, `unsure` had no answer. */
  switch: 'off' | 'on' | 'unsure' = 'on';

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
  }

  /** One call of `echo`; it is on the list only when the answer came, and came right. */
  async call(session: TestSession): Promise<void> {
    const text = `t-${randomUUID()}`;
    const reply = await session.call('echo', { text });
    if (!went(reply)) return;
    assert.equal(textOf(reply), text, 'an answer that belongs to another call');
    this.acknowledged.push(text);
  }

  async switchTo(to: 'off' | 'on'): Promise<Answer> {
    // Until the daemon says otherwise it may be either.
    if (this.switch !== to) this.switch = 'unsure';
    const command = to === 'off' ? 'disable-tool' : 'enable-tool';
    const answer = await operate(this.daemon, command, { tool: 'fx/list_dir' });
    if (answer.ok) this.switch = to;
    return answer;
  }

  /** To be asked of what lies on the disk, whoever wrote it last. */
  checkRecords(): void {
    const journal = journalText(this.daemon);
    for (const text of this.acknowledged)
      assert.ok(journal.includes(text), `acknowledged, and not on record: ${text}`);
    const seen = new Set(this.daemon.raw().match(/t-[0-9a-f-]{36}/g) ?? []);
    for (const text of seen) assert.ok(journal.includes(text), `made without a record: ${text}`);
  }

  /** To be asked of a daemon that runs. */
  async checkSwitch(session: TestSession): Promise<void> {
    const reply = await session.call('list_dir');
    if (this.switch === 'off')
      assert.equal(went(reply), false, 'switched off with exit 0, and on after a restart');
    if (this.switch === 'on')
      assert.equal(went(reply), true, 'switched on with exit 0, and off after a restart');
  }
}

/** Whether a call was made and answered. Refusals come as errors, or as results that say so (a limit, for instance). */
export function went({ body }: Rpc): boolean {
  return body.result !== undefined && body.result['isError'] !== true;
}

/** One command of the operator over the socket, as `mcpd ctl` gives it: `ok` is exit 0. */
export function operate(
  daemon: TestDaemon,
  command: string,
  args: Readonly<Record<string, string | boolean | number>> = {},
): Promise<Answer> {
  return ask(join(daemon.state, 'control', 'mcpd.sock'), command, args, { answerWithinMs: 20_000 });
}

/** The bytes of the whole journal. */
export function journalText(daemon: TestDaemon): string {
  return daemon
    .journalFiles()
    .map((file) => readFileSync(file, 'utf8'))
    .join('');
}
