import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { runCases } from '../../src/policy-tools/cases.ts';
import { coverage } from '../../src/policy-tools/coverage.ts';
import { factsAt, launch, policy } from './support.ts';

const classes =
  '[tools.read]\nrisk = "read"\neffect = "Reads."\n[tools.write]\nrisk = "write"\neffect = "Writes."\n';
const rules = `
[[rule]]
name = "reading"
verdict = "allow"
tools = ["read"]
[[rule]]
name = "writing"
verdict = "confirm"
tools = ["write"]
roles = ["editor"]
args = { path = { like = "/srv/*" } }
until = 2027-06-01T00:00:00Z
`;
const roles = '[listen]\nport = 8377\n[roles]\neditor = ["ed"]\n';

function run(t: TestContext, cases: string, more = { root: '', rules }) {
  const set = policy(t, { files: launch + more.root + classes + more.rules + cases }, roles);
  return { set, results: runCases(set.orders, set.files, factsAt) };
}

const kase = (more: string) => `[[case]]\nname = "it"\ncaller = "ana"\n${more}\n`;

describe('a case', () => {
  for (const [says, more, passes] of [
    ['that is right passes', 'tool = "read"\nexpect = "allow"', true],
    ['that names the rule passes', 'tool = "read"\nexpect = "allow"\nrule = "reading"', true],
    ['that names another rule fails', 'tool = "read"\nexpect = "allow"\nrule = "writing"', false],
    ['that expects another verdict fails', 'tool = "read"\nexpect = "deny"', false],
    [
      'gives its caller a role',
      'roles = ["editor"]\ntool = "write"\nargs = { path = "/srv/a" }\nexpect = "confirm"',
      true,
    ],
    ['has no role it was not given', 'tool = "write"\nargs = { path = "/srv/a" }\nexpect = "deny"', true],
    ['without args is a call without arguments', 'roles = ["editor"]\ntool = "write"\nexpect = "deny"', true],
    [
      'is judged at its own time',
      'roles = ["editor"]\ntool = "write"\nargs = { path = "/srv/a" }\nat = 2027-06-01T00:00:00Z\nexpect = "deny"',
      true,
    ],
    ['may be about what nobody thought of', 'resource = "file:///x"\nexpect = "deny"', true],
    ['may be about a question of the server', 'upcall = "roots/list"\nexpect = "deny"', true],
    ['may be about a prompt', 'prompt = "hello"\nexpect = "allow"', false],
    ['may be about another method', 'method = "x/y"\nexpect = "deny"\nrule = "built-in: default deny"', true],
  ] as const) {
    it(says, (t) => {
      const [result] = run(t, kase(more)).results;
      assert.equal(result?.passed, passes, JSON.stringify(result));
      assert.equal(result.because.length > 0, !passes, 'it says why exactly when it failed');
    });
  }

  it('gives a role to its own caller only', (t) => {
    const both = ['ana', 'bob'].map(
      (caller) =>
        `[[case]]\nname = "${caller}"\ncaller = "${caller}"\n${caller === 'ana' ? 'roles = ["editor"]\n' : ''}tool = "write"\nargs = { path = "/srv/a" }\nexpect = "deny"\n`,
    );
    const { results } = run(t, both.join(''));
    assert.deepEqual(
      results.map(({ got }) => got.kind),
      ['confirm', 'deny'],
    );
  });

  it('says why it failed in the words of the rule that should have applied', (t) => {
    const [result] = run(t, kase('tool = "write"\nexpect = "confirm"')).results;
    assert.match(result?.because.join('\n') ?? '', /"writing" does not apply: .*editor/);
    assert.equal(result?.place.line, 23);
  });

  it('of a server that only observes is about what it would do', (t) => {
    const root = 'stage = "observe"\n';
    const { results } = run(t, kase('tool = "nothing"\nexpect = "deny"'), { root, rules });
    assert.equal(results[0]?.passed, true);
  });
});

describe('coverage', () => {
  it('counts rules that some case names as its reason, and lists the others', (t) => {
    const { set, results } = run(t, kase('tool = "read"\nexpect = "allow"'));
    const { rules: all, covered, percent, uncovered } = coverage(set.files, results);
    assert.deepEqual([all, covered, percent], [2, 1, 50]);
    assert.deepEqual(
      uncovered.map(({ server, rule, place }) => [server, rule, place.line]),
      [['files', 'writing', 16]],
    );
  });

  it('is 100 only when every rule is decided', (t) => {
    const many = Array.from(
      { length: 200 },
      (_, at) => `[[rule]]\nname = "r${at}"\nverdict = "deny"\ntools = ["t${at}"]\n`,
    );
    const cases = many
      .slice(1)
      .map((_, at) => `[[case]]\nname = "c${at}"\ncaller = "a"\ntool = "t${at}"\nexpect = "deny"\n`);
    const { set, results } = run(t, cases.join(''), { root: '', rules: many.join('') });
    assert.equal(coverage(set.files, results).percent, 99);
  });

  it('counts a rule that is only observed', (t) => {
    const observed = '[[rule]]\nname = "soon"\nverdict = "deny"\nmode = "observe"\ntools = ["read"]\n';
    const { set, results } = run(t, kase('tool = "read"\nexpect = "allow"\nrule = "reading"'), {
      root: '',
      rules: rules + observed,
    });
    assert.equal(results[0]?.passed, true);
    assert.equal(coverage(set.files, results).covered, 2);
  });

  it('of no rules is 100', () => assert.equal(coverage([], []).percent, 100));
});
