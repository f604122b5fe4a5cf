import { readdirSync, readFileSync } from 'node:fs';

/** One process, told apart by its start time from a later one with the same number. */
export type ProcessId = { readonly pid: number; readonly startedAt: string };

type Stat = ProcessId & { readonly parent: number; readonly cpuMs: number };

// Linux reports CPU time in hundredths of a second on every platform Node runs on.
const msPerTick = 10;

/** A process and all its descendants, itself first. Empty where there is no /proc. */
export function treeOf(root: number): readonly ProcessId[] {
  return statsOf(root);
}

/** CPU time that the processes of a tree have used so far, in milliseconds. Undefined where there is no /proc. */
export function cpuMsOf(root: number): number | undefined {
  const stats = statsOf(root);
  return stats.length === 0 ? undefined : stats.reduce((sum, it) => sum + it.cpuMs, 0);
}

/**
 * Memory of a process tree in MB: each process's own pages, and file pages (the runtime's program text, mostly) once, as
 * large as the largest process maps them. That is what PSS says of a tree that is alone on the machine; PSS itself would
 * lend each target's share of the runtime to whichever others happen to stand beside it. Undefined where there is no /proc.
 */
export function memoryMbOf(root: number): number | undefined {
  const tree = statsOf(root);
  if (tree.length === 0) return undefined;
  let ownKb = 0;
  let fileKb = 0;
  for (const { pid } of tree) {
    const status = read(`/proc/${String(pid)}/status`) ?? '';
    ownKb += kbIn(status, 'RssAnon') + kbIn(status, 'RssShmem');
    fileKb = Math.max(fileKb, kbIn(status, 'RssFile'));
  }
  return (ownKb + fileKb) / 1024;
}

/** True while this very process runs. */
export function runs({ pid, startedAt }: ProcessId): boolean {
  return statOf(pid)?.startedAt === startedAt;
}

function statsOf(root: number): readonly Stat[] {
  const childrenOf = new Map<number, Stat[]>();
  for (const name of entries()) {
    const stat = statOf(Number(name));
    if (stat === undefined) continue;
    const siblings = childrenOf.get(stat.parent);
    if (siblings === undefined) childrenOf.set(stat.parent, [stat]);
    else siblings.push(stat);
  }
  const first = statOf(root);
  const tree = first === undefined ? [] : [first];
  // The list grows while it is walked: children are appended behind their parents.
  for (const { pid } of tree) tree.push(...(childrenOf.get(pid) ?? []));
  return tree;
}

function entries(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return []; // Not Linux.
  }
}

function statOf(pid: number): Stat | undefined {
  const text = read(`/proc/${String(pid)}/stat`);
  if (text === undefined) return undefined;
  // The name in parentheses may itself hold spaces and parentheses. Behind it: state, parent, … (proc_pid_stat(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z') return undefined;
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { pid, parent: Number(fields[1]), cpuMs: ticks * msPerTick, startedAt: fields[19] ?? '' };
}

function kbIn(status: string, name: string): number {
  const at = status.indexOf(`\n${name}:`);
  return at === -1 ? 0 : parseInt(status.slice(at + name.length + 2), 10);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // It ended while we looked.
  }
}
