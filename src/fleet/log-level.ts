import type { Notice } from '../domain/message.ts';
import { objectOf } from '../protocol/codec.ts';

/** Least severe first (RFC 5424). */
const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** Whether a log line is at least as severe as a level; one that names no known level is not. */
export function passesLevel(notice: Notice, level: string): boolean {
  const { level: said } = objectOf(notice.params);
  return typeof said === 'string' && levels.includes(level) && levels.indexOf(said) >= levels.indexOf(level);
}

/** The more verbose of two levels; an unknown one counts for nothing. */
export function moreVerbose(one: string | undefined, other: string): string | undefined {
  if (!levels.includes(other)) return one;
  return one === undefined || levels.indexOf(other) < levels.indexOf(one) ? other : one;
}
