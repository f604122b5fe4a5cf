import { readdirSync, readFileSync } from 'node:fs';
import { rowOf, type Identity, type Row } from './process-table.ts';

/** What a process and all that it started use now. */
export type Use = {
  /** Memory that belongs to nobody else and cannot be read again from a file, swapped out or not. */
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
  readonly cpuMs: number;
};

/** A look at a tree: `members` are its processes, all of them where `isWhole`. */
export type Tree = { readonly use: Use; readonly members: readonly Identity[]; readonly isWhole: boolean };

/** Nobody's tree is read further; with so many the count is over any limit. */
const readMax = 100_000;
/** Linux tells times in hundredths of a second, on every machine. */
const tickMs = 10;

/**
 * Adds up processes and their descendants from /proc; undefined where none of them runs. Who was left behind by its parent is
 * found behind a wall, where it falls to the wall's own first process, and else only where it is a root itself. With more than
 * `processesMax` the rest is not read: it is too much already, and whoever makes more is not to make us slow.
 */
export function treeOf(roots: readonly Identity[], proc = '/proc', processesMax = readMax): Tree | undefined {
  let [memoryBytes, processes, cpuMs] = [0, 0, 0];
  const members = new Map<number, Identity>();
  const waiting = roots.map((it) => rowOf(it.pid, proc)).filter((row, at) => isOf(row, roots[at]));
  for (let row = waiting.pop(); row !== undefined && processes <= processesMax; row = waiting.pop()) {
    if (members.has(row.pid)) continue;
    const tasks = tasksOf(proc, row.pid);
    if (tasks.length === 0) continue;
    members.set(row.pid, { pid: row.pid, startTicks: row.startTicks });
    processes += tasks.length;
    memoryBytes += memoryOf(proc, row.pid);
    cpuMs += row.cpuTicks * tickMs;
    waiting.push(...offspring(proc, row, tasks));
  }
  if (members.size === 0) return undefined;
  const isWhole = waiting.length === 0;
  return { use: { memoryBytes, processes, cpuMs }, members: [...members.values()], isWhole };
}

/** What one process and its descendants use; see `treeOf`. */
export function useOf(pid: number, proc = '/proc', processesMax = readMax): Use | undefined {
  const root = rowOf(pid, proc);
  return root === undefined ? undefined : treeOf([root], proc, processesMax)?.use;
}

function isOf(row: Row | undefined, root: Identity | undefined): row is Row {
  return row !== undefined && row.startTicks === root?.startTicks;
}

/** What a process has started and has not left behind. */
function offspring(proc: string, parent: Row, tasks: readonly string[]): readonly Row[] {
  // A child belongs to the thread that started it.
  const pids = tasks.flatMap((task) => childrenOf(proc, parent.pid, task));
  if (pids.length === 0) return [];
  const rows = pids.map((pid) => rowOf(pid, proc)).filter((row) => row?.parent === parent.pid);
  // While we read, the parent may have ended and its id gone to a stranger, whose children these would be then.
  return rowOf(parent.pid, proc)?.startTicks === parent.startTicks
    ? rows.filter((row) => row !== undefined)
    : [];
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

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Gone meanwhile, or another user's.
    return '';
  }
}
