import type { Rate } from '../domain/decision.ts';

/**
 * When calls were taken: a ring of steady-clock times in milliseconds, oldest first from `head`. It grows when more calls
 * fall into one window than it has room for, never beyond the rate's count.
 */
export type Takes = {
  times: Float64Array;
  head: number;
  size: number;
  /** The time of the youngest take that was overwritten: what we know of the ones we no longer hold. */
  forgottenAt: number;
};

const firstRoom = 8;

export function noTakes(): Takes {
  return { times: new Float64Array(firstRoom), head: 0, size: 0, forgottenAt: -Infinity };
}

/**
 * How long until one more call fits: 0 means now. Exact: no span of `perMs` ever holds more than `count` takes, because
 * the take `count` places back must be a whole window old.
 */
export function waitMs(takes: Takes, rate: Rate, now: number): number {
  if (rate.count < 1) return rate.perMs;
  // A rate that was raised meanwhile may look further back than the ring does. The forgotten takes are then counted as if
  // they were the youngest forgotten one: too late perhaps, but never too early.
  const back = rate.count <= takes.size ? timeAt(takes, takes.size - rate.count) : takes.forgottenAt;
  return Math.max(0, rate.perMs - (now - back));
}

/** Takes one. Only right after `waitMs` said 0 for the same rate and time. */
export function take(takes: Takes, rate: Rate, now: number): void {
  const room = takes.times.length;
  if (takes.size === room) {
    if (room < rate.count && now - timeAt(takes, 0) < rate.perMs) grow(takes, Math.min(rate.count, room * 2));
    else forgetOldest(takes);
  }
  takes.times[(takes.head + takes.size) % takes.times.length] = now;
  takes.size++;
}

/** The youngest take; minus infinity where there is none. */
export function lastTake(takes: Takes): number {
  return takes.size === 0 ? -Infinity : timeAt(takes, takes.size - 1);
}

function timeAt(takes: Takes, index: number): number {
  return takes.times[(takes.head + index) % takes.times.length] ?? -Infinity;
}

function forgetOldest(takes: Takes): void {
  takes.forgottenAt = timeAt(takes, 0);
  takes.head = (takes.head + 1) % takes.times.length;
  takes.size--;
}

function grow(takes: Takes, room: number): void {
  const times = new Float64Array(room);
  for (let index = 0; index < takes.size; index++) times[index] = timeAt(takes, index);
  takes.times = times;
  takes.head = 0;
}
