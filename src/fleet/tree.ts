import { readdirSync, readFileSync } from 'node:fs';

/** What a process and all that it started use now. */
export type Use = {
  /** Memory that belongs to nobody else and cannot be read again from a file, swapped out or not. */
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
  readonly cpuMs: number;
};

/** Nobody's tree is read further; with so many the count is over any limit. */
const readMax = 100_000;
/** Linux tells times in hundredths of a second, on every machine. */
const tickMs = 10;

/**
 * Adds up a process and its descendants from /proc; undefined where there is none. One that was left behind by its parent is
 * found behind a wall, where it falls to the wall's own first process, and else no longer belongs to the tree. With more
 * than `processesMax` the rest is not read: it is too much already, and whoever makes more is not to make us slow.
 */
export function useOf(pid: number, proc = '/proc', processesMax = readMax): Use | undefined {
  let [memoryBytes, processes, cpuMs] = [0, 0, 0];
  const waiting = [pid];
  let found = false;
  for (let at = waiting.pop(); at !== undefined && processes <= processesMax; at = waiting.pop()) {
    const tasks = tasksOf(proc, at);
    if (tasks.length === 0) continue;
    found = true;
    processes += tasks.length;
    memoryBytes += memoryOf(proc, at);
    cpuMs += cpuOf(proc, at);
    // A child belongs to the thread that started it.
    for (const task of tasks) waiting.push(...childrenOf(proc, at, task));
  }
  return found ? { memoryBytes, processes, cpuMs } : undefined;
}

/** The processes that this one's first thread has started. */
export function childrenOf(proc: string, pid: number, task = String(pid)): readonly number[] {
  const text = readOr(`${proc}/${pid}/task/${task}/children`);
  return text
    .split(' ')
    .filter((it) => /^\d+$/.test(it))
    .map(Number);
}

function tasksOf(proc: string, pid: number): readonly string[] {
  try {
    return readdirSync(`${proc}/${pid}/task`);
  } catch {
    // Gone meanwhile.
    return [];
  }
}

/** Without what is mapped from files: that is the same memory for all who run one program. */
function memoryOf(proc: string, pid: number): number {
  const text = readOr(`${proc}/${pid}/status`);
  let kib = 0;
  for (const [, amount] of text.matchAll(/^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$/gm))
    kib += Number(amount);
  return kib * 1024;
}

/** Its own, and of those it has started that are gone. */
function cpuOf(proc: string, pid: number): number {
  const text = readOr(`${proc}/${pid}/stat`);
  // The name may hold anything, brackets and spaces too; what counts comes after its last bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, it) => sum + (Number(it) || 0), 0);
  return ticks * tickMs;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Gone meanwhile, or another user's.
    return '';
  }
}
