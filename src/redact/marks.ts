import { createHmac } from 'node:crypto';
import type { RedactAction } from '../domain/orders.ts';
import type { Mark } from './splice.ts';

const starsMax = 32;
const maskKeepsFrom = 8;
const tailChars = 4;

/** What an action puts in the place of a find. `report` and `block` put nothing there. */
export function markFor(action: RedactAction, label: string, key: Buffer): Mark | undefined {
  switch (action) {
    case 'redact':
      return { hides: 3, text: () => `[redacted:${label}]` };
    case 'hash':
      return { hides: 2, text: (found) => `[hash:${label}:${digest(found, key)}]` };
    case 'mask':
      return { hides: 1, text: masked };
    case 'block':
    case 'report':
      return undefined;
  }
}

/** All but the last four characters as stars. Of a short text nothing is kept: four of six digits are no secret any more. */
export function masked(found: string): string {
  const kept = found.length < maskKeepsFrom ? '' : found.slice(-tailChars);
  const stars = Math.min(starsMax, found.length - kept.length);
  // What JSON or a marker would read otherwise, half an escape for one, must not stand at the end.
  return '*'.repeat(stars) + kept.replaceAll(/[^A-Za-z0-9@._ -]/g, '*');
}

/** Without the key nobody can try out which number a digest stands for. */
function digest(found: string, key: Buffer): string {
  return createHmac('sha256', key).update(found).digest('hex').slice(0, 12);
}

/** A name as it may stand in a marker. */
export function labelOf(name: string): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 32);
  return plain.replaceAll(/^-|-$/g, '') || 'rule';
}
