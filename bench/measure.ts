import { setTimeout as pause } from 'node:timers/promises';
import { DriverLink } from './driver-link.ts';
import type { Reach } from './errand.ts';
import type { Gateway } from './gateway.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { Place } from './place.ts';
import { cpuMsOf, memoryMbOf } from './process-tree.ts';
import type { Scenario } from './scenarios.ts';
import type { Slice } from './slice.ts';
import type { Target } from './targets.ts';

/** One turn of one target. */
export type Turn = Slice & { readonly cpuMs: number | undefined };

/** All that was seen of one target in one scenario. */
export type Seen = {
  readonly target: Target;
  readonly sessions: number;
  readonly turns: readonly Turn[];
  readonly idleMb: number | undefined;
  readonly peakMb: number | undefined;
  readonly perSessionMs: number | undefined;
  /** Why it was not measured, or not to the end. */
  readonly trouble: string | undefined;
};

/** How to take the turns, and when it is over. */
export type Pace = {
  readonly rounds: number;
  readonly seconds: number;
  readonly quick: boolean;
  /** Asked before each round: whether there is time for it. */
  readonly goOn: () => boolean;
  readonly say: (text: string) => void;
};

type Contender = {
  readonly target: Target;
  readonly sessions: number;
  readonly turns: Turn[];
  gateway: Gateway | undefined;
  watch: MemoryWatch | undefined;
  idleMb: number | undefined;
  perSessionMs: number | undefined;
  trouble: string | undefined;
};

const settleMs = 1_000;
const warmMsMax = 1_000;

/**
 * Measures one scenario. Every gateway is started fresh and kept up; its sessions are opened once; then the targets take
 * turns, so that whatever else happens on the machine happens to all of them. Who begins changes from round to round.
 */
export async function measure(
  scenario: Scenario,
  targets: readonly Target[],
  place: Place,
  pace: Pace,
): Promise<readonly Seen[]> {
  const driver = new DriverLink();
  const contenders = targets.map((target): Contender => newContender(target, scenario, pace.quick));
  const able = (): Contender[] => contenders.filter((it) => it.trouble === undefined);
  try {
    for (const it of able()) await guarded(it, () => prepare(it, scenario, driver, place, pace));
    await pause(settleMs);
    for (const it of able()) it.idleMb = it.watch === undefined ? undefined : memoryMbOf(it.watch.pid);
    const turnMs = pace.seconds * 1000;
    for (const it of able()) {
      await guarded(it, async () => void (await driver.slice(it.target.name, Math.min(turnMs, warmMsMax))));
    }
    for (let round = 0; round < pace.rounds && pace.goOn(); round += 1) {
      pace.say(`${scenario.name}: round ${String(round + 1)} of ${String(pace.rounds)}`);
      for (const it of rotated(able(), round)) await guarded(it, () => takeTurn(it, driver, turnMs));
    }
    return contenders.map(seenOf);
  } finally {
    await driver.close().catch(() => undefined); // It ends below in any case.
    driver.end();
    await Promise.all(contenders.flatMap((it) => it.gateway?.stop() ?? []));
  }
}

function newContender(target: Target, scenario: Scenario, quick: boolean): Contender {
  const most = quick ? (target.quickSessionsMax ?? target.sessionsMax) : target.sessionsMax;
  const sessions = Math.min(scenario.sessions, most);
  // At a tenth of the sessions it would be another scenario.
  const trouble =
    sessions * 10 < scenario.sessions ? `not opened at more than ${String(most)} sessions` : undefined;
  const nothing = { gateway: undefined, watch: undefined, idleMb: undefined, perSessionMs: undefined };
  return { target, sessions, turns: [], ...nothing, trouble };
}

async function prepare(
  it: Contender,
  { tool, bytes }: Scenario,
  driver: DriverLink,
  place: Place,
  { say }: Pace,
): Promise<void> {
  say(`${it.target.name}: opening ${String(it.sessions)} session${it.sessions === 1 ? '' : 's'}`);
  let reach: Reach = { kind: 'stdio', command: { file: process.execPath, args: [place.echoFile] } };
  if (it.target.start !== undefined) {
    it.gateway = await it.target.start(place);
    reach = { kind: 'http', endpoint: it.gateway.endpoint };
  }
  const opened = await driver.open({
    target: it.target.name,
    reach,
    sessions: it.sessions,
    ask: { tool, bytes },
  });
  const pid = it.gateway?.pid ?? opened.pid;
  if (pid !== undefined) it.watch = new MemoryWatch(pid);
  if (it.gateway !== undefined) it.perSessionMs = opened.perSessionMs;
}

async function takeTurn(it: Contender, driver: DriverLink, turnMs: number): Promise<void> {
  const pid = it.watch?.pid;
  const before = pid === undefined ? undefined : cpuMsOf(pid);
  it.watch?.start();
  try {
    const slice = await driver.slice(it.target.name, turnMs);
    const after = pid === undefined ? undefined : cpuMsOf(pid);
    it.turns.push({
      ...slice,
      cpuMs: before === undefined || after === undefined ? undefined : after - before,
    });
  } finally {
    it.watch?.stop();
  }
}

/** A target that fails is left out from then on, and its column says why; the others are measured all the same. */
async function guarded(it: Contender, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (reason) {
    const text = reason instanceof Error ? reason.message : String(reason);
    it.trouble = text.replaceAll(/\s+/g, ' ').slice(0, 400);
  }
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function seenOf({ target, sessions, turns, idleMb, watch, perSessionMs, trouble }: Contender): Seen {
  return { target, sessions, turns, idleMb, peakMb: watch?.peakMb, perSessionMs, trouble };
}
