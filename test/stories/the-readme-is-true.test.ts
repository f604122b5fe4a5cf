import assert from 'node:assert/strict';
import { cpSync, existsSync, globSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot, run, TestDaemon, until } from '../support/daemon.ts';

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

  it('names only commands that there are', async () => {
    const block = /```text\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    const named = block
      .split('\n')
      .map((line) => /^mcpd (\S+)(?: ([a-z-]+))?/.exec(line))
      .filter((match) => match !== null);
    assert.ok(named.length >= 9);
    for (const [, command, sub] of named) {
      const words = [command as string, ...(sub === undefined ? [] : [sub]), '--help'];
      const { code, stdout } = await run(
        process.execPath,
        [join(projectRoot, 'src', 'launch.cjs'), ...words],
        process.env,
      );
      assert.equal(code, 0, words.join(' '));
      assert.match(stdout, new RegExp(`mcpd ${words.slice(0, -1).join(' ')}`));
    }
  });
});

it('every link in the documents leads somewhere', () => {
  for (const file of ['README.md', 'CHANGELOG.md', ...globSync('docs/*.md', { cwd: projectRoot })]) {
    const text = readFileSync(join(projectRoot, file), 'utf8');
    for (const [, to] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (to === undefined || /^[a-z]+:/.test(to)) continue;
      assert.ok(existsSync(join(projectRoot, dirname(file), to)), `${file} links to ${to}`);
    }
  }
});
