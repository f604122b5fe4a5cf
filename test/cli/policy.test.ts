import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { runCli } from '../../src/cli/program.ts';

let dir = '';
let policies = '';
let journal = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-cli-policy-'));
  policies = join(dir, 'policies');
  journal = join(dir, 'state', 'audit', 'journal-000001.jsonl');
  put(join(policies, 'mcpd.toml'), '[listen]\nport = 8377\n\n[roles]\neditor = ["ed"]\n');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o644);
  return path;
}

const server = (name: string, text: string, folder = policies) =>
  put(join(folder, 'servers', `${name}.toml`), text);

type Ran = { readonly code: number; readonly out: string; readonly err: string };
async function mcpd(...argv: string[]): Promise<Ran> {
  let [out, err] = ['', ''];
  const code = await runCli(['policy', ...argv], {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: { MCPD_STATE_DIR: join(dir, 'state'), MCPD_POLICIES: policies, HOME: dir },
    readSecret: async () => '',
    now: () => Date.parse('2027-01-15T08:00:00Z'),
  });
  return { code, out, err };
}

const json = ({ out }: Ran) =>
  JSON.parse(out) as Record<string, unknown> & { error?: { code: string; says: string; hint?: string } };

const launch = 'command = "/bin/cat"\npurpose = "a test"\nowner = "tests"\nout_of_scope = "all else"\n';
const tools =
  '\n[tools.read]\nrisk = "read"\neffect = "Reads."\n\n[tools.write]\nrisk = "write"\neffect = "Writes."\n';
const reading = '\n[[rule]]\nname = "reading"\nverdict = "allow"\ntools = ["read"]\n';
const writing =
  '\n[[rule]]\nname = "writing"\nverdict = "confirm"\ntools = ["write"]\nroles = ["editor"]\nargs = { path = { like = "/srv/*" } }\n';
const reads = '\n[[case]]\nname = "anybody reads"\ncaller = "ana"\ntool = "read"\nexpect = "allow"\n';
const writes =
  '\n[[case]]\nname = "an editor writes"\ncaller = "ed"\ntool = "write"\nargs = { path = "/srv/a" }\nexpect = "confirm"\nrule = "writing"\n';
const whole = launch + tools + reading + writing + reads + writes;

describe('every policy command', () => {
  const commands = ['check', 'test', 'explain', 'diff', 'replay', 'learn', 'fmt', 'schema'];
  test('has help with examples and --json, and is listed', async () => {
    const { out: listed } = await mcpd('--help');
    for (const name of commands) {
      const { code, out } = await mcpd(name, '--help');
      assert.equal(code, 0, name);
      assert.match(out, /Examples:/, name);
      assert.match(out, /--json/, name);
      assert.match(listed, new RegExp(`^ {2}${name}\\b`, 'm'));
    }
  });

  test('without a command shows what there is and exits 64', async () => {
    const ran = await mcpd();
    assert.equal(ran.code, 64);
    assert.match(ran.out + ran.err, /Usage: mcpd policy/);
  });

  test('says where the policy is wrong, and exits 78', async () => {
    server('files', `${launch}\n[[rule]]\nname = "x"\nverdict = "alow"\ntools = ["a"]\n`);
    for (const argv of [
      ['check'],
      ['test'],
      ['explain', 'ana', 'files/read'],
      ['diff', policies, policies],
      ['replay', '--with', policies],
    ]) {
      const ran = await mcpd(...argv);
      assert.equal(ran.code, 78, argv.join(' '));
      assert.match(ran.err, /files\.toml:8:\d+: .*did you mean "allow"\?/);
      const told = json(await mcpd(...argv, '--json'));
      assert.equal(told.error?.code, 'CONFIG_INVALID');
      assert.equal((told['complaints'] as { line: number }[])[0]?.line, 8);
    }
  });
});

describe('mcpd policy check', () => {
  test('counts cases and says how to run them', async () => {
    server('files', whole);
    const ran = await mcpd('check');
    assert.equal(ran.code, 0);
    assert.match(ran.out, /1 server, 2 rules, 2 cases, all in order \([0-9a-f]{12}\)/);
    assert.match(ran.out, /mcpd policy test/);
    assert.doesNotMatch(ran.out, /warning/);
  });

  test('warns about what is valid and hardly meant, in the order of the file, and exits 0', async () => {
    server(
      'files',
      whole.replace('owner = "tests"\n', 'pins = "off"\nowner = "tests"\n') +
        reading.replace('"reading"', '"old"').replace('tools', 'until = 2020-01-01T00:00:00Z\ntools'),
    );
    const ran = await mcpd('check');
    assert.equal(ran.code, 0);
    const lines = ran.out.split('\n').filter((line) => line.includes('warning'));
    assert.match(lines[0] ?? '', /files\.toml:3:\d+: warning: a tool may become another one/);
    assert.match(lines.join('\n'), /warning: rule "old": it ran out/);
    assert.match(lines.join('\n'), /no case shows what 1 rule of 3 decide: "old"/);
    const told = json(await mcpd('check', '--json'));
    assert.equal((told['warnings'] as unknown[]).length, lines.length);
  });

  test('says which rules only observe', async () => {
    server('files', whole.replace('verdict = "allow"', 'verdict = "allow"\nmode = "observe"'));
    assert.match((await mcpd('check')).out, /1 rule with mode = "observe"/);
  });

  test('refuses a redaction that names no detector', async () => {
    server('files', `${whole}\n[[redact]]\nname = "r"\nwhat = ["emial"]\n`);
    const ran = await mcpd('check');
    assert.equal(ran.code, 78);
    assert.match(ran.err, /did you mean "email"/);
  });

  test('says which servers only observe', async () => {
    server('files', whole.replace('owner', 'stage = "observe"\nowner'));
    assert.match((await mcpd('check')).out, /files only observes/);
  });
});

describe('mcpd policy test', () => {
  test('passes, and says which rule decided', async () => {
    server('files', whole);
    const ran = await mcpd('test', '--coverage-min', '100');
    assert.equal(ran.code, 0);
    assert.match(
      ran.out,
      /^ok .*files\.toml:26: anybody reads: ana → files\/read: allow by rule "reading" \(.*files\.toml:14\)$/m,
    );
    assert.match(ran.out, /2 of 2 rules decided by a case: 100 %/);
  });

  test('fails with 1 and says why, on stdout', async () => {
    server('files', whole.replace('args = { path = "/srv/a" }', 'args = { path = "/etc/a" }'));
    const ran = await mcpd('test');
    assert.equal(ran.code, 1);
    assert.match(ran.out, /^FAIL .*expected confirm by rule "writing", got deny by built-in: default deny$/m);
    assert.match(ran.out, /"writing" does not apply: .*path/);
    assert.match(ran.err, /1 of 2 cases failed/);
    const told = json(await mcpd('test', '--json'));
    assert.deepEqual([told.error?.code, told['failed']], ['CASES_FAILED', 1]);
  });

  test('fails where cases decide too few of the rules', async () => {
    server('files', whole.replace(writes, ''));
    assert.equal((await mcpd('test')).code, 0);
    const ran = await mcpd('test', '--coverage-min', '51');
    assert.equal(ran.code, 1);
    assert.match(ran.out, /files\.toml:19: no case for rule "writing"/);
    assert.equal((await mcpd('test', '--coverage-min', '50')).code, 0);
    assert.equal((await mcpd('test', '--coverage-min', '101')).code, 64);
  });

  test('with nothing to run is no success', async () => {
    server('files', launch + tools + reading);
    assert.equal((await mcpd('test')).code, 1);
  });

  test('runs the named files only, and knows no others', async () => {
    const file = server('files', whole);
    server('more', whole.replace('expect = "allow"', 'expect = "deny"'));
    assert.equal((await mcpd('test')).code, 1);
    assert.equal((await mcpd('test', file)).code, 0);
    assert.equal((await mcpd('test', 'files')).code, 0);
    const ran = await mcpd('test', 'nothing.toml');
    assert.equal(ran.code, 64);
    assert.match(ran.err, /one of .*files\.toml/);
  });
});

describe('mcpd policy explain', () => {
  beforeEach(() => void server('files', whole));

  test('names the verdict, the rule, its line, and every other rule', async () => {
    const ran = await mcpd('explain', 'ana', 'files/read');
    assert.equal(ran.code, 0);
    assert.match(ran.out, /^ana → files tool read: ALLOW$/m);
    assert.match(ran.out, /^by rule "reading" \(.*files\.toml:14\)$/m);
    assert.match(ran.out, /class: read: Reads\./);
    assert.match(ran.out, /· confirm rule "writing" \(.*files\.toml:19\): /);
    assert.match(ran.out, /as of the files/);
  });

  test('exits 0 for a denial too, and says what would change it', async () => {
    const ran = await mcpd('explain', 'ana', 'files/write', '--args', '{"path":"/srv/a"}');
    assert.equal(ran.code, 0);
    assert.match(ran.out, /DENY, as if there were no such thing/);
    assert.match(ran.out, /What would change the answer:/);
  });

  test('knows roles, arguments and the time', async () => {
    const kind = async (...more: string[]) => {
      const told = json(await mcpd('explain', 'ana', 'files/write', '--json', ...more));
      return (told['decision'] as { kind: string }).kind;
    };
    assert.equal(await kind('--role', 'editor', '--args', '{"path":"/srv/a"}'), 'confirm');
    assert.equal(await kind('--role', 'editor', '--args', '{"path":"/etc/a"}'), 'deny');
    assert.equal(await kind('--role', 'editor', '--args', '{}'), 'deny');
    assert.equal(await kind('--role', 'editor'), 'confirm', 'some call would be asked about');
    server('files', whole.replace('roles = ["editor"]', 'until = 2027-06-01T00:00:00Z'));
    assert.equal(await kind('--at', '2027-05-31T23:59:59Z'), 'confirm');
    assert.equal(await kind('--at', '2027-06-01T02:00:00+02:00'), 'deny');
  });

  test('can be asked about anything else a server has', async () => {
    for (const [flag, value] of [
      ['--resource', 'file:///a'],
      ['--prompt', 'hello'],
      ['--upcall', 'roots/list'],
      ['--method', 'x/y'],
    ] as const) {
      const told = json(await mcpd('explain', 'ana', 'files', flag, value, '--json'));
      assert.equal((told['decision'] as { kind: string }).kind, 'deny');
      assert.equal((told['target'] as { kind: string }).kind, flag.slice(2));
    }
  });

  for (const [argv, says] of [
    [['ana', 'read'], /SERVER\/TOOL/],
    [['ana', 'files/'], /SERVER\/TOOL/],
    [['ana', '/read'], /SERVER\/TOOL/],
    [['ana', 'files/read', '--resource', 'file:///a'], /names a tool besides/],
    [['ana', 'files', '--resource', 'x:y', '--prompt', 'z'], /one thing/],
    [['ana', 'files/read', '--args', '{"a":1,}'], /not JSON: .*position 7/],
    [['ana', 'files/read', '--args', '[1]'], /no object/],
    [['ana', 'files/read', '--args', '{"a":1,"a":2}'], /cannot be sent/],
    [['ana', 'files/read', '--role', 'nobody'], /no role nobody[\s\S]*editor/],
    [['ana', 'files/read', '--at', 'tomorrow'], /2026-01-31T12:00:00Z/],
    [['ana', 'files/read', '--at', '2027-01-01T00:00:00'], /2026-01-31T12:00:00Z/],
    [['ana'], /SERVER\/TOOL/],
  ] as const) {
    test(`${argv.slice(1).join(' ') || 'half a question'} is wrong usage, and it says how to type it`, async () => {
      const ran = await mcpd('explain', ...argv);
      assert.equal(ran.code, 64);
      assert.match(ran.err, says);
    });
  }

  test('says that a server is not there, and which one may be meant', async () => {
    const ran = await mcpd('explain', 'ana', 'file/read');
    assert.equal(ran.code, 0);
    assert.match(ran.out, /no server file in these files: did you mean files\?/);
  });

  test('shows nothing that a terminal would obey', async () => {
    const ran = await mcpd('explain', 'a\u001b[2J', 'files/re\u202ead', '--args', '{"\u0085":"\u001b"}');
    assert.doesNotMatch(ran.out + ran.err, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });
});

describe('mcpd policy diff', () => {
  test('exits 0 for the same and 1 for a difference, what is looser first', async () => {
    server('files', whole);
    const other = join(dir, 'other');
    put(join(other, 'mcpd.toml'), readFileSync(join(policies, 'mcpd.toml'), 'utf8'));
    server('files', whole, other);
    assert.equal((await mcpd('diff', policies, other)).code, 0);
    server(
      'files',
      whole.replace('roles = ["editor"]\n', '').replace('tools = ["read"]', 'tools = ["raed"]'),
      other,
    );
    const ran = await mcpd('diff', policies, other);
    assert.equal(ran.code, 1);
    assert.match(
      ran.out,
      /^LOOSENED[\s\S]*files tool write: deny by .* → confirm by rule "writing"[\s\S]*^TIGHTENED[\s\S]*files tool read: allow/m,
    );
    assert.match(ran.err, /differences?: 1 loosened/);
    const told = json(await mcpd('diff', policies, other, '--json'));
    assert.equal(told.error?.code, 'DIFFERENT');
    assert.equal((told['differences'] as { direction: string }[])[0]?.direction, 'loosened');
  });

  test('needs two folders', async () => {
    assert.equal((await mcpd('diff', policies)).code, 64);
    server('files', whole);
    assert.equal((await mcpd('diff', policies, join(dir, 'nowhere'))).code, 78);
  });
});

const record = (more: object) =>
  `${JSON.stringify({
    kind: 'decision',
    time: '2027-01-14T08:00:00.000Z',
    id: 'call-1',
    caller: 'ana',
    server: 'files',
    target: { kind: 'tool', name: 'read' },
    resources: { path: '/a' },
    decision: { kind: 'allow', rule: 'reading' },
    argBytes: 20,
    ...more,
  })}\n`;

describe('mcpd policy replay', () => {
  beforeEach(() => {
    put(journal, record({}) + record({ id: 'call-2' }) + record({ id: 'old', time: '2026-01-01T00:00:00Z' }));
    chmodSync(dirname(journal), 0o700);
  });

  test('shows which calls a candidate would decide differently', async () => {
    server('files', launch + tools + writing);
    const ran = await mcpd('replay', '--with', policies);
    assert.equal(ran.code, 0);
    assert.match(ran.out, /^2 × ana → files tool read: allow → deny$/m);
    assert.match(ran.out, /was: rule "reading"; would be: built-in: default deny/);
    assert.match(ran.out, /newest: call-2/);
    assert.match(ran.out, /2 calls decided again: 2 differently/);
    assert.match(ran.out, /2 calls judged without arguments/);
    assert.equal(
      json(await mcpd('replay', '--with', policies, '--since', '2025-01-01', '--json'))['judged'],
      3,
    );
  });

  test('needs a candidate, and a time that it understands', async () => {
    server('files', whole);
    assert.equal((await mcpd('replay')).code, 64);
    const ran = await mcpd('replay', '--with', policies, '--since', 'yesterday');
    assert.equal(ran.code, 64);
    assert.match(ran.err, /2h, 7d/);
  });

  test('says when the candidate carries nothing out', async () => {
    server('files', whole.replace('owner', 'stage = "observe"\nowner'));
    assert.match((await mcpd('replay', '--with', policies)).out, /files only observes/);
  });
});

describe('mcpd policy learn', () => {
  beforeEach(() => {
    put(
      journal,
      record({}) + record({ id: 'call-2', caller: 'ed', target: { kind: 'tool', name: 'write' } }),
    );
    server('files', whole);
  });

  test('writes a policy that can be checked, and never over a file', async () => {
    const out = join(dir, 'learned.toml');
    const ran = await mcpd('learn', 'files', '--out', out);
    assert.equal(ran.code, 0, ran.err);
    assert.equal(statSync(out).mode & 0o777, 0o600);
    const candidate = join(dir, 'candidate');
    put(join(candidate, 'mcpd.toml'), '[listen]\nport = 8377\n');
    server('files', readFileSync(out, 'utf8'), candidate);
    assert.equal((await mcpd('check', '--policies', candidate)).code, 0);
    assert.equal((await mcpd('test', '--policies', candidate, '--coverage-min', '100')).code, 0);
    const again = await mcpd('learn', 'files', '--out', out);
    assert.equal(again.code, 1);
    assert.match(again.err, /is there already/);
  });

  test('does not follow a link to write', async () => {
    const link = join(dir, 'link.toml');
    symlinkSync(join(dir, 'elsewhere.toml'), link);
    assert.equal((await mcpd('learn', 'files', '--out', link)).code, 1);
    assert.ok(!readdirSync(dir).includes('elsewhere.toml'));
  });

  test('shows it where no file is named', async () => {
    const ran = await mcpd('learn', 'files');
    assert.match(ran.out, /IT MUST BE REVIEWED/);
    assert.match(String(json(await mcpd('learn', 'files', '--json'))['policy']), /\[\[rule\]\]/);
  });

  test('says so where there is nothing to learn from', async () => {
    const ran = await mcpd('learn', 'other');
    assert.equal(ran.code, 1);
    assert.match(ran.err, /no call to other went out/);
    assert.equal((await mcpd('learn', '../other')).code, 64);
  });
});

describe('mcpd policy fmt', () => {
  const untidy = `${launch}\n\n\n[tools.read]\nrisk="read"   \neffect =   "Reads."\n`;

  test('--check lists what is not formatted, writes nothing and exits 1', async () => {
    const file = server('files', untidy);
    const ran = await mcpd('fmt', '--check');
    assert.equal(ran.code, 1);
    assert.match(ran.out, /files\.toml: not formatted/);
    assert.equal(readFileSync(file, 'utf8'), untidy);
  });

  test('formats, keeps the mode and follows links, and is then content', async () => {
    const file = server('files', untidy);
    chmodSync(file, 0o640);
    const link = join(dir, 'link.toml');
    symlinkSync(file, link);
    assert.equal((await mcpd('fmt', link)).code, 0);
    assert.match(readFileSync(file, 'utf8'), /^risk = "read"$/m);
    assert.equal(statSync(file).mode & 0o777, 0o640);
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.equal((await mcpd('fmt', '--check')).code, 0);
    assert.deepEqual(readdirSync(dirname(file)), ['files.toml'], 'nothing is left beside it');
  });

  test('leaves a file alone that is not valid, and says where', async () => {
    const file = server('files', 'a = 1\na = \n');
    const ran = await mcpd('fmt');
    assert.equal(ran.code, 78);
    assert.match(ran.err, /files\.toml:2:\d+: /);
    assert.equal(readFileSync(file, 'utf8'), 'a = 1\na = \n');
    assert.equal((await mcpd('fmt', join(dir, 'nowhere.toml'))).code, 78);
  });

  test('leaves a file alone that is not UTF-8', async () => {
    const file = server('files', 'a = 1\n');
    writeFileSync(file, Buffer.from([0x61, 0x3d, 0xff, 0x0a]));
    assert.equal((await mcpd('fmt', file)).code, 78);
    assert.deepEqual([...readFileSync(file)], [0x61, 0x3d, 0xff, 0x0a]);
  });
});

describe('mcpd policy schema', () => {
  for (const kind of ['server', 'daemon', 'base']) {
    test(`prints the schema of a ${kind} file`, async () => {
      const ran = await mcpd('schema', kind);
      assert.equal(ran.code, 0, ran.err);
      const schema = JSON.parse(ran.out) as { $schema: string; type: string };
      assert.equal(schema.type, 'object');
    });
  }

  test('of anything else is wrong usage', async () => assert.equal((await mcpd('schema', 'rule')).code, 64));
});
