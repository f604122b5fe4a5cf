import type { TestContext } from 'node:test';
import type { Call, Target } from '../../src/domain/call.ts';
import type { Decision } from '../../src/domain/decision.ts';
import type { JsonText } from '../../src/domain/message.ts';
import { readJournal } from '../../src/audit/journal-files.ts';
import type { Audit } from '../../src/audit/trail.ts';
import { bench, sampleArrival, sampleCall, samplePermit, sampleSession, tempDir } from '../audit/sample.ts';

/** One call for the journal to remember. */
export type Past = {
  readonly caller?: string;
  readonly target: Target;
  readonly method?: string;
  readonly params?: string;
  readonly decision?: Decision;
  readonly payloads?: boolean;
  /** Milliseconds after the first. */
  readonly afterMs?: number;
  readonly id?: string;
};

export const startMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
export const denied: Decision = { kind: 'deny', rule: 'built-in: default deny', reason: 'No.', hidden: true };

/** Has the real journal write these calls, so that its format cannot drift away from what reads it. */
export async function journalOf(t: TestContext, calls: readonly Past[]): Promise<string> {
  const dir = tempDir(t);
  let payloads = false;
  const { audit, clock, scribe } = bench(t, dir, { policyOf: () => ({ recordPayloads: payloads }) });
  for (const [at, past] of calls.entries()) {
    clock.wall = startMs + (past.afterMs ?? at * 1000);
    payloads = past.payloads ?? false;
    await write(audit, past, past.id ?? `call-${at}`);
  }
  await scribe.flush();
  return dir;
}

export function linesOf(dir: string): AsyncIterable<string> {
  return readJournal(dir);
}

async function write(audit: Audit, past: Past, id: string): Promise<void> {
  const { target, caller = 'ana', method = 'tools/call', decision = samplePermit() } = past;
  const params = (past.params ??
    (target.kind === 'tool' ? `{"name":"${target.name}","arguments":{"path":"/a"}}` : '{}')) as JsonText;
  const arrival = sampleArrival({ id, message: { kind: 'request', id: 1, method, params } });
  const session = sampleSession({ principal: { name: caller } });
  const call: Call = sampleCall(arrival, target, session);
  if (target.kind === 'upcall') {
    const upcall = {
      server: 'files',
      audience: { kind: 'everyone' },
      message: { kind: 'request', id: 's-1', method: target.method, params },
      callId: undefined,
      settle: () => undefined,
    } as const;
    audit.upcall(upcall, session, decision, 'v1', decision.kind !== 'deny');
    return;
  }
  const trail = audit.open(arrival);
  trail.identified(session.principal);
  trail.named(call);
  trail.decided(decision, { version: 'v1' });
  if (decision.kind === 'deny') {
    trail.close({ kind: 'refused', why: decision, target });
    return;
  }
  await trail.commit({
    call,
    permit: decision,
    receipt: { kind: 'paid', done: () => undefined, would: undefined },
    approval: { kind: 'approved', by: 'policy' },
    ordersVersion: 'v1',
    attempt: 1,
    stands: () => true,
  });
  trail.close({ kind: 'accepted' });
}
