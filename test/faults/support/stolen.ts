/**
 * Time that the host of a virtual machine gives to others while something here wants to run. A clock goes on meanwhile, so what it
 * says of a call is then as much about the host as about mcpd.
 */
import { readOr } from '../../support/daemon.ts';

/** Since the machine was started, in ticks: what anything here wanted to run, and what of it the host did not give. */
export type ProcessorTime = { readonly asked: number; readonly stolen: number };

/** The first line of /proc/stat (proc_stat(5)); nothing where there is none. */
export function processorTime(): ProcessorTime {
  const [line = ''] = readOr('/proc/stat', '').split('\n', 1);
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = line
    .split(/ +/)
    .map(Number);
  return { asked: user + nice + system + irq + softirq + stolen, stolen };
}

/** What part of what was asked for between two looks the host gave to others; 0 where nothing is known. */
export function stolenShare(before: ProcessorTime, after: ProcessorTime): number {
  const asked = after.asked - before.asked;
  return asked > 0 ? (after.stolen - before.stolen) / asked : 0;
}

/** A machine that is left alone loses a few thousandths. What criteria hold is the slowest hundredth of calls. */
const shareMax = 0.01;
const againMax = 5;

/** How often something was measured again in one test: a figure for the table. */
export type Again = { times: number };
export const againSays = 'measured again, because the host took the processor';

/**
 * Measures, and measures again when the host took more than a hundredth of the time meanwhile. Whether it counts is said by
 * the machine alone and never by what was measured; and when the host takes it again and again, the last counts as it is, so that
 * no criterion is ever let off.
 */
export async function undisturbed<Found>(
  again: Again,
  measure: () => Promise<Found>,
  look: () => ProcessorTime = processorTime,
): Promise<Found> {
  for (let left = againMax; ; left--) {
    const before = look();
    const found = await measure();
    if (left === 0 || stolenShare(before, look()) <= shareMax) return found;
    again.times++;
  }
}
