import type { Json } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';
import type { AdminPlane } from './admin-plane.ts';
import type { Args } from './args.ts';
import { readSpan } from './duration.ts';
import { votesAs, type Operator } from './operators.ts';
import { Refused, type Reply } from './reply.ts';

/** The rule that asks says how long a yes may be good for; this is only the longest that makes sense at all. */
const leaseMsMax = 86_400_000;

/**
 * What a listing shows of the arguments of one question, and of any text of its target. It is for looking over; one question
 * by its id is shown whole, and what would be too large for that is never asked (`confirm/ways.ts`).
 */
const argsCharsMax = 16 * 1024;
const targetCharsMax = 1000;
/** All questions of a listing share so much for their arguments: one caller must not take the room of all the others. */
const argsCharsOfAll = 2 * 1024 * 1024;
/** A listing, as JSON. With room to spare below the line of the control socket, because nobody reads a line that is too long. */
const listingBytesMax = 6 * 1024 * 1024;

/** `approvals`: the calls that wait for a yes, oldest first. `approvals ID`: one of them, with nothing cut. */
export function approvals(plane: AdminPlane, args: Args): Reply {
  const now = plane.clock.wallMs();
  const typed = args.text('id');
  const waiting = plane.gate.list(typed);
  if (typed !== undefined) {
    const [question] = waiting;
    if (question === undefined)
      throw new Refused('NOT_FOUND', `no call waits under ${typed}`, 'mcpd ctl approvals');
    return { ok: true, command: 'approvals', id: question.id, approvals: [rowOf(question, now)], leftOut: 0 };
  }
  const charsEach = Math.min(argsCharsMax, Math.floor(argsCharsOfAll / Math.max(1, waiting.length)));
  const rows: QuestionRow[] = [];
  let bytes = 0;
  for (const question of waiting) {
    const row = rowOf(overview(question, charsEach), now, Buffer.byteLength(question.argsText));
    bytes += Buffer.byteLength(JSON.stringify(row));
    if (bytes > listingBytesMax) break;
    rows.push(row);
  }
  return { ok: true, command: 'approvals', approvals: rows, leftOut: waiting.length - rows.length };
}

type QuestionRow = ReturnType<typeof rowOf>;

/** `cutBytes`: how much of the arguments stands only in the question itself. */
function rowOf(question: Question, now: number, argsBytes = Buffer.byteLength(question.argsText)) {
  return {
    ...question,
    effect: question.effect ?? null,
    askedAt: new Date(question.askedAt).toISOString(),
    expiresAt: new Date(question.expiresAt).toISOString(),
    expiresInMs: Math.max(0, Math.round(question.expiresAt - now)),
    cutBytes: argsBytes - Buffer.byteLength(question.argsText),
  };
}

function overview(question: Question, argsChars: number): Question {
  const { target, argsText } = question;
  const text = JSON.stringify(target);
  if (text.length <= targetCharsMax) return { ...question, argsText: argsText.slice(0, argsChars) };
  const short = shortened(readJson(text)) as unknown as typeof target; // The same members, with shorter texts.
  return { ...question, target: short, argsText: argsText.slice(0, argsChars) };
}

function shortened(value: Json): Json {
  if (typeof value === 'string') return cut(value);
  if (Array.isArray(value)) return value.slice(0, targetListMax).map(shortened);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, shortened(it)]));
}

/** Entries of a list in a target, such as the resources of one subscription. */
const targetListMax = 10;

function cut(text: string): string {
  return text.length <= targetCharsMax
    ? text
    : `${text.slice(0, targetCharsMax)} …[CUT: ${targetCharsMax} of ${text.length} characters shown]`;
}

/** `approve ID [--for 10m]` and `deny ID`. */
export function answer(
  plane: AdminPlane,
  args: Args,
  operator: Operator,
  verdict: 'approve' | 'deny',
): Reply {
  const id = args.need('id');
  const span = args.text('for');
  const forMs = span === undefined ? undefined : readSpan(span, leaseMsMax);
  const answered = plane.gate.answer(id, {
    verdict,
    by: operator.name,
    person: votesAs(operator),
    reason: args.text('reason'),
    forMs,
  });
  const wanted = verdict === 'approve' ? 'approved' : 'declined';
  switch (answered.kind) {
    case 'taken':
      return {
        ...about(verdict, answered.question),
        changed: true,
        ending: wanted,
        still: 0,
        leaseMs: answered.leaseMs,
      };
    case 'counted': {
      const { question, still, changed } = answered;
      return { ...about(verdict, question), changed, ending: null, still, leaseMs: 0 };
    }
    case 'refused':
      throw new Refused('ANSWER_REFUSED', `${answered.reason}; nothing changed`, 'mcpd ctl approvals');
    case 'already':
      if (answered.ending === wanted)
        return { ok: true, command: verdict, id, changed: false, ending: wanted };
      throw new Refused(
        'ALREADY_ENDED',
        `${id} is ${answered.ending} already; nothing changed`,
        'mcpd ctl approvals',
      );
    case 'unknown':
      throw new Refused('NOT_FOUND', `no call waits under ${id}`, 'mcpd ctl approvals');
  }
}

type Question = ReturnType<AdminPlane['gate']['list']>[number];

function about(command: string, { id, callId, caller, server, target }: Question) {
  return { ok: true, command, id, callId, caller, server, target } as const;
}

/** `leases`: the yeses that are good for a while, oldest first. */
export function leases(plane: AdminPlane): Reply {
  const now = plane.clock.wallMs();
  return {
    ok: true,
    command: 'leases',
    leases: plane.gate.leases().map((lease) => ({
      ...lease,
      same: lease.same.map(([path, value]) => ({ path, value: value ?? null })),
      expiresAt: new Date(lease.expiresAt).toISOString(),
      expiresInMs: Math.max(0, Math.round(lease.expiresAt - now)),
    })),
  };
}

/** `end-lease ID`: its further calls are asked about again. */
export function endLease(plane: AdminPlane, args: Args): Reply {
  const id = args.need('id').trim().toLowerCase();
  const ended = plane.gate.endLeases((lease) => lease.id === id);
  return { ok: true, command: 'end-lease', id, changed: ended > 0, ended };
}
