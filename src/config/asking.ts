import type { Asking, Channel } from '../domain/orders.ts';
import type { Here } from './here.ts';
import type { WrittenRule } from './schema-rule.ts';
import type { Path } from './toml.ts';
import { durationExample } from './units.ts';

const answerWithinDefaultMs = 55_000;
const answerWithinMaxMs = 600_000;

/** How a rule asks; the defaults for one that does not. */
export function askingOf(rule: WrittenRule, at: Path, { complaints }: Here): Asking {
  const channels = (rule.ask ?? ['operator']).map(channelOf);
  const approvals = rule.approvals ?? 1;
  const answerWithinMs = rule.answer_within ?? answerWithinDefaultMs;
  if (new Set(rule.ask).size < (rule.ask?.length ?? 0))
    complaints.about([...at, 'ask'], 'the same word twice', 'each once');
  if (answerWithinMs >= answerWithinMaxMs)
    complaints.about(
      [...at, 'answer_within'],
      'bad value for "answer_within"',
      `${durationExample}, less than 10m`,
    );
  // Whoever brings a ticket is the caller, so nobody else has looked.
  if (approvals > 1 && channels.some(({ kind }) => kind === 'ticket'))
    complaints.about(
      [...at, 'approvals'],
      'a ticket is no approver of its own',
      'approvals = 1, or other words in "ask"',
    );
  // A caller has one user, who would have to be two people.
  if (approvals > 1 && channels.every(({ kind }) => kind === 'caller'))
    complaints.about(
      [...at, 'approvals'],
      "a caller's own user is one approver",
      'approvals = 1, or further words in "ask"',
    );
  if (rule.lease_same !== undefined && rule.lease_max === undefined)
    complaints.aboutKey(
      [...at, 'lease_same'],
      '"lease_same" means nothing without "lease_max"',
      'no such line',
    );
  return {
    channels,
    approvals,
    answerWithinMs,
    leaseMsMax: rule.lease_max ?? 0,
    leaseSame: rule.lease_same ?? [],
  };
}

function channelOf(written: string): Channel {
  if (written === 'caller' || written === 'ticket') return { kind: written };
  return written.startsWith('webhook:')
    ? { kind: 'webhook', name: written.slice('webhook:'.length) }
    : { kind: 'operator' };
}
