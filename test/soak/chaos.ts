/** What is done to a daemon while it works. Every act leaves it as it should be able to live with. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Storm } from '../faults/support/storm.ts';
import type { Watched } from '../faults/support/watch.ts';
import { alive, endNow, parentOf } from '../support/daemon.ts';
import type { Dice } from '../support/dice.ts';
import type { Guest } from './guests.ts';

export type Stage = {
  readonly watched: Watched;
  readonly storm: Storm;
  readonly guests: readonly Guest[];
  readonly dice: Dice;
  /** Set by `clockEnv`, where the clock can be moved at all. */
  readonly clockFile: string | undefined;
  readonly say: (what: string) => void;
};

export type Act = {
  readonly name: string;
  /** Ends the daemon's life. */
  readonly restarts?: true;
  readonly needs?: 'a clock';
  readonly does: (stage: Stage) => Promise<void>;
};

export const acts: readonly Act[] = [
  { name: 'a child is killed', does: killChild },
  { name: 'the policy changes', does: changePolicy },
  { name: 'a bad policy is refused', does: breakPolicy },
  { name: 'all clients hang up', does: hangUp },
  { name: 'a server is restarted', does: restartServer },
  { name: 'the clock jumps', needs: 'a clock', does: moveClock },
  { name: 'the daemon is killed', restarts: true, does: (stage) => restart(stage, 'SIGKILL') },
  // As `pm2 reload` does it: SIGINT, and another one when it is gone.
  { name: 'the daemon is reloaded', restarts: true, does: (stage) => restart(stage, 'SIGINT') },
];

async function killChild({ watched, dice }: Stage): Promise<void> {
  const own = watched.marked().filter((pid) => parentOf(pid) === watched.daemon.pid);
  if (own.length > 0) endNow(dice.one(own));
}

async function changePolicy(stage: Stage): Promise<void> {
  const { storm, say } = stage;
  const file = serverFile(stage);
  // What it says otherwise is the same: nobody's leave changes.
  writeFileSync(file, `${readFileSync(file, 'utf8').replace(/\n# .*\n$/, '')}\n# ${Date.now()}\n`);
  const answer = await storm.order('reload');
  if (answer?.ok !== true) say(`a reload was refused: ${JSON.stringify(answer)}`);
}

async function breakPolicy(stage: Stage): Promise<void> {
  const { storm, say } = stage;
  const file = serverFile(stage);
  const good = readFileSync(file, 'utf8');
  writeFileSync(file, `${good}\nverdict = `);
  const answer = await storm.order('reload');
  if (answer?.ok !== false || answer.error.code !== 'RELOAD_REFUSED')
    say(`a bad policy was not refused: ${JSON.stringify(answer)}`);
  writeFileSync(file, good);
  const mended = await storm.order('reload');
  if (mended?.ok !== true) say(`a mended policy was refused: ${JSON.stringify(mended)}`);
}

async function hangUp({ storm, guests }: Stage): Promise<void> {
  for (const caller of storm.callers) caller.hangUp();
  for (const guest of guests) guest.drop();
}

async function restartServer({ storm, dice, say }: Stage): Promise<void> {
  const server = dice.one(['own', 'shared', 'crowd', 'memory']);
  const answer = await storm.order('restart', { server });
  if (answer?.ok !== true) say(`${server} was not restarted: ${JSON.stringify(answer)}`);
}

async function moveClock({ clockFile, dice }: Stage): Promise<void> {
  if (clockFile === undefined) return;
  for (const offset of dice.one([['+3600'], ['+90', '-90'], ['+3600', '-3600', '+60']])) {
    writeFileSync(clockFile, `${offset}\n`);
    await sleep(1000);
  }
  writeFileSync(clockFile, '+0\n');
}

async function restart({ watched, storm, say }: Stage, signal: 'SIGKILL' | 'SIGINT'): Promise<void> {
  const old = [watched.daemon.pid, ...watched.marked()];
  const code = await watched.end(signal);
  if (signal === 'SIGINT' && code !== 0) say(`after ${signal} the daemon ended with ${code}`);
  if (signal === 'SIGINT' && old.some(alive)) say('something outlived a daemon that drained');
  await storm.quiet();
  await watched.boot();
  await watched.gone(old);
  await storm.checkStanding();
  storm.operate();
}

function serverFile({ watched }: Stage): string {
  return join(watched.daemon.policies, 'servers', 'crowd.toml');
}

const library = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64']
  .map((dir) => join(dir, 'faketime', 'libfaketime.so.1'))
  .find(existsSync);

/** The environment of a daemon whose wall clock goes by a file; undefined where libfaketime is not installed. */
export function clockEnv(file: string): Record<string, string> | undefined {
  if (library === undefined) return undefined;
  writeFileSync(file, '+0\n');
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
}
