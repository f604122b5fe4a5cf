import { readFileSync } from 'node:fs';
import { endProcess } from './end-process.ts';
import { cookieVariable } from './environment.ts';
import { processIds, rowOf, type Identity } from './process-table.ts';

/**
 * Ends by SIGKILL every process of ours whose environment carries this cookie, and gives their ids: what an earlier daemon
 * left behind when it was killed, and what left its process group by `setsid`. Linux only; elsewhere it finds nothing.
 */
export function sweep(cookie: string, proc = '/proc'): readonly number[] {
  return marked(cookie, proc)
    .filter((it) => endProcess(it, proc))
    .map(({ pid }) => pid);
}

/** Who carries this cookie, or the mark of a child that was made from it. */
export function marked(cookie: string, proc = '/proc'): readonly Identity[] {
  if (!isCookie(cookie)) return [];
  return carriers((mark) => mark === cookie || mark.startsWith(`${cookie}.`), proc);
}

/** The same for the marks of several children, with one look around. */
export function sweepMarks(marks: ReadonlySet<string>, proc = '/proc'): readonly number[] {
  const ours = new Set([...marks].filter((it) => isCookie(it.split('.')[0] ?? '')));
  if (ours.size === 0) return [];
  return carriers((mark) => ours.has(mark), proc)
    .filter((it) => endProcess(it, proc))
    .map(({ pid }) => pid);
}

/** A short or empty cookie could match somebody else's process. */
function isCookie(text: string): boolean {
  return /^[A-Za-z0-9_-]{16,}$/.test(text);
}

function carriers(isOurs: (mark: string) => boolean, proc: string): readonly Identity[] {
  return processIds(proc).flatMap((pid) => {
    if (pid === process.pid) return [];
    // Its name first: whoever has the id when the environment is read has it still when the name is compared.
    const row = rowOf(pid, proc);
    return row !== undefined && carries(proc, pid, isOurs) ? [row] : [];
  });
}

function carries(proc: string, pid: number, isOurs: (mark: string) => boolean): boolean {
  try {
    const text = readFileSync(`${proc}/${pid}/environ`, 'latin1');
    const begin = `${cookieVariable}=`;
    // Whole entries only: `X_SUPERVISED_BY=…` is not ours.
    return (
      text.includes(begin) &&
      text.split('\0').some((entry) => entry.startsWith(begin) && isOurs(entry.slice(begin.length)))
    );
  } catch {
    // Gone meanwhile, or another user's: then it is not ours.
    return false;
  }
}
