import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printFindings } from '../../src/audit/query-print.ts';

test('a table has a line for each record', () => {
  const text = printFindings({
    records: [
      {
        kind: 'call',
        time: '2026-01-02T03:04:05.006Z',
        id: 'a',
        caller: 'alice',
        server: 'files',
        target: { kind: 'tool', name: 'write' },
        decision: { kind: 'confirm', rule: 'writes', approvedBy: 'root' },
        outcome: 'answered',
        error: 'tool-error',
        durationMs: 1.5,
      },
      { kind: 'torn-tail', time: '2026-01-02T03:04:05.006Z', bytes: 12 },
    ],
    unreadable: 1,
  });
  assert.match(text, /^TIME +ID +CALLER +WHAT +DECISION +OUTCOME +MS\n/);
  assert.match(text, /a +alice +files\/write +confirm "writes" by root +answered tool-error +1\.5\n/);
  assert.match(text, /journal: torn-tail +\{"bytes":12\}\n/);
  assert.match(text, /1 lines of the journal are not records of mcpd/);
});

test('what was observed, found and tried again is shown where there is any', () => {
  const call = {
    kind: 'call',
    id: 'a',
    decision: { kind: 'allow', rule: 'r', would: { kind: 'deny', rule: 'no writes', limit: '10/min' } },
    outcome: 'refused',
    error: 'denied',
    refusedBy: { rule: 'built-in: arguments' },
    attempt: 2,
    found: { in: { email: 2 }, out: { iban: 1, phone: 3 } },
  };
  const text = printFindings({ records: [call, { kind: 'call', id: 'b' }], unreadable: 0 });
  assert.match(text, /^TIME +ID .* MS +WOULD +FOUND\n/);
  assert.match(
    text,
    /refused denied "built-in: arguments" at try 2 +deny "no writes", limit 10\/min +in: email 2; out: iban 1, phone 3\n/,
  );
  assert.doesNotMatch(printFindings({ records: [{ kind: 'call', id: 'b' }], unreadable: 0 }), /WOULD|FOUND/);
});

test('who said no is shown, like who said yes', () => {
  const call = { kind: 'call', id: 'a', outcome: 'declined', error: 'declined', declinedBy: 'olivia' };
  assert.match(printFindings({ records: [call], unreadable: 0 }), /declined by olivia\n/);
  const late = { kind: 'call', id: 'a', outcome: 'declined', error: 'expired' };
  assert.match(printFindings({ records: [late], unreadable: 0 }), /declined expired/);
});

test('no record can make the terminal do anything', () => {
  const nasty = 'x\u001b[2J\r\n\u202e\u200b\u0085';
  const text = printFindings({
    records: [
      {
        kind: 'call',
        id: nasty,
        caller: nasty,
        server: nasty,
        target: { kind: 'tool', name: nasty },
        decision: { rule: nasty, would: { kind: nasty, rule: nasty, limit: nasty } },
        refusedBy: { rule: nasty },
        found: { in: { [nasty]: 1 } },
        error: nasty,
      },
      { kind: 'command', by: nasty, command: nasty, args: [nasty, 7], result: nasty },
      { kind: 'upcall', method: nasty, caller: nasty },
      { kind: nasty, [nasty]: nasty },
    ],
    unreadable: 0,
  });
  assert.match(text, /^[\x20-\x7e\n…]+$/);
  assert.equal(text.split('\n').length, 6);
});

test('nothing found is said', () => {
  assert.match(printFindings({ records: [], unreadable: 0 }), /No record fits\./);
});
