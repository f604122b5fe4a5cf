import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import { lint } from '../../src/policy-tools/lint.ts';
import { folder, launch, nowMs } from './support.ts';

function doubts(t: TestContext, text: string): readonly string[] {
  const loaded = loadPolicies(folder(t, { files: text }), { HOME: '/home/nobody' });
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.complaints));
  return loaded.servers
    .flatMap((file) => lint(file, loaded.placeOf, nowMs))
    .map(({ line, what }) => `${line}: ${what}`);
}

const read = '[tools.read]\nrisk = "read"\neffect = "Reads."\n';
const write = '[tools.write]\nrisk = "write"\neffect = "Writes."\n';
const rule = (name: string, verdict: string, more: string) =>
  `[[rule]]\nname = "${name}"\nverdict = "${verdict}"\n${more}\n`;

describe('doubts about a valid policy', () => {
  it('there are none about a tidy file', (t) => {
    assert.deepEqual(doubts(t, launch + read + rule('r', 'allow', 'tools = ["read"]')), []);
  });

  it('missing words of the contract are named', (t) => {
    const said = doubts(t, `command = "/bin/cat"\n${read}${rule('r', 'allow', 'tools = ["read"]')}`).join(
      '\n',
    );
    for (const key of ['owner', 'purpose', 'out_of_scope']) assert.match(said, new RegExp(`no "${key}"`));
  });

  it('what was left to fill in is named with its line', (t) => {
    const text = launch.replace('owner = "tests"', 'owner = "FILL IN: who"');
    assert.match(
      doubts(t, text + read + rule('r', 'allow', 'tools = ["read"]')).join('\n'),
      /^3: "owner" is not filled in/m,
    );
  });

  for (const [says, text, wanted] of [
    [
      'pins that are off',
      `${launch}pins = "off"\n${read}${rule('r', 'allow', 'tools = ["read"]')}`,
      /^5: a tool may become another/,
    ],
    [
      'arguments that are not checked',
      `${launch}check_arguments = false\n${read}${rule('r', 'allow', 'tools = ["read"]')}`,
      /^5: arguments go out/,
    ],
    [
      'a name that nobody classified',
      launch + read + rule('r', 'allow', 'tools = ["read", "raed"]'),
      /"raed" is not classified/,
    ],
    [
      'a pattern that nothing classified fits',
      launch + read + rule('r', 'allow', 'tools = ["get_*"]'),
      /"get_\*" is not classified/,
    ],
    [
      'a class that its rule leaves out',
      launch + write + rule('r', 'allow', 'tools = ["write"]\nrisk = ["read"]'),
      /classed write, which is not in its "risk"/,
    ],
    [
      'a rule that ran out',
      launch + read + rule('r', 'allow', 'tools = ["read"]\nuntil = 2027-01-15T08:00:00Z'),
      /ran out at 2027-01-15/,
    ],
    [
      'an allow behind a deny of the same',
      launch + read + rule('r', 'allow', 'tools = ["read"]') + rule('no', 'deny', 'tools = ["re*"]'),
      /"r": it never has a say: "no"/,
    ],
    [
      'an allow behind a confirm of the same',
      launch + read + rule('r', 'allow', 'tools = ["read"]') + rule('ask', 'confirm', 'tools = ["*"]'),
      /"r": it never has a say: "ask"/,
    ],
    [
      'everything allowed where something writes',
      launch + read + write + rule('r', 'allow', 'tools = ["*"]'),
      /"\*" allows what acts at once: write/,
    ],
  ] as const) {
    it(`${says} is said`, (t) => assert.match(doubts(t, text).join('\n'), wanted));
  }

  for (const [says, text] of [
    [
      'a denial for one caller',
      launch +
        read +
        rule('r', 'allow', 'tools = ["read"]') +
        rule('no', 'deny', 'tools = ["read"]\ncallers = ["eve"]'),
    ],
    [
      'a denial with conditions',
      launch +
        read +
        rule('r', 'allow', 'tools = ["read"]') +
        rule('no', 'deny', 'tools = ["read"]\nargs = { a = { equals = 1 } }'),
    ],
    [
      'a denial that is only observed',
      launch +
        read +
        rule('r', 'allow', 'tools = ["read"]') +
        rule('no', 'deny', 'tools = ["read"]\nmode = "observe"'),
    ],
    [
      'a denial of half of it',
      launch +
        read +
        write +
        rule('r', 'allow', 'tools = ["read", "write"]') +
        rule('no', 'deny', 'tools = ["write"]'),
    ],
    [
      'a denial of other resources',
      launch +
        rule('r', 'allow', 'resources = ["file:///a/**"]') +
        rule('no', 'deny', 'resources = ["file:///a/*"]'),
    ],
    ['a pattern that something classified fits', launch + read + rule('r', 'allow', 'tools = ["re*"]')],
    ['everything that reads', launch + read + write + rule('r', 'allow', 'tools = ["*"]\nrisk = ["read"]')],
    ['a time to come', launch + read + rule('r', 'allow', 'tools = ["read"]\nuntil = 2027-01-15T08:00:01Z')],
  ] as const) {
    it(`nothing is said about ${says}`, (t) => assert.deepEqual(doubts(t, text), []));
  }
});
