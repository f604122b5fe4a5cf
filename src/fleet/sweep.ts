import { readdirSync, readFileSync } from 'node:fs';
import { cookieVariable } from './environment.ts';

/**
 * Ends by SIGKILL every process of ours whose environment carries this cookie, and gives their ids: what an earlier daemon
 * left behind when it was killed, and what left its process group by `setsid`. Linux only; elsewhere it finds nothing.
 */
export function sweep(cookie: string, proc = '/proc'): readonly number[] {
  // A short or empty cookie could match somebody else's process.
  if (!/^[A-Za-z0-9_-]{16,}$/.test(cookie)) return [];
  const mark = `${cookieVariable}=${cookie}`;
  return processIds(proc).filter((pid) => pid !== process.pid && carries(proc, pid, mark) && kill(pid));
}

function processIds(proc: string): readonly number[] {
  try {
    return readdirSync(proc)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    // No /proc: not Linux.
    return [];
  }
}

function carries(proc: string, pid: number, mark: string): boolean {
  try {
    // Whole entries only: `X_SUPERVISED_BY=…` and longer values are not ours.
    return readFileSync(`${proc}/${pid}/environ`, 'latin1').split('\0').includes(mark);
  } catch {
    // Gone meanwhile, or another user's: then it is not ours.
    return false;
  }
}

function kill(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
