import type { AdminPlane } from './admin-plane.ts';
import type { Args } from './args.ts';
import { readSpan } from './duration.ts';
import { votesAs, type Operator } from './operators.ts';
import { Refused, type Reply } from './reply.ts';

/** The rule that asks says how long a yes may be good for; this is only the longest that makes sense at all. */
const leaseMsMax = 86_400_000;

/** `approvals`: the calls that wait for a yes, oldest first. */
export function approvals(plane: AdminPlane): Reply {
  const now = plane.clock.wallMs();
  return {
    ok: true,
    command: 'approvals',
    approvals: plane.gate.list().map((question) => ({
      ...question,
      effect: question.effect ?? null,
      askedAt: new Date(question.askedAt).toISOString(),
      expiresAt: new Date(question.expiresAt).toISOString(),
      expiresInMs: Math.max(0, Math.round(question.expiresAt - now)),
    })),
  };
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
