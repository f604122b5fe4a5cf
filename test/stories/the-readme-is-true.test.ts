import assert from 'node:assert/strict';
import { cpSync, existsSync, globSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { Json } from '../../src/domain/message.ts';
import { projectRoot, rule, run, serving, TestDaemon, until } from '../support/daemon.ts';

const launcher = join(projectRoot, 'src', 'launch.cjs');

const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8');
const shipped = (name: string): string =>
  readFileSync(join(projectRoot, 'policies', 'servers', `${name}.toml`), 'utf8');

/** The shell block of the first governed call. */
function firstCall(): string {
  const after = readme.slice(readme.indexOf('the-readme-is-true.test.ts'));
  const block = /```sh\n([\s\S]*?)```/.exec(after)?.[1];
  assert.ok(block !== undefined, 'the README has a block with the first call');
  return block;
}

describe('the README', () => {
  it('shows a first governed call that runs as it is written', async () => {
    await using daemon = await TestDaemon.start({
      servers: { filesystem: shipped('filesystem') },
      prepare: ({ policies }) => {
        cpSync(join(projectRoot, 'policies', 'sandbox'), join(policies, 'sandbox'), { recursive: true });
        symlinkSync(join(projectRoot, 'node_modules'), join(dirname(policies), 'node_modules'));
      },
    });
    const begin = `set -eu\nKEY=${daemon.key}\n${firstCall().replaceAll('127.0.0.1:8377', `127.0.0.1:${daemon.port}`)}\n`;
    const sh = (lines: string) =>
      run('bash', ['-c', begin + lines], { ...daemon.env, PATH: process.env['PATH'] });

    const asked = await sh(
      [
        `call read_text_file '{"path":"README.txt"}'`,
        `call move_file '{"source":"README.txt","destination":"x"}'`,
        `for i in 1 2 3 4 5 6; do call list_directory '{"path":"."}'; done | tail -n 1`,
      ].join('\n'),
    );
    assert.equal(asked.code, 0, asked.stderr);
    const [read, moved, listed] = asked.stdout.trim().split('\n');
    assert.match(
      read ?? '',
      /"text":"This folder is what the filesystem server of the shipped policy serves\./,
    );
    assert.match(moved ?? '', /"error":\{"code":-32602,"message":"Unknown tool: move_file"\}/);
    assert.match(
      listed ?? '',
      /Too many calls: the limit is 5\/min per caller, rule and target\. Try again in \d+ s\./,
    );

    const writing = sh(`call write_file '{"path":"note.txt","content":"hello"}'`);
    let id = '';
    await until('a question waits', async () => {
      const { approvals } = (await daemon.ctl('approvals')) as { approvals?: { id: string }[] };
      id = approvals?.[0]?.id ?? '';
      return id !== '';
    });
    const shown = await daemon.mcpd(['ctl', 'approvals']);
    assert.match(shown.stdout, /tool +write_file[\s\S]*arguments\."content" = "hello"/);
    assert.match(
      (await daemon.mcpd(['ctl', 'approve', id])).stdout,
      /is approved: the call of tester to filesystem/,
    );
    assert.match((await writing).stdout, /Successfully wrote to note\.txt/);
    const found = await daemon.mcpd(['audit', 'query', '--tool', 'write_file']);
    assert.match(
      found.stdout,
      /tester +filesystem\/write_file +confirm "writing needs a yes" by \S+ +answered/,
    );
  });

  it('shows a policy that the daemon takes, and whose cases pass', async () => {
    const block = /```toml\n([\s\S]*?)```/.exec(readme)?.[1];
    assert.ok(block !== undefined, 'the README has a policy');
    await using daemon = await TestDaemon.start({
      servers: { small: block },
      boot: false,
      prepare: ({ dir, policies }) => {
        // Byte for byte: the support for tests adds lines of its own to what it writes.
        writeFileSync(join(policies, 'servers', 'small.toml'), block);
        cpSync(join(projectRoot, 'policies', 'sandbox'), join(policies, 'sandbox'), { recursive: true });
        symlinkSync(join(projectRoot, 'node_modules'), join(dir, 'node_modules'));
      },
    });
    assert.equal((await daemon.mcpd(['policy', 'check'])).code, 0);
    const tested = await daemon.mcpd(['policy', 'test']);
    assert.equal(tested.code, 0, tested.stdout);
    assert.match(tested.stdout, /1 case passed/);
  });

  it('names only commands that there are', async () => {
    const commands = [...readme.matchAll(/```text\n([\s\S]*?)```/g)].map(([, block]) => block ?? '');
    const named = commands
      .filter((block) => block.startsWith('mcpd '))
      .join('')
      .split('\n')
      .map((line) => /^mcpd (\S+)(?: ([a-z-]+))?/.exec(line))
      .filter((match) => match !== null);
    assert.ok(named.length >= 18);
    for (const [, command, sub] of named) {
      const words = [command as string, ...(sub === undefined ? [] : [sub]), '--help'];
      const { code, stdout } = await run(process.execPath, [launcher, ...words], process.env);
      assert.equal(code, 0, words.join(' '));
      assert.match(stdout, new RegExp(`mcpd ${words.slice(0, -1).join(' ')}`));
    }
  });
});

describe('docs/ctl.md', () => {
  const manual = readFileSync(join(projectRoot, 'docs', 'ctl.md'), 'utf8');
  /** Command → the answers that the document shows for it. */
  const shown = new Map<string, Json[]>();
  for (const [, command = '', answer = ''] of manual.matchAll(
    /\$ mcpd ctl (\S+)[^\n]* --json\n```\n\n```json\n([\s\S]*?)```/g,
  ))
    shown.set(command, [...(shown.get(command) ?? []), JSON.parse(answer) as Json]);

  it('has a heading for every command', async () => {
    const { stdout } = await run(process.execPath, [launcher, 'ctl', '--help'], process.env);
    const listed = stdout.slice(stdout.indexOf('Commands:'), stdout.indexOf('Examples:'));
    const commands = [...listed.matchAll(/^ {2}([a-z-]+)(?= )/gm)].map(([, name = '']) => name);
    assert.ok(commands.length >= 20);
    const headings = [...manual.matchAll(/^## .*$/gm)].join('\n');
    for (const name of commands) assert.match(headings, new RegExp(`\\b${name}\\b`), name);
  });

  it('shows the members that the answers have', async () => {
    const tools = (description: string) =>
      JSON.stringify([{ name: 'write_file', description, inputSchema: { type: 'object' } }]);
    await using daemon = await TestDaemon.start({
      servers: {
        files: `pins = "first"\n${serving('changes-its-tools', 'sharing = "all"\n[env]\nTOOLS = "$DIR/tools.json"')}${rule(
          'confirm',
          ['write_file'],
          'lease_max = "10m"\nlease_same = ["path"]',
        )}`,
      },
      prepare: ({ dir }) => writeFileSync(join(dir, 'tools.json'), tools('Writes.')),
    });
    const session = await daemon.session('files');
    const asks = async (...args: string[]) => {
      const answer = await daemon.ctl(...args);
      const like = (shown.get(args[0] ?? '') ?? []).map(shapeOf);
      const shape = shapeOf(answer as Json);
      assert.ok(
        like.some((it) => fit(it, shape)),
        `${args.join(' ')}\n${JSON.stringify(answer, null, 1)}\n${JSON.stringify(like)}`,
      );
      return answer;
    };
    const writing = session.call('write_file', { path: 'a' });
    await until('a call waits', async () => (await daemon.approvals()).length === 1);
    const [question] = (await asks('approvals'))['approvals'] as { id: string }[];
    await asks('approve', question?.id ?? '', '--for', '5m');
    await writing;
    await asks('leases');
    await asks('end-lease', question?.id ?? '');
    await asks('grant', 'tester', 'files/write_file', '--for', '2h');
    await asks('grant', 'tester', 'files/write_file', '--for', '3h');
    await asks('revoke-grant', 'tester', 'files/write_file');
    writeFileSync(join(daemon.dir, 'tools.json'), tools('Deletes.'));
    await asks('restart', 'files');
    await until('the tool is held back', async () => (await daemon.ctl('status'))['quarantined'] === 1);
    await asks('pins', 'files/write_file');
    await asks('pin', 'files/write_file');
    await asks('status');
  });
});

/** The members of an answer, however deep; of a list, those of its first item. Nothing, where there is no telling. */
function shapeOf(value: Json): Json {
  if (Array.isArray(value)) return value.length === 0 ? null : [shapeOf(value[0] ?? null)];
  if (typeof value !== 'object' || value === null) return null;
  // Counted there are the states that there are.
  return Object.fromEntries(
    Object.entries(value).map(([key, it]) => [key, key === 'counts' ? null : shapeOf(it)]),
  );
}

function fit(one: Json, other: Json): boolean {
  if (one === null || other === null) return true;
  if (Array.isArray(one) && Array.isArray(other)) return fit(one[0] ?? null, other[0] ?? null);
  if (typeof one !== 'object' || typeof other !== 'object') return false;
  const [left, right] = [new Map(Object.entries(one)), new Map(Object.entries(other))];
  return (
    left.size === right.size &&
    [...left].every(([key, it]) => right.has(key) && fit(it, right.get(key) ?? null))
  );
}

it('every link in the documents leads somewhere', () => {
  for (const file of ['README.md', 'CHANGELOG.md', ...globSync('docs/*.md', { cwd: projectRoot })]) {
    const text = readFileSync(join(projectRoot, file), 'utf8');
    for (const [, to] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (to === undefined || /^[a-z]+:/.test(to)) continue;
      assert.ok(existsSync(join(projectRoot, dirname(file), to)), `${file} links to ${to}`);
    }
  }
});
