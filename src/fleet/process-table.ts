import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One process, and no other that will ever have its id: both together name it until the machine is started again. */
export type Identity = {
  readonly pid: number;
  /** Ticks since the machine was started, as `/proc/PID/stat` says (proc_pid_stat(5), field 22). */
  readonly startTicks: number;
};

/** What /proc says about a process. */
export type Row = Identity & {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Ticks of processor time: its own, and of those it has started that are gone. */
  readonly cpuTicks: number;
};

/** Undefined where there is no such process, or no /proc. */
export function rowOf(pid: number, proc = '/proc'): Row | undefined {
  let text: string;
  try {
    text = readFileSync(`${proc}/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name may hold anything, brackets and spaces too; what counts comes after its last bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTicks = Number(fields[19]);
  if (!Number.isSafeInteger(startTicks)) return undefined;
  const number = (at: number) => Number(fields[at]) || 0;
  return {
    pid,
    startTicks,
    state: fields[0] ?? '',
    parent: number(1),
    group: number(2),
    session: number(3),
    cpuTicks: number(11) + number(12) + number(13) + number(14),
  };
}

/** Every process that can be seen. */
export function processTable(proc = '/proc'): readonly Row[] {
  return processIds(proc)
    .map((pid) => rowOf(pid, proc))
    .filter((row) => row !== undefined);
}

export function processIds(proc = '/proc'): readonly number[] {
  try {
    return readdirSync(proc)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    // No /proc: not Linux.
    return [];
  }
}

/** Whether it is the same process still, and runs: one that is dead and not yet collected does not. */
export function isStill({ pid, startTicks }: Identity, proc = '/proc'): boolean {
  const row = rowOf(pid, proc);
  return row?.startTicks === startTicks && row.state !== 'Z' && row.state !== 'X';
}

/**
 * Names this run of the machine, and the space in which its process ids mean something: after a boot, and in another container,
 * the same numbers are other processes. Undefined where it cannot be told.
 */
export function bootMark(proc = '/proc'): string | undefined {
  try {
    const boot = readFileSync(`${proc}/sys/kernel/random/boot_id`, 'latin1').trim();
    const space = readlinkSync(`${proc}/self/ns/pid`).replaceAll(/[^\d]/g, '');
    return /^[0-9a-f-]{36}$/.test(boot) && space !== '' ? `${boot}/${space}` : undefined;
  } catch {
    return undefined;
  }
}
