import { faults } from '../domain/faults.ts';
import type { OwnKind } from './journal-repairs.ts';

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

/**
 * What the journal says of itself, and how much somebody should care: `usual`, `look` at what happened around it, or `alarm`:
 * records are missing or were changed.
 */
export const ownKinds: Readonly<Record<OwnKind, 'usual' | 'look' | 'alarm'>> = {
  started: 'usual',
  recovered: 'look',
  lost: 'alarm',
  'torn-tail': 'look',
  unsealed: 'look',
  truncated: 'alarm',
  changed: 'alarm',
  'head-lost': 'alarm',
  'checkpoints-lost': 'alarm',
  'io-error': 'look',
  'chain-begins': 'usual',
  retired: 'usual',
  clock: 'look',
};

/** The kinds of records as a query gives them. */
export const kindWords: readonly string[] = [
  'call',
  'upcall',
  'command',
  'sign-ins',
  ...Object.keys(ownKinds),
];
