import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestTo, printComplaint } from '../../src/config/complaint.ts';
import type { Complaint } from '../../src/config/complaint.ts';

const unknownKey: Complaint = {
  severity: 'error',
  file: 'policies/servers/github.toml',
  line: 4,
  column: 8,
  what: 'unknown key "tool"',
  expected: 'one of tools',
  nearest: 'tools',
};

test('a complaint is one line that begins with file, line and column', () => {
  assert.equal(
    printComplaint(unknownKey),
    'policies/servers/github.toml:4:8: unknown key "tool" — did you mean "tools"?',
  );
});

test('a warning says that it is one', () => {
  const rest: Complaint = { ...unknownKey };
  delete (rest as { nearest?: string }).nearest;
  const line = printComplaint({ ...rest, severity: 'warning' });
  assert.equal(line, 'policies/servers/github.toml:4:8: warning: unknown key "tool" — expected one of tools');
});

test('a complaint cannot write to the terminal', () => {
  const line = printComplaint({ ...unknownKey, what: '\u001b[2Jgone\nforged.toml:1:1: ok\u202e' });
  assert.doesNotMatch(line, /[\u001b\n\u202e]/);
});

test('the nearest name is one slip of the hand away, and a stranger has none', () => {
  const known = ['tools', 'prompts', 'resources', 'answer_within'];
  assert.equal(nearestTo('tool', known), 'tools');
  assert.equal(nearestTo('tolos', known), 'tools');
  assert.equal(nearestTo('answer_witihn', known), 'answer_within');
  assert.equal(nearestTo('banana', known), undefined);
  assert.equal(nearestTo('constructor', known), undefined);
  assert.equal(nearestTo('', known), undefined);
});
