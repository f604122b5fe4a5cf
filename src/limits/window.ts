/**
 * What was taken, and when: a ring, oldest first from `head`. `times` are steady-clock milliseconds; `totals` run on: the
 * sum of everything up to and including that entry. An entry that is left out is therefore counted as if it had been
 * taken with the next one: later than it was, never earlier, so a ring that runs out of room gets stricter, not looser.
 */
export type Takes = {
  times: Float64Array;
  totals: Float64Array;
  head: number;
  size: number;
  /** The sum of what is older than the oldest entry, and counts no more. */
  base: number;
};

/** At most `most` in any span of `perMs` milliseconds. Whole numbers: calls, or millionths of what a budget sums up. */
export type Bound = { readonly most: number; readonly perMs: number };

/** How a ring may change when it is full. */
export type Room = {
  /** The longest span that is counted now. Within it, every entry keeps its own time as long as the ring may grow. */
  readonly keepMs: number;
  readonly mayGrow: boolean;
};

const firstRoom = 8;
/** Entries in one ring. Up to so many takes in one span are counted exactly. */
export const entriesMax = 65_536;
/** No policy can write a longer span. What is younger is still worth knowing when a span is made longer. */
const spanMsMax = 86_400_000;

export function noTakes(): Takes {
  return {
    times: new Float64Array(firstRoom),
    totals: new Float64Array(firstRoom),
    head: 0,
    size: 0,
    base: 0,
  };
}

/**
 * How long until so much more fits: 0 means now. Exact: no span of `perMs` ever holds more than `most`, because enough of
 * what was taken must be a whole span old. What is more than `most` by itself never fits; it is told a whole span.
 */
export function waitMs(takes: Takes, { most, perMs }: Bound, amount: number, now: number): number {
  if (amount > most) return perMs;
  const mustHaveLeft = totalOf(takes) + amount - most;
  if (mustHaveLeft <= takes.base) return 0;
  const at = timeAt(
    takes,
    firstWhere(takes, (index) => totalAt(takes, index) >= mustHaveLeft),
  );
  return Math.max(0, perMs - (now - at));
}

/**
 * Takes so much. Only right after `waitMs` said 0 for the same amount and time. What is older than the youngest take counts
 * as taken with it.
 */
export function take(takes: Takes, amount: number, now: number, room: Room): void {
  if (totalOf(takes) + amount > Number.MAX_SAFE_INTEGER) rebase(takes, room.keepMs, now);
  const total = totalOf(takes) + amount;
  const { size } = takes;
  if (size > 0 && timeAt(takes, size - 1) >= now) {
    takes.totals[slot(takes, size - 1)] = total;
    return;
  }
  if (size === takes.times.length) makeRoom(takes, room, now);
  takes.times[slot(takes, takes.size)] = now;
  takes.totals[slot(takes, takes.size)] = total;
  takes.size++;
}

/** The youngest take; minus infinity where there is none. */
export function lastTake(takes: Takes): number {
  return takes.size === 0 ? -Infinity : timeAt(takes, takes.size - 1);
}

/** What was taken within so many milliseconds, oldest first. */
export function* takesWithin(
  takes: Takes,
  keepMs: number,
  now: number,
): Generator<{ at: number; amount: number }> {
  for (let index = expired(takes, keepMs, now); index < takes.size; index++) {
    const before = index === 0 ? takes.base : totalAt(takes, index - 1);
    yield { at: timeAt(takes, index), amount: totalAt(takes, index) - before };
  }
}

/** What is older than the span is kept more coarsely; the ring grows for what is not; where it may not, all gets coarser. */
function makeRoom(takes: Takes, { keepMs, mayGrow }: Room, now: number): void {
  const old = expired(takes, keepMs, now);
  // Less would free so little that a full ring is gone through again and again.
  if (old >= takes.size / 4) keepOnly(takes, (index) => index >= old || isOdd(old - index), now);
  else if (mayGrow && takes.times.length < entriesMax) resize(takes, takes.times.length * 2);
  else keepOnly(takes, (index) => isOdd(takes.size - index), now);
}

/** Leaves entries out. The last one of those that follow each other must stay: it answers for them. */
function keepOnly(takes: Takes, stays: (index: number) => boolean, now: number): void {
  const { size, head } = takes;
  const { length } = takes.times;
  let kept = 0;
  for (let index = 0; index < size; index++) {
    const time = timeAt(takes, index);
    const total = totalAt(takes, index);
    if (now - time >= spanMsMax) takes.base = total;
    else if (stays(index)) {
      takes.times[(head + kept) % length] = time;
      takes.totals[(head + kept) % length] = total;
      kept++;
    }
  }
  takes.size = kept;
}

/** Starts the sums anew, so that they stay whole numbers which a double holds. */
function rebase(takes: Takes, keepMs: number, now: number): void {
  const old = expired(takes, keepMs, now);
  const base = old === 0 ? takes.base : totalAt(takes, old - 1);
  takes.head = slot(takes, old);
  takes.size -= old;
  for (let index = 0; index < takes.size; index++) {
    const at = slot(takes, index);
    takes.totals[at] = (takes.totals[at] ?? 0) - base;
  }
  takes.base = 0;
}

function resize(takes: Takes, room: number): void {
  const times = new Float64Array(room);
  const totals = new Float64Array(room);
  for (let index = 0; index < takes.size; index++) {
    times[index] = timeAt(takes, index);
    totals[index] = totalAt(takes, index);
  }
  takes.times = times;
  takes.totals = totals;
  takes.head = 0;
}

/** How many entries are a whole span old. */
function expired(takes: Takes, keepMs: number, now: number): number {
  return firstWhere(takes, (index) => now - timeAt(takes, index) < keepMs);
}

/** The first index that meets a condition which all later ones meet too; `size` where none does. */
function firstWhere(takes: Takes, meets: (index: number) => boolean): number {
  let low = 0;
  let high = takes.size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (meets(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function totalOf(takes: Takes): number {
  return takes.size === 0 ? takes.base : totalAt(takes, takes.size - 1);
}

function timeAt(takes: Takes, index: number): number {
  return takes.times[slot(takes, index)] ?? -Infinity;
}

function totalAt(takes: Takes, index: number): number {
  return takes.totals[slot(takes, index)] ?? 0;
}

function slot({ head, times }: Takes, index: number): number {
  return (head + index) % times.length;
}

function isOdd(value: number): boolean {
  return value % 2 === 1;
}
