import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Question } from '../../src/confirm/question.ts';
import { showQuestion, showWhole } from '../../src/confirm/show.ts';

function question(more: Partial<Question> = {}): Question {
  return {
    id: '01ab01yz',
    askedAt: 0,
    expiresAt: 300_000,
    callId: 'call-1',
    caller: 'alice',
    server: 'files',
    method: 'tools/call',
    target: { kind: 'tool', name: 'write' },
    rule: 'writes',
    argsText: '{"name":"write","arguments":{"path":"/a","id":9007199254740993}}',
    argsSha256: 'ab'.repeat(32),
    effect: undefined,
    channels: ['operator'],
    approvalsNeeded: 1,
    approvedBy: [],
    leaseMsMax: 0,
    leaseSame: [],
    ...more,
  };
}

test('a question reads like a form, with the digits that will go out', () => {
  assert.equal(
    showQuestion(question(), { nowMs: 100_500 }),
    `question   01ab01yz
caller     alice
server     files
tool       write
rule       writes
call       call-1
expires    in 3 min 20 s
arguments  64 characters, sha256 ${'ab'.repeat(32)}
  "name" = "write"
  arguments."path" = "/a"
  arguments."id" = 9007199254740993
`,
  );
});

test('nothing in a question can act on the terminal or look like another line', () => {
  const nasty = '\u001b[2J\u009b31m\r\n\u202e\u2066\u200b\ufeff\u2028\u{e0041}caller     root';
  const text = JSON.stringify({ [nasty]: nasty, arguments: { [nasty]: nasty } }).replaceAll(
    '\u007f',
    '\\u007f',
  );
  const shown = showQuestion(
    question({
      caller: nasty,
      server: nasty,
      rule: nasty,
      callId: nasty,
      target: { kind: 'tool', name: nasty },
      argsText: text,
    }),
    { nowMs: 0 },
  );
  assert.match(shown, /^[\x20-\x7e\n]+$/);
  assert.equal(shown.split('\n').length, 11);
});

test('what is cut says so, with the length; everything can be had', () => {
  const argsText = `{"name":"write","arguments":{"text":"${'x'.repeat(10_000)} rm -rf"}}`;
  assert.match(
    showQuestion(question({ argsText }), { nowMs: 0 }),
    /x …\[CUT: 2000 of 10009 characters shown\]\n/,
  );
  const whole = showQuestion(question({ argsText }), { nowMs: 0, charsMax: Infinity });
  assert.match(whole, /rm -rf"\n/);
  assert.doesNotMatch(whole, /CUT/);
});

test('empty and odd arguments are shown as they are', () => {
  assert.match(showQuestion(question({ argsText: '{}' }), { nowMs: 0 }), /arguments  2 characters/);
  assert.match(
    showQuestion(question({ argsText: '{"arguments":[1,2]}' }), { nowMs: 400_000 }),
    /expires    now[^]*"arguments" = \[1,2\]\n$/,
  );
});

test('a text that is no JSON is shown, not taken apart', () => {
  assert.match(
    showQuestion(question({ argsText: '{"a":"\u001b' }), { nowMs: 0 }),
    /\n {2}\{"a":"\\u\{1b\}\n$/,
  );
});

test('whose yes is still missing, what the tool does, and what a yes may be good for stand in the form', () => {
  const shown = showQuestion(
    question({
      effect: 'Overwrites the file.',
      approvalsNeeded: 2,
      approvedBy: ['root', 'webhook:chat/b\u202eob'],
      leaseMsMax: 600_000,
      leaseSame: ['path'],
    }),
    { nowMs: 0 },
  );
  assert.match(shown, /^effect {5}Overwrites the file\.$/m);
  assert.match(
    shown,
    /^approvals {2}2 different ones are needed; so far: root, webhook:chat\/b\\u\{202e\}ob$/m,
  );
  assert.match(
    shown,
    /^lease {6}a yes may be given for up to 600 s, for calls of this one with the same path$/m,
  );
});

test('a client that reads Markdown is given nothing to render, and nothing is cut', () => {
  const text = `# APPROVED\n![x](http://evil.example/?q)${'y'.repeat(10_000)}`;
  const shown = showWhole(question({ argsText: JSON.stringify({ arguments: { text } }) }), 0);
  // Four blanks make a block that is shown as it stands (CommonMark, indented code blocks).
  for (const line of shown.trimEnd().split('\n')) assert.match(line, /^ {4}/);
  assert.ok(shown.includes('y'.repeat(10_000)));
  assert.doesNotMatch(shown, /CUT/);
});
