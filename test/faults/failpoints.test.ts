/**
 * Something breaks at any step between the arrival of a call and its answer. The call is denied and on record, or nobody is
 * answered at all; it never goes out without a record, and nothing is rejected in silence.
 *
 * The stories are the real ones, and so are scribe and journal; the other rooms are stand-ins whose N-th effect fails. That
 * a daemon whose error nobody caught ends with another code than 0 is Node's own doing (`--unhandled-rejections=throw`).
 */
import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { handleCall } from '../../src/call/handle-call.ts';
import { handleUpcall } from '../../src/call/handle-upcall.ts';
import type { DataPlane } from '../../src/call/data-plane.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { JsonText } from '../../src/domain/message.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { Upcall } from '../../src/domain/upstream.ts';
import { compile } from '../../src/policy/compile.ts';
import { bench, linesIn, sampleArrival, sampleSession, tempDir, type Bench } from '../audit/sample.ts';
import { quiet } from '../call/quiet.ts';
import { noSwitches, rule, serverFile } from '../policy/support.ts';
import { figure, isWhole } from '../support/faults.ts';
import { failing, manners, type Failpoint, type Manner } from './support/failpoints.ts';

const compiled = compile(
  [
    serverFile('files', [
      rule('reading', 'allow', { tools: ['read', 'again'], upcalls: ['roots/list'] }),
      rule('writing', 'confirm', { tools: ['write'] }),
      rule('never', 'deny', { tools: ['delete'] }),
    ]),
  ],
  { limits: [], roles: [], webhooks: [] },
  { switches: noSwitches, grants: [] },
  'v1',
);
assert.ok(compiled.ok);
const { orders } = compiled;
const effectsMax = 200;

type Stage = { readonly it: Bench; readonly dir: string; readonly sent: string[]; forwarded: number };

/** A plane with a real journal. What goes out is looked for in the journal at the moment in which it goes. */
function planeOf(stage: Stage, tool: string): DataPlane {
  const session = sampleSession();
  return {
    ...quiet,
    audit: stage.it.audit,
    callers: { identify: () => session.principal },
    sessions: {
      resolve: () => session,
      agree: () => undefined,
      disown: () => undefined,
      reachedBy: () => [session],
      standing: () => ({
        send: (text) => {
          stage.sent.push(text);
          return 'sent';
        },
      }),
    },
    orders: { current: () => orders },
    inFlight: {
      add: () => undefined,
      remove: () => undefined,
      find: () => undefined,
      newest: () => undefined,
      cancel: () => undefined,
    },
    gate: {
      ...quiet.gate,
      ask: async () => ({ kind: 'approved', by: 'ana' }),
    },
    tasks: { toolOf: () => undefined, claim: (_call, answer) => answer },
    rounds: { resume: (call) => call, pause: (_call, answer) => answer },
    breakers: {
      ...quiet.breakers,
      retryInMs: (_orders, _call, attempt, { code }) =>
        tool === 'again' && attempt < 3 && code === 'UPSTREAM_DIED' ? 1 : undefined,
    },
    fleet: {
      hold: () => undefined,
      mirrored: () => [],
      inputSchema: () => undefined,
      bindingOf: () => 'definition@child',
      forward: async (pass) => {
        pass.spend();
        stage.forwarded++;
        const intents = linesIn(stage.dir).filter(({ kind, id }) => kind === 'decision' && id === 'call-1');
        assert.equal(intents.length, stage.forwarded, 'a call went out without its record');
        await Promise.resolve();
        if (tool === 'again' && stage.forwarded < 3) throw new Fault('UPSTREAM_DIED');
        return { kind: 'result', text: '{}' as JsonText };
      },
    },
  };
}

async function onStage(t: TestContext, work: (stage: Stage) => Promise<void>, more = {}): Promise<void> {
  const dir = tempDir(t);
  const it = bench(t, dir, more);
  await work({ it, dir, sent: [], forwarded: 0 });
}

const arrivalFor = (tool: string) =>
  sampleArrival({
    message: {
      kind: 'request',
      id: 1,
      method: 'tools/call',
      params: `{"name":"${tool}","arguments":{}}` as JsonText,
    },
  });

/** Plays one call whose N-th effect fails. False: none was left to fail. */
async function playWith(t: TestContext, tool: string, at: number, manner: Manner): Promise<Failpoint> {
  let seen: Failpoint = { fired: undefined, count: 0 };
  await onStage(t, async (stage) => {
    const { plane, point } = failing(planeOf(stage, tool), at, manner);
    seen = point;
    const ended: Outcome | undefined = await handleCall(arrivalFor(tool), plane).catch(() => undefined);
    await stage.it.audit.flush();
    const records = linesIn(stage.dir).filter(({ id }) => id === 'call-1');
    const outcomes = records.filter(({ kind }) => kind === 'outcome').length;
    const says = `${tool}: ${point.fired ?? 'nothing'} ${manner} (${at}): ${ended?.kind ?? 'thrown'}, ${stage.forwarded} out, ${records.length} records`;
    if (point.fired === undefined) return void assert.equal(outcomes, 1, says);
    // A denied call stays one: nothing that breaks may turn a no into a yes.
    if (tool === 'delete') assert.equal(stage.forwarded, 0, says);
    // What cannot be opened or closed on record ends in an error, and not in an answer.
    const isTrail = point.fired.startsWith('trail.close') || point.fired === 'audit.open';
    if (ended === undefined) assert.ok(isTrail, `${says}: thrown past the record`);
    else assert.equal(outcomes, 1, says);
    assert.notEqual(ended?.kind, 'answered', `${says}: answered all the same`);
  });
  return seen;
}

describe('something breaks on the way of a call', () => {
  for (const tool of ['read', 'write', 'again', 'delete'])
    it(`C-23 at each step of ${tool}: denied and on record, never forwarded without one`, async (t) => {
      const effects = new Set<string>();
      let played = 0;
      const wrong: string[] = [];
      for (const manner of isWhole ? manners : (['throws', 'after'] as const))
        for (let at = 1; at < effectsMax; at++) {
          const point = await playWith(t, tool, at, manner).catch((reason: unknown) => {
            wrong.push(reason instanceof Error ? reason.message : String(reason));
            return { fired: 'wrong', count: at };
          });
          if (point.fired === undefined) break;
          effects.add(point.fired);
          played++;
        }
      t.diagnostic(`${played} failures at ${effects.size} effects`);
      figure('C-23', `failures while calling ${tool}`, played);
      assert.deepEqual([...new Set(wrong)], []);
      assert.ok(played > 2 * 8, 'the plane has more effects than that');
    });

  it('C-23 at each write of the journal: the call is not made, or it is on record', async (t) => {
    let refusals = 0;
    for (let bytes = 0, made = false; !made; bytes += 97, refusals++) {
      assert.ok(bytes < 10_000, 'it is never made');
      await onStage(
        t,
        async (stage) => {
          const outcome = await handleCall(arrivalFor('read'), planeOf(stage, 'read')).catch(() => undefined);
          assert.equal(outcome?.kind === 'answered', stage.forwarded === 1, `${bytes} bytes`);
          made = stage.forwarded === 1;
        },
        { writeSome: fullAfter(bytes) },
      );
    }
    assert.ok(refusals > 1, 'the disk was never full');
  });

  it('C-23 at each step of a message from a server: settled, and never sent on without a record', async (t) => {
    let played = 0;
    for (const manner of manners)
      for (let at = 1; at < effectsMax; at++) {
        let fired: string | undefined;
        await onStage(t, async (stage) => {
          let settled = 0;
          const upcall: Upcall = {
            server: 'files',
            audience: { kind: 'session', sessionId: 'full-session-id' },
            message: { kind: 'request', id: 's-1', method: 'roots/list', params: undefined },
            callId: undefined,
            settle: () => settled++,
          };
          const { plane, point } = failing(planeOf(stage, 'read'), at, manner);
          try {
            handleUpcall(upcall, plane);
          } catch {
            // The daemon reports it; see `onUpcall` on the roof.
          }
          await stage.it.audit.flush();
          const onRecord = linesIn(stage.dir).filter(({ kind }) => kind === 'upcall').length;
          const says = `${point.fired ?? 'nothing'} ${manner}: ${stage.sent.length} sent, ${onRecord} records`;
          if (stage.sent.length > 0) assert.equal(onRecord, 1, says);
          if (stage.sent.length === 0) assert.ok(settled > 0, `${says}: the child waits for ever`);
          fired = point.fired;
        });
        if (fired === undefined) break;
        played++;
      }
    assert.ok(played > 8);
    t.diagnostic(`${played} failures`);
  });
});

/** A disk that takes so many more bytes, once the journal stands, and then says ENOSPC. */
function fullAfter(bytes: number) {
  let free = Infinity;
  return (fd: number, all: Buffer, offset: number): number => {
    const length = Math.min(free, all.length - offset);
    if (length === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    const wrote = writeSync(fd, all, offset, length);
    // The first line is the journal's own.
    free = free === Infinity ? bytes : free - wrote;
    return wrote;
  };
}
