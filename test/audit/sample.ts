import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Arrival, Call, Target } from '../../src/domain/call.ts';
import type { Session } from '../../src/domain/caller.ts';
import type { Permit } from '../../src/domain/decision.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { JsonObject, JsonText } from '../../src/domain/message.ts';
import { Audit, type AuditParts } from '../../src/audit/trail.ts';
import { Journal, type JournalPlace } from '../../src/audit/journal.ts';
import { journalFiles } from '../../src/audit/journal-files.ts';
import { Scribe, type ScribeParts } from '../../src/audit/scribe.ts';

export function tempDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-audit-'));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return join(dir, 'journal');
}

export function linesIn(dir: string): JsonObject[] {
  const text = journalFiles(dir)
    .map((file) => readFileSync(file, 'utf8'))
    .join('');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as JsonObject);
}

/** A disk that takes so many more bytes, then says ENOSPC. */
export type Disk = {
  freeBytes: number;
  readonly writeSome: NonNullable<JournalPlace['writeSome']>;
  writes: number;
};

export function disk(real: (fd: number, bytes: Buffer, offset: number, length: number) => number): Disk {
  const it: Disk = {
    freeBytes: Infinity,
    writes: 0,
    writeSome: (fd, bytes, offset) => {
      const length = Math.min(it.freeBytes, bytes.length - offset);
      if (length === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      it.freeBytes -= length;
      it.writes++;
      return real(fd, bytes, offset, length);
    },
  };
  return it;
}

export type Bench = {
  readonly scribe: Scribe;
  readonly audit: Audit;
  readonly clock: { now: number; wall: number };
  readonly timers: (() => void)[];
};

export function bench(
  t: TestContext,
  dir: string,
  more: Partial<JournalPlace & ScribeParts & AuditParts> = {},
): Bench {
  const clock = { now: 1000, wall: Date.UTC(2026, 0, 2, 3, 4, 5, 6) };
  const timers: (() => void)[] = [];
  const parts = { wallMs: () => clock.wall, steadyMs: () => clock.now };
  const scribe = new Scribe({
    open: () => Journal.open({ dir, ...more }),
    clock: parts,
    later: (_afterMs, run) => {
      timers.push(run);
      return () => {
        timers.splice(timers.indexOf(run), 1);
      };
    },
    ...more,
  });
  const audit = new Audit({
    scribe,
    clock: parts,
    redact: (text) => text.replaceAll(/sk-secret-\d+/g, '[redacted]'),
    describe: (_server, tool) => ({
      serverVersion: '1.2.3',
      ...(tool === undefined ? {} : { toolDigest: 'abcdef012345' }),
    }),
    policyOf: () => ({ recordPayloads: false }),
    ...more,
  });
  t.after(() => scribe.close().catch(() => undefined));
  return { scribe, audit, clock, timers };
}

export function sampleSession(more: Partial<Session> = {}): Session {
  return {
    id: 'full-session-id',
    principal: { name: 'alice' },
    server: 'files',
    era: 'legacy',
    agreed: { protocolVersion: '2025-11-25', client: { name: 'desk', version: '9' }, clientCapabilities: [] },
    ...more,
  };
}

export function sampleArrival(more: Partial<Arrival> = {}): Arrival {
  return {
    id: 'call-1',
    at: 0,
    remote: '127.0.0.1',
    server: 'files',
    credentials: { kind: 'bearer', token: 'mcpd_presented_token' },
    sessionId: 'full-session-id',
    userAgent: 'agent/1',
    message: {
      kind: 'request',
      id: 1,
      method: 'tools/call',
      params: '{"name":"read","arguments":{"path":"/a"}}' as JsonText,
    },
    era: 'legacy',
    mirror: undefined,
    halt: new Halt(),
    outlet: { send: () => 'gone' },
    ...more,
  };
}

export function sampleCall(
  arrival: Arrival,
  target: Target = { kind: 'tool', name: 'read' },
  session = sampleSession(),
): Call {
  const params = arrival.message.kind === 'reply' ? undefined : arrival.message.params;
  return {
    ...arrival,
    principal: session.principal,
    session,
    target,
    params: params === undefined ? {} : (JSON.parse(params) as JsonObject),
    halt: new Halt(),
    resumes: undefined,
  };
}

export function samplePermit(more: Partial<Permit & { kind: 'allow' }> = {}): Permit {
  return { kind: 'allow', rule: 'reads', record: ['path'], rates: [], would: undefined, ...more };
}
