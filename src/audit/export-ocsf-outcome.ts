import type { JsonObject } from '../domain/message.ts';
import { differs, objectAt, textOf } from './query-filter.ts';

/** How a call ended, in the words of OCSF: whether it succeeded, and what the policy did about it (profile Security Control). */
export type OcsfOutcome = {
  readonly status_id: number;
  readonly status: string;
  readonly action_id: number;
  readonly disposition_id: number;
  readonly status_code?: string;
  readonly status_detail?: string;
};

const action = { unknown: 0, allowed: 1, denied: 2, observed: 3 } as const;
const disposition = { unknown: 0, allowed: 1, blocked: 2, approved: 8, delayed: 14, logged: 17 } as const;

export function ocsfOutcome(record: JsonObject): OcsfOutcome {
  const detail = detailOf(record);
  const code = textOf(record['error']);
  return {
    ...statusOf(record),
    ...controlOf(record),
    ...(code === '' ? {} : { status_code: code }),
    ...(detail === '' ? {} : { status_detail: detail }),
  };
}

function statusOf(record: JsonObject): Pick<OcsfOutcome, 'status_id' | 'status'> {
  const success = { status_id: 1, status: 'Success' };
  const failure = { status_id: 2, status: 'Failure' };
  if (record['kind'] === 'upcall') return record['asked'] === true ? success : failure;
  switch (record['outcome']) {
    case 'answered':
    case 'accepted':
      return record['error'] === undefined ? success : failure;
    // The caller was given a question instead of an answer.
    case 'awaiting':
      return { status_id: 99, status: 'awaiting' };
    case 'unknown':
    case undefined:
      return { status_id: 0, status: 'Unknown' };
    default:
      return failure;
  }
}

function controlOf(record: JsonObject): Pick<OcsfOutcome, 'action_id' | 'disposition_id'> {
  const decision = objectAt(record, 'decision');
  const { outcome } = record;
  if (outcome === 'refused' || outcome === 'declined' || decision['kind'] === 'deny')
    return { action_id: action.denied, disposition_id: disposition.blocked };
  if (outcome === 'awaiting') return { action_id: action.unknown, disposition_id: disposition.delayed };
  // It ended before anybody decided.
  if (decision['kind'] === undefined)
    return { action_id: action.unknown, disposition_id: disposition.unknown };
  if (differs(record)) return { action_id: action.observed, disposition_id: disposition.logged };
  const by = textOf(decision['approvedBy']);
  const asked = by !== '' && by !== 'policy';
  return { action_id: action.allowed, disposition_id: asked ? disposition.approved : disposition.allowed };
}

function detailOf(record: JsonObject): string {
  return (
    textOf(record['reason']) ||
    textOf(objectAt(record, 'refusedBy')['reason']) ||
    textOf(objectAt(record, 'decision')['reason'])
  );
}
