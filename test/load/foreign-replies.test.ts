// The short version of `foreign-replies.ts`, and the judge of both.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCrowd } from './crowd.ts';
import { judge, judgeLoose, nonceOf } from './verdict.ts';

describe('a crowd at one shared child', () => {
  it('gives 200 sessions with equal ids and progress tokens 20 000 replies, and each its own', async () => {
    const plan = { replies: 20_000, sessions: 200, callers: 4, notesEvery: 4, onProgress: () => undefined };
    const { replies, notes, cancelled, foreign, lost, odd, samples, children } = await runCrowd(plan);
    assert.deepEqual(
      { replies, foreign, lost, odd },
      { replies: 20_000, foreign: 0, lost: 0, odd: 0 },
      samples.join('\n'),
    );
    assert.equal(children, 1, 'the child was not shared');
    assert.equal(notes, 10_000);
    assert.ok(cancelled > 20, `only ${cancelled} calls were cancelled`);
  });
});

describe('the judge of the crowd', () => {
  const nonce = nonceOf(3, 1, 17);
  const expected = { id: '"1"', token: '1', nonce, notes: 2 };
  const answer = (id: string, text: string) =>
    `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"${text}"}]}}`;
  const progress = (token: string, number: number, text: string) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":${number},"message":"${text}"}}`;
  const log = (text: string) =>
    `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${text}"}}`;
  const error = (id: string, code: number) =>
    `{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":"m"}}`;

  const cases: readonly (readonly [what: string, text: string, noteNumber: number, verdict: string])[] = [
    ['its own answer', answer('"1"', nonce), 0, 'answer'],
    ['its own answer under an id of another type', answer('1', nonce), 0, 'odd'],
    ['the answer of another session', answer('"1"', nonceOf(4, 1, 17)), 0, 'foreign'],
    ['the answer of an earlier call of its own', answer('"1"', nonceOf(3, 1, 16)), 0, 'foreign'],
    ['its first note', progress('1', 1, nonce), 0, 'note'],
    ['its first note twice', progress('1', 1, nonce), 1, 'odd'],
    ['a note too many', progress('1', 3, nonce), 2, 'odd'],
    ['its note under another token', progress('"1"', 1, nonce), 0, 'odd'],
    ['the note of another session', progress('1', 1, nonceOf(4, 1, 17)), 0, 'foreign'],
    ['its own log line', log(nonce), 0, 'log'],
    ['a log line of its session', log(nonceOf(3, 0, 2)), 0, 'log'],
    ['a log line of another session', log(nonceOf(33, 1, 17)), 0, 'foreign'],
    ['the end of a cancelled call', error('"1"', 1499), 0, 'cancelled'],
    ['another error', error('"1"', 1504), 0, 'odd'],
    ['the end of another call', error('1', 1499), 0, 'odd'],
    [
      'a message that says nothing',
      '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
      0,
      'odd',
    ],
  ];
  for (const [what, text, noteNumber, verdict] of cases)
    it(`calls ${what} ${verdict}`, () => assert.equal(judge(text, expected, noteNumber), verdict));

  it('lets nothing but log lines of its own session come on a standing stream', () => {
    assert.equal(judgeLoose(log(nonceOf(3, 0, 2)), nonce), 'log');
    assert.equal(judgeLoose(log(nonceOf(30, 0, 2)), nonce), 'foreign');
    assert.equal(judgeLoose(answer('1', nonceOf(3, 0, 2)), nonce), 'odd');
    assert.equal(judgeLoose(answer('1', nonceOf(2, 0, 2)), nonce), 'foreign');
  });
});
