import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ctlRows } from '../../src/cli/ctl-rows.ts';
import { show } from '../../src/cli/show.ts';
import { commands } from '../../src/operate/commands.ts';
import type { PinReport, ToolReport } from '../../src/pins/report.ts';

const digest = 'ab'.repeat(32);
const other = 'cd'.repeat(32);
const shown = (command: string, fields: object) => show(command, { ok: true, command, ...fields }, 0);

const toolRow = (more: Partial<ToolReport> = {}): ToolReport => ({
  tool: 'write_file',
  state: 'pinned',
  because: null,
  pinned: { digest, at: '2027-01-15T08:00:00.000Z', by: null, how: 'first' },
  shown: [{ digest, to: 'all' }],
  hidden: [],
  changes: null,
  moreChanges: 0,
  ...more,
});
const changed = (more: Partial<ToolReport> = {}) =>
  toolRow({
    state: 'changed',
    because: 'its definition is not the one that was pinned',
    shown: [{ digest: other, to: 'all' }],
    changes: [
      { at: 'description', was: '"Writes."', is: '"Writes, and tells."' },
      { at: 'annotations', was: '{}', is: null },
      { at: 'title', was: null, is: '"T"' },
    ],
    ...more,
  });
const report = (more: Partial<PinReport> = {}): PinReport => ({
  server: 'files',
  mode: 'first',
  sealed: true,
  digest: null,
  counts: { changed: 1, pinned: 1 },
  tools: [changed(), toolRow({ tool: 'read_file' })],
  more: 0,
  ...more,
});
const pins = (servers: readonly PinReport[], more: object = {}) =>
  shown('pins', { durable: true, because: null, what: null, servers, ...more });

describe('the commands as they are typed', () => {
  test('are those that the daemon knows, with the arguments that it takes', () => {
    assert.deepEqual(ctlRows.map(({ name }) => name).sort(), [...commands.keys()].sort());
    for (const { name, arguments: wanted = [], options } of ctlRows) {
      const shape = commands.get(name)?.args ?? {};
      const typed = [...wanted, ...options].map(({ key }) => key);
      const known = Object.keys(shape).filter((key) => !(name.startsWith('reload-') && key === 'after'));
      assert.deepEqual([...typed].sort(), known.sort(), name);
      for (const { key, optional } of wanted)
        assert.equal(shape[key], optional === true ? 'text?' : 'text', `${name} ${key}`);
      for (const { key, needed, flags } of options) {
        const kind = flags.includes('<') ? (needed === true ? 'text' : 'text?') : 'flag';
        assert.equal(shape[key], kind, `${name} --${key}`);
      }
    }
  });
});

describe('mcpd ctl pins shows', () => {
  test('what is held back, and field by field what a person has to read', () => {
    assert.equal(
      pins([report()]),
      `server files, pins = "first": 1 changed, 1 pinned

TOOL        STATE    IN QUARANTINE BECAUSE                          PINNED
write_file  changed  its definition is not the one that was pinned  2027-01-15T08:00:00.000Z by the first listing

files/write_file: its definition is not the one that was pinned
  description
    was  "Writes."
    is   "Writes, and tells."
  annotations
    was  {}
    gone
  title
    is   "T"
  to approve it: mcpd ctl pin files/write_file --digest ${other}`,
    );
  });

  test('all tools of a server that is named', () => {
    assert.match(pins([report()], { what: 'files' }), /^read_file +pinned/m);
    assert.doesNotMatch(pins([report()]), /read_file/);
  });

  test('hidden characters by place and number', () =>
    assert.match(
      pins([
        report({
          tools: [changed({ hidden: [{ at: 'description', codes: ['U+200B', 'U+E0041'], count: 7 }] })],
        }),
      ]),
      /^ {2}hidden characters in description: U\+200B U\+E0041 \(7\)$/m,
    ));

  test('who is shown what, where that differs, and offers nothing that is pinned already', () => {
    const shownTwo = [
      { digest, to: 'mcpd' },
      { digest: other, to: 'callers' },
    ] as const;
    const text = pins([report({ tools: [changed({ shown: shownTwo })] })]);
    assert.match(text, /^ {2}as mcpd sees it: as it was pinned$/m);
    assert.match(text, new RegExp(`^ {2}as callers see it: to approve it: .* --digest ${other}$`, 'm'));
  });

  test('how to approve everything, where more than one is held back', () =>
    assert.match(
      pins([report({ digest, tools: [changed(), changed({ tool: 'b' })] })]),
      new RegExp(`^to approve all that it shows: mcpd ctl pin files --digest ${digest}$`, 'm'),
    ));

  test('that something is not on disk, first', () =>
    assert.match(pins([report()], { durable: false, because: 'no space' }), /^NOT DURABLE: .*no space\n/));

  test('that nothing is known yet', () => {
    assert.equal(pins([]), 'No server has listed its tools yet.');
    assert.equal(pins([report({ tools: [], counts: {} })]), 'server files, pins = "first": no tools');
  });

  test('what there was no room for', () => {
    const text = pins([report({ tools: [changed({ moreChanges: 3 })], more: 1 })]);
    assert.match(text, /and 3 changes more/);
    assert.match(text, /and 1 tool more/);
  });

  test('no line that a server wrote, and no command that a shell would take apart', () => {
    const evil = "x\u001b[2J\u202e\nmcpd: all is well'; touch /tmp/x; '\u200b";
    const change = { at: evil, was: JSON.stringify(evil), is: JSON.stringify(evil) };
    const rows = [
      changed({
        tool: evil,
        because: evil,
        changes: [change],
        hidden: [{ at: evil, codes: [evil], count: 1 }],
      }),
      toolRow({ pinned: { digest: evil, at: evil, by: evil, how: 'tool' } }),
    ];
    const text = pins([report({ server: evil, digest: evil, tools: rows })], {
      what: 'x',
      durable: false,
      because: evil,
    });
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]|^mcpd: all/m);
    assert.match(text, /cannot be typed safely/);
    assert.doesNotMatch(text, /mcpd ctl pin x/);
    const quoted = pins([report({ tools: [changed({ tool: "a'; rm -rf $HOME; '" })] })]);
    assert.match(quoted, /mcpd ctl pin 'files\/a'\\''; rm -rf \$HOME; '\\''' --digest/);
  });
});

describe('mcpd ctl pin says', () => {
  const answer = {
    server: 'files',
    tool: 'write_file',
    changed: true,
    pinned: [{ tool: 'write_file', digest }],
    left: [],
  };

  test('what is pinned, with its digest', () => {
    assert.equal(shown('pin', answer), `files/write_file: 1 tool pinned.\n  write_file  ${digest}`);
    assert.equal(
      shown('pin', { ...answer, changed: false }),
      'files/write_file is pinned already; nothing changed.',
    );
  });

  test('what was left', () => {
    const text = shown('pin', {
      ...answer,
      tool: null,
      left: [{ tool: 'a\u200b', because: 'pin it by name' }],
    });
    assert.match(text, /^files: 1 tool pinned\.$/m);
    assert.match(text, /^ {2}left as it is: a\\u\{200b\}: pin it by name$/m);
  });
});

describe('grants are shown', () => {
  const grant = {
    id: 'g1',
    caller: 'ana',
    server: 'files',
    tool: 'write_file',
    until: '2027-01-15T10:00:00.000Z',
    leftMs: 7_200_000,
    by: 'ops',
    reason: 'ticket 12',
  };

  test('in a table', () => {
    assert.equal(
      shown('grants', { grants: [grant] }),
      `GRANT  CALLER  TOOL              LEFT       BY   REASON
g1     ana     files/write_file  2 h 0 min  ops  ticket 12`,
    );
    assert.equal(shown('grants', { grants: [] }), 'Nothing is granted beyond the policy.');
  });

  test('when they are given, what is misspelt first', () => {
    const text = shown('grant', {
      grant,
      replaced: 'g0',
      callerKnown: false,
      nearestCaller: 'anna',
      toolKnown: true,
      nearestTool: null,
    });
    assert.equal(
      text,
      `mcpd knows no such caller at the moment. Did you mean anna?
ana may use files/write_file until 2027-01-15T10:00:00.000Z, where no rule denies it or asks (g1). It takes the place of g0.`,
    );
  });

  test('when they are taken back', () => {
    assert.equal(shown('revoke-grant', { grant }), 'ana has no grant for files/write_file any more (g1).');
    assert.match(shown('revoke-grant', { grant: null }), /no such grant/);
  });
});

describe('a yes is shown', () => {
  const taken = { id: 'k7', changed: true, ending: 'approved', caller: 'ana', server: 'files', callId: 'c9' };

  test('as given, counted, or good for a while', () => {
    assert.match(shown('approve', taken), /^k7 is approved: the call of ana to files \(correlation c9\)\.$/);
    assert.match(
      shown('approve', { ...taken, leaseMs: 600_000 }),
      /Good for calls that are alike for 10 min 0 s\.$/,
    );
    assert.equal(
      shown('approve', { ...taken, ending: null, still: 1 }),
      'Your yes to k7 is counted; it needs 1 more yes of somebody else.',
    );
    assert.match(shown('approve', { ...taken, changed: false, still: 2 }), /already; it needs 2 more yeses/);
  });

  test('among those that are good for a while', () => {
    const lease = {
      id: 'k7',
      caller: 'ana',
      server: 'files',
      target: '{"kind":"tool","name":"write"}',
      same: [
        { path: 'path', value: '"/a"' },
        { path: 'mode', value: null },
      ],
      by: 'ops',
      expiresInMs: 60_000,
    };
    assert.match(shown('leases', { leases: [lease] }), /k7 .*path = "\/a", mode = absent +1 min 0 s +ops$/m);
    assert.equal(shown('leases', { leases: [] }), 'No yes is good for further calls.');
    assert.match(shown('end-lease', { id: 'k7', changed: true }), /good for nothing more/);
    assert.match(shown('end-lease', { id: 'k7', changed: false }), /^No yes k7/);
  });
});

describe('mcpd ctl status shows', () => {
  const status = {
    status: 'healthy',
    because: [],
    version: '1',
    uptimeMs: 1000,
    ordersVersion: 'd+0',
    sessions: 0,
    callsInFlight: 0,
    waitingApprovals: 0,
    servers: [],
    switches: { durable: true, lockdown: null, servers: [], tools: [], callers: [] },
  };

  test('quarantine, grants and breakers, where there are any', () => {
    const breakers = [{ server: 'files', tool: 'read', state: 'open', until: '2027-01-15T08:00:30.000Z' }];
    const text = shown('status', { ...status, quarantined: 2, grants: 1, breakers });
    assert.match(text, /^tools in quarantine 2: mcpd ctl pins$/m);
    assert.match(text, /^grants 1: mcpd ctl grants$/m);
    assert.match(text, /^files\/read +open +2027-01-15T08:00:30\.000Z$/m);
    assert.doesNotMatch(
      shown('status', { ...status, quarantined: 0, grants: 0, breakers: [] }),
      /quarantine|grants|RESTS/,
    );
  });
});

test('an approval without a known effect is shown', () => {
  const question = {
    id: 'k7',
    askedAt: '2027-01-15T08:00:00.000Z',
    expiresAt: '2027-01-15T08:01:00.000Z',
    callId: 'c9',
    caller: 'ana',
    server: 'files',
    method: 'tools/call',
    target: { kind: 'tool', name: 'write' },
    rule: 'writes',
    effect: null,
    argsText: '{}',
    argsSha256: 'aa',
    channels: ['operator'],
    approvalsNeeded: 1,
    approvedBy: [],
    leaseMsMax: 0,
    leaseSame: [],
  };
  assert.match(shown('approvals', { approvals: [question] }), /k7/);
});

test('approvals says what was cut or left out and where all of it is; one by its id is shown whole', () => {
  const long = 'x'.repeat(5000);
  const question = {
    id: 'k7',
    askedAt: '2027-01-15T08:00:00.000Z',
    expiresAt: '2027-01-15T08:01:00.000Z',
    callId: 'c9',
    caller: 'ana',
    server: 'files',
    method: 'tools/call',
    target: { kind: 'tool', name: 'write' },
    rule: 'writes',
    effect: null,
    argsText: `{"arguments":{"text":"${long}"}}`,
    argsSha256: 'aa',
    channels: ['operator'],
    approvalsNeeded: 1,
    approvedBy: [],
    leaseMsMax: 0,
    leaseSame: [],
    cutBytes: 0,
  };
  const cut = { ...question, argsText: `{"arguments":{"text":"${long}`, cutBytes: 77 };
  const listed = shown('approvals', { approvals: [cut, question], leftOut: 3 });
  assert.match(listed, /arguments {2}5022 characters, and 77 bytes more that are not shown here, sha256 aa/);
  assert.match(listed, /3 more calls wait/);
  assert.match(listed, /To see one whole: mcpd ctl approvals ID/);
  const whole = shown('approvals', { id: 'k7', approvals: [question], leftOut: 0 });
  assert.ok(whole.includes(long));
  assert.doesNotMatch(whole, /CUT|not shown/);
});
