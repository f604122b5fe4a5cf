import { createHmac } from 'node:crypto';
import type { Answered, Verdict } from '../../src/confirm/gate.ts';
import type { Question } from '../../src/confirm/question.ts';
import { Webhooks, type Hook, type Parcel } from '../../src/confirm/webhook.ts';
import { readKey } from '../../src/confirm/webhook-signature.ts';
import { Fault } from '../../src/domain/faults.ts';

export const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
export const keyOf = (text: string): Buffer => {
  const key = readKey(text);
  if (!key.ok) throw new Error(key.why);
  return key.bytes;
};

export function question(more: Partial<Question> = {}): Question {
  return {
    id: '7k2m9qxz',
    askedAt: 1_800_000_000_000,
    expiresAt: 1_800_000_055_000,
    callId: 'call-1',
    caller: 'ana',
    server: 'files',
    method: 'tools/call',
    target: { kind: 'tool', name: 'write_file' },
    rule: 'writes need a yes',
    effect: 'Writes a file.',
    argsText: '{"name":"write_file","arguments":{"path":"/a"}}',
    argsSha256: 'a'.repeat(64),
    channels: ['webhook:chat'],
    approvalsNeeded: 1,
    approvedBy: [],
    leaseMsMax: 0,
    leaseSame: [],
    ...more,
  };
}

/** A chat system, as somebody else would write one: signs by the text of the scheme, with nothing of ours. */
export function signed(
  body: string,
  { id = 'msg_1', atMs, key = keyOf(secret) }: { id?: string; atMs: number; key?: Buffer },
): Record<string, string> {
  const timestamp = String(Math.floor(atMs / 1000));
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
}

export type Bench = {
  readonly webhooks: Webhooks;
  readonly clock: { wall: number; steady: number };
  readonly hooks: Map<string, Hook>;
  readonly posted: Parcel[];
  readonly heard: { readonly id: string; readonly verdict: Verdict }[];
  readonly unreachable: string[];
  readonly records: string[];
  /** What the gate says to the next answers. */
  answered: Answered;
  journal: 'works' | 'is full';
};

export function bench(): Bench {
  const clock = { wall: 1_800_000_000_000, steady: 0 };
  const hooks = new Map<string, Hook>([['chat', { url: 'https://chat.example/hook', key: keyOf(secret) }]]);
  const it: Bench = {
    webhooks: undefined as unknown as Webhooks,
    clock,
    hooks,
    posted: [],
    heard: [],
    unreachable: [],
    records: [],
    answered: { kind: 'taken', ending: 'approved', question: question(), leaseMs: 0 },
    journal: 'works',
  };
  const webhooks = new Webhooks({
    clock: { wallMs: () => clock.wall, steadyMs: () => clock.steady },
    hookOf: (name) => hooks.get(name),
    post: (parcel) => void it.posted.push(parcel),
    gate: {
      answer: (id, verdict) => {
        it.heard.push({ id, verdict });
        return it.answered;
      },
      unreachable: (id, webhook, reason) => void it.unreachable.push(`${id} ${webhook}: ${reason}`),
    },
    record: async ({ by, command, args, result }) => {
      if (it.journal === 'is full') throw new Fault('AUDIT_UNAVAILABLE');
      it.records.push(`${by} ${command} ${args.join(' ')}: ${result}`);
    },
  });
  return Object.assign(it, { webhooks });
}
