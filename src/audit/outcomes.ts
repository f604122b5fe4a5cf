import { faults } from '../domain/faults.ts';

/** How a call can have ended, as `outcome` has it. `unknown`: it went out, and the daemon ended before it was answered. */
export const outcomeWords: readonly string[] = [
  'answered',
  'accepted',
  'refused',
  'declined',
  'awaiting',
  'failed',
  'unknown',
];

/** Why it ended so, as `error` has it, besides the fault codes and the servers' own JSON-RPC codes. */
export const errorWords: readonly string[] = [
  'tool-error',
  'denied',
  'rate-limited',
  'declined',
  'expired',
  'cannot-ask',
];

/** Whether a record can have ended like this. A misspelt word would find nothing, and "nothing" would be believed. */
export function isEnding(word: string): boolean {
  if (outcomeWords.includes(word) || errorWords.includes(word)) return true;
  return Object.hasOwn(faults, word) || /^-?\d{1,20}$/.test(word);
}
