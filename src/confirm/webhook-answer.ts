import { Fault } from '../domain/faults.ts';
import { printable } from '../domain/printable.ts';
import { canonical, decodeUtf8, objectOf } from '../protocol/codec.ts';

/** What somebody said through a webhook. */
export type WebhookAnswer = {
  readonly id: string;
  readonly verdict: 'approve' | 'deny';
  /** Who, as the chat or ticket system calls them; lower case. */
  readonly by: string;
  readonly reason: string | undefined;
  /** For how long the yes is meant for calls that are alike; 0: for this one only. */
  readonly forMs: number;
};

const known = new Set(['id', 'verdict', 'by', 'reason', 'for']);
const idForm = /^[0-9a-z]{1,64}$/;
/**
 * ASCII, and nothing that could pass for a separator: a name such as `bob, operator:root` would put a second approver on the
 * record, and one that only looks like another would count as a second person.
 */
const byForm = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/;
const reasonCharsMax = 500;

/** Reads a body whose signature was checked. Throws `BAD_JSON`, `BAD_PARAMS` or `TOO_DEEP`, with what is wrong. */
export function readWebhookAnswer(body: Buffer): WebhookAnswer {
  const said = objectOf(canonical(decodeUtf8(body), { bytesMax: body.length, depthMax: 2 }));
  for (const name of Object.keys(said))
    if (!known.has(name)) throw bad('a member that is none of id, verdict, by, reason, for');
  const { id, verdict, by, reason } = said;
  if (typeof id !== 'string' || !idForm.test(id)) throw bad('id: the id of a question');
  if (verdict !== 'approve' && verdict !== 'deny') throw bad('verdict: "approve" or "deny"');
  if (typeof by !== 'string' || !byForm.test(by))
    throw bad('by: 1 to 64 of A-Z, a-z, 0-9 and . _ @ + -, beginning with a letter or digit');
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > reasonCharsMax))
    throw bad(`reason: at most ${reasonCharsMax} characters`);
  const forMs = said['for'] === undefined ? 0 : durationOf(said['for']);
  if (forMs === undefined) throw bad('for: a time such as "10m"');
  if (forMs > 0 && verdict === 'deny') throw bad('for: only a yes can be given for a time');
  return {
    id,
    verdict,
    // `Ana` and `ana` are one person to most systems, so they are one approver here.
    by: by.toLowerCase(),
    reason: reason === undefined || reason === '' ? undefined : printable(reason),
    forMs,
  };
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

function durationOf(written: unknown): number | undefined {
  const [, count, unit] = typeof written === 'string' ? (/^([1-9]\d{0,4})([smh])$/.exec(written) ?? []) : [];
  const factor = unit === undefined ? undefined : unitMs.get(unit);
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}

function bad(detail: string): Fault {
  return new Fault('BAD_PARAMS', { detail });
}
