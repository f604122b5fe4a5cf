/**
 * Load, operators and people who wait for a yes, all at once, and a memory of what each of them was promised. The memory is
 * outside the daemon, so it survives every kill; `broken` says which promises did not.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, NoAnswer, type Answer } from '../../../src/control/client.ts';
import type { Json } from '../../../src/domain/message.ts';
import { LegacyCaller, ModernCaller, type Caller, type Deed } from '../../load/callers.ts';
import { rawEnv, rule, serving, type TestDaemon } from '../../support/daemon.ts';
import { times } from '../../support/faults.ts';
import type { Dice } from '../../support/dice.ts';
import { JournalTail, RawTail } from './tail.ts';

export const switched = ['s0', 's1', 's2', 's3'] as const;
const extra = [...switched, 'counted', 'gated', 'granted', 'forbidden'];
/** Leave for each caller, in an hour: more than a run can use up by chance, less than it would with one refill. */
export const countedMax = times(5, 12);

const terms = `answer_within = "10m"
${rawEnv}FX_TOOLS = "${extra.join(',')}"
${rule('allow', ['echo', 'slow', ...switched], 'record = ["text"]\n')}${rule('allow', ['counted'], `record = ["text"]\nrate = "${countedMax}/h"\n`)}${rule('confirm', ['gated'], 'record = ["text"]\nask = ["operator"]\nanswer_within = "5m"\n')}${rule('deny', ['forbidden'])}`;

/** A child for each session, and one for everybody; and one that ignores everything, and whose grandchild leaves its group. */
export const stormServers = {
  own: serving('answers', terms),
  shared: serving('answers', `sharing = "all"\n${terms}`),
  stubborn: serving('ignores-sigterm', `sharing = "all"\n[env]\nSETSID = "1"\n${rule('allow', ['*'])}`),
};

/** One thing that is on or off by the operator's word. `unknown`: a command was given, and nobody heard what came of it. */
type Standing = { now: 'on' | 'off' | 'unknown'; turn: number };

export class Storm {
  readonly #daemon: TestDaemon;
  readonly #dice: Dice;
  readonly journal: JournalTail;
  readonly raw: RawTail;
  readonly callers: Caller[] = [];
  readonly broken: string[] = [];
  /** Correlation ids of what was answered, and the text of each call. */
  readonly acknowledged = new Map<string, string>();
  /** Texts of calls that may never reach a server. */
  readonly never = new Map<string, string>();
  /** Commands of which mcpd said itself that their record, or they, are not sure: the disk was slow or full. */
  unsure = 0;
  readonly ends = new Map<string, number>();
  readonly #standing = new Map<string, Standing>();
  /** Of the last life: ids of questions that wait. */
  readonly #waiting = new Map<string, string>();
  readonly counted = new Map<string, { passed: number; refused: boolean }>();
  #approved = 0;
  readonly #commandPauseMs: number;
  #going = true;
  #operating = false;
  readonly #loops: Promise<void>[] = [];
  #idle: Promise<void>[] = [];
  /** Who waits for a yes, since operators began last. */
  #patient: LegacyCaller | undefined;

  /** `commandPauseMs`: the longest that an operator waits between two commands. */
  constructor(daemon: TestDaemon, dice: Dice, commandPauseMs = 60) {
    this.#commandPauseMs = commandPauseMs;
    this.#daemon = daemon;
    this.#dice = dice;
    this.journal = new JournalTail(daemon);
    this.raw = new RawTail(join(daemon.dir, 'raw.log'));
    for (const name of switched) this.#standing.set(name, { now: 'on', turn: 0 });
    this.#standing.set('granted', { now: 'off', turn: 0 });
  }

  get approved(): number {
    return this.#approved;
  }

  /** Begins to call, with a pause of `pauseMs` at most after each call. */
  begin(pauseMs: number): void {
    const { url, key } = this.#daemon;
    for (const [n, server] of ['own', 'shared', 'shared'].entries())
      this.callers.push(new LegacyCaller(`legacy ${n}`, { url, server, key }));
    for (const [n, server] of ['shared', 'own'].entries())
      this.callers.push(new ModernCaller(`modern ${n}`, { url, server, key }));
    for (const caller of this.callers) this.#loops.push(this.#keepCalling(caller, pauseMs));
  }

  /** Operators and people begin; they stop by themselves when the daemon dies. */
  operate(): void {
    this.#operating = true;
    this.#patient?.hangUp();
    this.#idle = [this.#switch(), this.#grant(), this.#seekLeave()];
  }

  /** Whoever waited for a yes hangs up, and somebody else comes. */
  renew(): void {
    if (!this.#operating) return;
    this.#patient?.hangUp();
    this.#waiting.clear();
    this.#idle.push(this.#seekLeave());
  }

  /** Waits until nobody gives commands any more; calls go on. */
  async quiet(): Promise<void> {
    this.#operating = false;
    await Promise.all(this.#idle);
  }

  async end(): Promise<void> {
    this.#going = false;
    await this.quiet();
    await Promise.all(this.#loops);
    for (const caller of this.callers) caller.hangUp();
    this.#patient?.hangUp();
  }

  /** One command of the operator; undefined when nobody answered, and then nobody knows whether it was carried out. */
  async order(command: string, args: Readonly<Record<string, Json>> = {}): Promise<Answer | undefined> {
    try {
      return await ask(join(this.#daemon.state, 'control', 'mcpd.sock'), command, args, {
        answerWithinMs: 20_000,
      });
    } catch (reason) {
      if (reason instanceof NoAnswer) return undefined;
      throw reason;
    }
  }

  #say(what: string): void {
    if (this.broken.length < 30) this.broken.push(what);
  }

  async #keepCalling(caller: Caller, pauseMs: number): Promise<void> {
    while (this.#going) {
      const deed = await this.#callOnce(caller);
      this.#note(deed);
      const pause = deed.end === 'unheard' || deed.end === 'turned away' ? 50 : this.#dice.upTo(pauseMs);
      await sleep(pause);
    }
  }

  async #callOnce(caller: Caller): Promise<Deed> {
    const roll = this.#dice.upTo(99);
    const tool =
      roll < 45
        ? 'echo'
        : roll < 55
          ? 'slow'
          : roll < 80
            ? this.#dice.one(switched)
            : roll < 86
              ? 'counted'
              : roll < 93
                ? 'forbidden'
                : 'granted';
    const text = randomUUID();
    const before = this.#surelyOff(tool, caller);
    // Of two calls at once, the one that was let in may well end after the one that was not.
    const wasUsedUp = this.counted.get(caller.server)?.refused === true;
    const deed = await caller.call(tool, { text, ms: this.#dice.upTo(59) });
    // Off from before it was sent until its end was known, and no command in between that could have changed that.
    if (before !== undefined && before === this.#surelyOff(tool, caller))
      this.never.set(text, `${tool} was off`);
    if (tool === 'forbidden') this.never.set(text, 'the policy denies it');
    if (tool === 'counted') this.#count(caller, deed, wasUsedUp);
    return deed;
  }

  #count(caller: Caller, { end, said }: Deed, wasUsedUp: boolean): void {
    // All callers use one key, so for each server there is one count.
    const counted = this.counted.get(caller.server) ?? { passed: 0, refused: false };
    this.counted.set(caller.server, counted);
    if (end === 'answered') {
      counted.passed++;
      if (wasUsedUp) this.#say(`counted passed again on ${caller.server} after it was used up`);
    } else if (end === 'refused' && said.startsWith('Too many calls')) counted.refused = true;
  }

  /** The switches are thrown on `shared`, and so are the grants. */
  #surelyOff(tool: string, { server }: Caller): number | undefined {
    if (tool === 'granted' && server !== 'shared') return -1;
    const standing = server === 'shared' ? this.#standing.get(tool) : undefined;
    return standing?.now === 'off' ? standing.turn : undefined;
  }

  #note({ tool, text, end, said, status, correlationId, caller }: Deed): void {
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
    if (end === 'garbled') this.#say(`${caller} ${tool}: ${status} ${said}`);
    if (end !== 'answered') return;
    const expected = tool === 'echo' ? text : tool === 'slow' ? 'done' : `called ${tool}`;
    if (said !== expected) this.#say(`${caller} ${tool} ${text} was answered with ${said}`);
    if (correlationId === undefined)
      this.#say(`${caller} ${tool} ${text} was answered without a correlation id`);
    else this.acknowledged.set(correlationId, text);
  }

  async #switch(): Promise<void> {
    while (this.#operating) {
      const tool = this.#dice.one(switched);
      const standing = this.#standing.get(tool);
      if (standing === undefined) throw new Error(tool);
      const off = standing.now === 'on' || (standing.now === 'unknown' && this.#dice.upTo(1) === 0);
      await this.#turn(standing, off ? 'off' : 'on', off ? 'disable-tool' : 'enable-tool', {
        tool: `shared/${tool}`,
      });
      await sleep(this.#dice.upTo(this.#commandPauseMs));
    }
  }

  async #grant(): Promise<void> {
    const standing = this.#standing.get('granted');
    while (this.#operating && standing !== undefined) {
      const give = standing.now !== 'on';
      const args = {
        [give ? 'caller' : 'grant']: 'tester',
        tool: 'shared/granted',
        ...(give ? { for: '2h' } : {}),
      };
      await this.#turn(standing, give ? 'on' : 'off', give ? 'grant' : 'revoke-grant', args);
      await sleep(this.#dice.upTo(2 * this.#commandPauseMs));
    }
  }

  async #turn(
    standing: Standing,
    to: 'on' | 'off',
    command: string,
    args: Readonly<Record<string, Json>>,
  ): Promise<void> {
    standing.turn++;
    standing.now = 'unknown';
    const answer = await this.order(command, args);
    if (answer?.ok === true) standing.now = to;
    else if (answer?.error.code === 'AUDIT_UNAVAILABLE') this.unsure++;
    else if (answer !== undefined) this.#say(`${command} ${JSON.stringify(args)}: ${JSON.stringify(answer)}`);
    else this.#operating = false;
  }

  /** Calls that need a yes. Some get one, some a no, and some wait until the daemon dies. */
  async #seekLeave(): Promise<void> {
    const { url, key } = this.#daemon;
    const caller = new LegacyCaller('patient', { url, server: 'shared', key });
    this.#patient = caller;
    const ending: Promise<void>[] = [];
    for (let turn = 0; this.#operating && turn < 20; turn++) {
      const text = randomUUID();
      const verdict =
        this.#approved === 0 ? 'approve' : this.#dice.one(['approve', 'deny', 'wait', 'wait'] as const);
      if (verdict !== 'approve') this.never.set(text, `nobody said yes (${verdict})`);
      let over = false;
      ending.push(
        caller.call('gated', { text }).then((deed) => {
          over = true;
          this.#note(deed);
          if (deed.end === 'answered' && verdict !== 'approve')
            this.#say(`gated ${text} was answered without a yes`);
        }),
      );
      const id = await this.#questionAbout(text, () => over);
      if (id !== undefined && verdict === 'wait') this.#waiting.set(id, text);
      else if (id !== undefined) {
        const answer = await this.order(verdict, { id });
        if (answer?.ok === true && verdict === 'approve') this.#approved++;
      }
      await sleep(this.#dice.upTo(2 * this.#commandPauseMs));
    }
    // Those that wait end with the daemon, or when they hang up.
    if (this.#going) void Promise.all(ending).catch(() => undefined);
  }

  async #questionAbout(text: string, isOver: () => boolean): Promise<string | undefined> {
    for (let tries = 0; tries < 40 && this.#operating && !isOver(); tries++) {
      const answer = await this.order('approvals');
      if (answer?.ok !== true) return undefined;
      const found = (answer['approvals'] as { id: string; argsText: string }[]).find((it) =>
        it.argsText.includes(text),
      );
      if (found !== undefined) return found.id;
      await sleep(10);
    }
    return undefined;
  }

  /** Held against what a daemon says that was just started. To be called while nobody gives commands. */
  async checkStanding(): Promise<void> {
    const status = await this.order('status');
    const grants = await this.order('grants');
    if (status?.ok !== true || grants?.ok !== true) {
      this.#say(`the daemon does not answer: ${JSON.stringify([status, grants])}`);
      return;
    }
    const off = new Set((status['switches'] as { tools: { name: string }[] }).tools.map(({ name }) => name));
    for (const tool of switched) this.#hold(tool, !off.has(`shared/${tool}`));
    const live = grants['grants'] as { tool: string; server?: string }[];
    this.#hold('granted', live.length > 0);
    await this.#checkQuestions();
  }

  #hold(name: string, isOn: boolean): void {
    const standing = this.#standing.get(name);
    if (standing === undefined) return;
    const now = isOn ? 'on' : 'off';
    if (standing.now !== 'unknown' && standing.now !== now)
      this.#say(`${name} was ${standing.now} when that was acknowledged, and is ${now} after the restart`);
    standing.now = now;
    standing.turn++;
  }

  /** What waited in the life before is gone, and a yes for it is worth nothing. */
  async #checkQuestions(): Promise<void> {
    const answer = await this.order('approvals');
    const ids = ((answer?.['approvals'] ?? []) as { id: string }[]).map(({ id }) => id);
    for (const [id, text] of this.#waiting) {
      if (ids.includes(id)) this.#say(`the question ${id} outlived the daemon`);
      const late = await this.order('approve', { id });
      if (late?.ok === true && late['changed'] === true)
        this.#say(`a yes for ${id} (${text}) of the life before was taken`);
    }
    this.#waiting.clear();
  }

  /** Held against what was written down and what reached a server. */
  checkRecord(): void {
    // First what went out, then what was written down before it: calls go on while we look.
    const sent = this.raw.read().texts;
    const { texts, intents, targets, outcomes } = this.journal.read();
    for (const [id, text] of this.acknowledged)
      if (!intents.has(id)) this.#say(`call ${id} (${text}) was answered and is not in the journal`);
      else if ((outcomes.get(id) ?? 'answered') !== 'answered')
        this.#say(`call ${id} (${text}) was answered, and its record says ${outcomes.get(id)}`);
    for (const [text, { tool, count }] of sent) {
      // What a grant allows names nothing to record; those are counted below.
      if (tool !== 'granted' && !texts.has(text))
        this.#say(`${tool} ${text} reached a server and is not in the journal`);
      if (count > 1) this.#say(`${tool} ${text} reached a server ${count} times`);
    }
    for (const [tool, count] of this.raw.tools)
      if (count > (targets.get(tool) ?? 0))
        this.#say(`${tool} reached a server more often than the journal says`);
    for (const [text, why] of this.never)
      if (sent.has(text)) this.#say(`${text} reached a server, and ${why}`);
    for (const [server, { passed }] of this.counted)
      if (passed > countedMax) this.#say(`${passed} calls of counted passed on ${server}, of ${countedMax}`);
  }
}
