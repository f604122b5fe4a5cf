import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Call } from '../../src/domain/call.ts';
import type { Answer, JsonObject } from '../../src/domain/message.ts';
import { TaskLedger } from '../../src/callers/tasks.ts';
import { canonical, encode, valueOf } from '../../src/protocol/codec.ts';
import { modern } from '../rounds/support.ts';

const result = (value: object): Answer => ({ kind: 'result', text: encode(value) });
const begun = (taskId: unknown): Answer => result({ resultType: 'task', taskId, status: 'working' });
const begunBefore = (taskId: unknown): Answer => result({ task: { taskId, status: 'working' } });

/** A call of a tool in the modern era. */
const call = (tool = 'slow', caller = 'ann', server = 'fx'): Call =>
  modern({ caller, server, params: { name: tool, arguments: {} } }).call;
/** A call of a tool in a session of the legacy era, to be run as a task. */
const legacyCall = (
  sessionId: string,
  tool = 'slow',
  params: JsonObject = { task: {} },
  caller = 'ann',
): Call => modern({ era: 'legacy', sessionId, caller, params: { name: tool, ...params } }).call;
const list = (of: Call): Call =>
  modern({ method: 'tasks/list', era: 'legacy', sessionId: of.session.id, caller: of.principal.name }).call;

const ids = (answer: Answer): unknown[] =>
  ((valueOf(answer.text) as JsonObject)['tasks'] as JsonObject[]).map(({ taskId }) => taskId);

describe('a task of the modern era', () => {
  it('is known to the caller whose call began it, by the tool that it came of', () => {
    const ledger = new TaskLedger();
    const answer = begun('t1');
    assert.equal(ledger.claim(call('slow'), answer), answer);
    assert.equal(ledger.toolOf(call().session, 't1'), 'slow');
    assert.equal(ledger.toolOf(call('other tool').session, 't1'), 'slow');
  });

  it('is unknown to every other caller and server, however much their names look alike', () => {
    const ledger = new TaskLedger();
    ledger.claim(call('slow', 'ann', 'fx'), begun('t1'));
    const others = [
      ['bob', 'fx'],
      ['Ann', 'fx'],
      ['ann\0fx', 'fx'],
      ['ann%00fx', 'fx'],
      ['', 'fx'],
      ['ann', 'fy'],
      ['ann', 'fx\0'],
      ['ann', ''],
    ] as const;
    for (const [caller, server] of others)
      assert.equal(
        ledger.toolOf(call('slow', caller, server).session, 't1'),
        undefined,
        `${caller} at ${server}`,
      );
    for (const other of ['t', 't1 ', 'T1', '', 't1\0', 'fx\0t1'])
      assert.equal(ledger.toolOf(call().session, other), undefined);
  });

  it('is not a legacy session’s, even if that session is named like its caller', () => {
    const ledger = new TaskLedger();
    ledger.claim(call('slow', 'ann'), begun('t1'));
    for (const sessionId of ['ann', 'pann', '']) {
      const { session } = legacyCall(sessionId);
      assert.equal(ledger.toolOf(session, 't1'), undefined);
      ledger.forget(session);
    }
    assert.equal(ledger.toolOf(call().session, 't1'), 'slow');
  });

  it('of one id may be two callers’, each by the tool of his own', () => {
    const ledger = new TaskLedger();
    ledger.claim(call('mine', 'ann'), begun('t1'));
    ledger.claim(call('yours', 'bob'), begun('t1'));
    assert.equal(ledger.toolOf(call('', 'ann').session, 't1'), 'mine');
    assert.equal(ledger.toolOf(call('', 'bob').session, 't1'), 'yours');
  });

  it('is not begun by a result that only looks like one', () => {
    const ledger = new TaskLedger();
    const looks: Answer[] = [
      result({ taskId: 't1' }),
      result({ resultType: 'complete', taskId: 't1' }),
      result({ resultType: 'complete', content: [{ resultType: 'task' }], taskId: 't1' }),
      result({ resultType: ['task'], taskId: 't1' }),
      result({ task: { taskId: 't1' } }),
      result({ ResultType: 'task', taskId: 't1' }),
      { kind: 'error', text: encode({ code: 1, message: 'm', resultType: 'task', taskId: 't1' }) },
    ];
    for (const answer of looks) {
      assert.equal(ledger.claim(call(), answer), answer);
      assert.equal(ledger.toolOf(call().session, 't1'), undefined, answer.text);
    }
    const prompts = modern({ method: 'prompts/get', params: { name: 'slow' } }).call;
    ledger.claim(prompts, begun('t1'));
    assert.equal(ledger.toolOf(prompts.session, 't1'), undefined);
  });

  it('has an id that is a string of a sensible length', () => {
    const ledger = new TaskLedger();
    for (const taskId of [undefined, null, 7, {}, ['t1'], '', 'x'.repeat(513)]) {
      ledger.claim(call(), begun(taskId));
      assert.equal(ledger.toolOf(call().session, typeof taskId === 'string' ? taskId : 't1'), undefined);
    }
    ledger.claim(call(), begun('x'.repeat(512)));
    assert.equal(ledger.toolOf(call().session, 'x'.repeat(512)), 'slow');
  });
});

describe('a task of the legacy era', () => {
  it('belongs to its session, not to its caller', () => {
    const ledger = new TaskLedger();
    ledger.claim(legacyCall('s1', 'slow'), begunBefore('t1'));
    assert.equal(ledger.toolOf(legacyCall('s1').session, 't1'), 'slow');
    for (const other of [legacyCall('s2'), legacyCall('s'), legacyCall('s11'), call()])
      assert.equal(ledger.toolOf(other.session, 't1'), undefined);
  });

  it('comes only of a call that asked for one', () => {
    const ledger = new TaskLedger();
    ledger.claim(legacyCall('s1', 'slow', {}), begunBefore('t1'));
    ledger.claim(legacyCall('s1', 'slow', { arguments: { task: {} } }), begunBefore('t1'));
    ledger.claim(legacyCall('s1', 'slow'), begun('t1'));
    ledger.claim(legacyCall('s1', 'slow'), result({ task: ['t1'] }));
    assert.equal(ledger.toolOf(legacyCall('s1').session, 't1'), undefined);
  });

  it('ends with its session, and no other’s does', () => {
    const ledger = new TaskLedger();
    for (const session of ['s1', 's11', 's2']) ledger.claim(legacyCall(session), begunBefore('t1'));
    ledger.claim(call('slow', 's1'), begun('t1'));
    ledger.forget(legacyCall('s1').session);
    const known = ['s1', 's11', 's2'].map((it) => ledger.toolOf(legacyCall(it).session, 't1'));
    assert.deepEqual(known, [undefined, 'slow', 'slow']);
    assert.equal(ledger.toolOf(call('slow', 's1').session, 't1'), 'slow');
  });
});

describe('a listing of tasks', () => {
  it('shows a session its own and nobody else’s', () => {
    const ledger = new TaskLedger();
    ledger.claim(legacyCall('s1'), begunBefore('mine'));
    ledger.claim(legacyCall('s2'), begunBefore('yours'));
    const all = result({
      tasks: [{ taskId: 'yours' }, { taskId: 'mine', n: 1 }, { taskId: 'nobody’s' }],
      nextCursor: 'c',
    });
    const mine = ledger.claim(list(legacyCall('s1')), all);
    assert.deepEqual(valueOf(mine.text), { tasks: [{ taskId: 'mine', n: 1 }], nextCursor: 'c' });
    assert.deepEqual(ids(ledger.claim(list(legacyCall('s2')), all)), ['yours']);
    assert.deepEqual(ids(ledger.claim(list(legacyCall('s3')), all)), []);
  });

  it('keeps its own to the digit', () => {
    const ledger = new TaskLedger();
    ledger.claim(legacyCall('s1'), begunBefore('mine'));
    const entry = '{"ttl":12345678901234567890,"taskId":"mine","poll":1.0}';
    const text = canonical(`{"z":1E+2,"tasks":[${entry},{"taskId":"other"}]}`, {
      bytesMax: 1000,
      depthMax: 9,
    });
    assert.equal(
      ledger.claim(list(legacyCall('s1')), { kind: 'result', text }).text,
      `{"z":1E+2,"tasks":[${entry}]}`,
    );
  });

  it('shows nothing that is no list, no task, or bears no proper id', () => {
    const ledger = new TaskLedger();
    ledger.claim(legacyCall('s1'), begunBefore('mine'));
    const of = list(legacyCall('s1'));
    for (const tasks of [{ 0: { taskId: 'other' } }, 'mine', null, 7])
      assert.deepEqual(ids(ledger.claim(of, result({ tasks }))), [], JSON.stringify(tasks));
    const strange = [
      null,
      'mine',
      ['mine'],
      {},
      { taskId: ['mine'] },
      { TaskId: 'mine' },
      { task: { taskId: 'mine' } },
    ];
    assert.deepEqual(ids(ledger.claim(of, result({ tasks: [...strange, { taskId: 'mine' }] }))), ['mine']);
    const none = result({ nextCursor: 'c' });
    assert.equal(ledger.claim(of, none).text, none.text);
  });
});

describe('the ledger', () => {
  it('remembers ten thousand, and forgets first what was asked about least recently', () => {
    const ledger = new TaskLedger();
    for (let n = 0; n < 10_000; n++) ledger.claim(call(), begun(`t${n}`));
    const { session } = call();
    assert.equal(ledger.toolOf(session, 't0'), 'slow');
    for (let n = 0; n < 2; n++) ledger.claim(call(), begun(`later${n}`));
    assert.deepEqual(
      ['t0', 't1', 't2', 't3', 'later1'].map((id) => ledger.toolOf(session, id)),
      ['slow', undefined, undefined, 'slow', 'slow'],
    );
  });

  it('is not filled by one task that is begun again and again', () => {
    const ledger = new TaskLedger();
    ledger.claim(call('first'), begun('kept'));
    for (let n = 0; n < 20_000; n++) ledger.claim(call(), begun('same'));
    assert.equal(ledger.toolOf(call().session, 'kept'), 'first');
  });

  it('forgets the tasks of whoever has most of them, so that one caller cannot make it forget another’s', () => {
    const ledger = new TaskLedger();
    ledger.claim(call('slow', 'bob'), begun('bob’s'));
    for (let n = 0; n < 20_000; n++) ledger.claim(call('slow', 'ann'), begun(`t${n}`));
    assert.equal(ledger.toolOf(call('', 'bob').session, 'bob’s'), 'slow');
    assert.equal(ledger.toolOf(call('', 'ann').session, 't19999'), 'slow');
    assert.equal(ledger.toolOf(call('', 'ann').session, 't0'), undefined);
  });

  it('finds nothing under the names that every object has', () => {
    const ledger = new TaskLedger();
    for (const id of ['constructor', '__proto__', 'toString'])
      assert.equal(ledger.toolOf(call().session, id), undefined);
  });
});
