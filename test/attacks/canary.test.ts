// The search for canaries that ends every test with a daemon: that it finds what it is for, and a daemon at which all
// went wrong that can.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, test, type TestContext } from 'node:test';
import { Canaries, canaryVariable, shellVariable } from '../support/canary.ts';
import { Needle, scanFile } from '../support/canary-forms.ts';
import { endNow, TestDaemon } from '../support/daemon.ts';

/** How programs write a text that they were given, by their own means and not by those of the search. */
const writings: readonly (readonly [string, (value: string) => string | Buffer])[] = [
  ['as it is', (value) => `token is ${value}.`],
  ['in JSON', (value) => JSON.stringify({ a: value })],
  ['in JSON in JSON', (value) => JSON.stringify(JSON.stringify({ a: value }))],
  ['in a URL', (value) => new URL(`http://x/?t=${encodeURIComponent(value)}`).href],
  ['in a form', (value) => new URLSearchParams({ t: value }).toString()],
  ['in base64', (value) => Buffer.from(value).toString('base64')],
  ['in base64, one byte in', (value) => Buffer.from(`x${value}`).toString('base64')],
  ['in base64, two bytes in', (value) => Buffer.from(`:)${value}, and more`).toString('base64')],
  ['in Basic credentials', (value) => `Basic ${Buffer.from(`user:${value}`).toString('base64')}`],
  ['in base64url', (value) => Buffer.from(`{"t":"${value}"}`).toString('base64url')],
  ['in hex', (value) => Buffer.from(value).toString('hex')],
  ['in upper case hex', (value) => Buffer.from(value).toString('hex').toUpperCase()],
  ['in a dump', (value) => Buffer.from(value).toString('hex').match(/../g)?.join(' ') ?? ''],
  ['in UTF-16', (value) => Buffer.from(value, 'utf16le')],
  ['reversed', (value) => [...value].reverse().join('')],
  ['as a serialised buffer', (value) => JSON.stringify(Buffer.from(value))],
  ['cut off after 24 characters', (value) => `${value.slice(0, 24)}…`],
];

function scratch(t: TestContext): { dir: string; state: string; canaries: Canaries } {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-canary-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const state = join(dir, 'state');
  mkdirSync(join(state, 'log'), { recursive: true });
  const canaries = new Canaries(dir);
  canaries.inServer('fx', '');
  canaries.inServer('other', '');
  return { dir, state, canaries };
}

/** A process that waits to be ended, with this on its command line and in its environment. */
async function bystander(
  t: TestContext,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...args], {
    env,
    stdio: 'ignore',
  });
  t.after(() => endNow(child.pid ?? 0));
  await new Promise((resolve) => child.once('spawn', resolve));
  return child;
}

describe('the search for canaries', () => {
  for (const [name, write] of writings) {
    test(`finds one ${name}`, (t) => {
      const { state, canaries } = scratch(t);
      writeFileSync(join(state, 'log', 'mcpd.1.log'), write(canaries.canaryOf('fx')));
      canaries.lookAtFiles(state, state);
      assert.match(canaries.found.join(), /^state\/log\/mcpd\.1\.log, /);
    });
  }

  test('finds none where there is none, and not the file that a server reads its secret from', (t) => {
    const { dir, state, canaries } = scratch(t);
    assert.ok(readFileSync(join(dir, 'canary-fx'), 'utf8').includes(canaries.mark));
    writeFileSync(join(state, 'log', 'mcpd.1.log'), [...canaries.mark].join(' '));
    canaries.lookAtFiles(state, state);
    canaries.lookAtProcesses();
    assert.deepEqual(canaries.found, []);
  });

  test('finds one wherever it stands in a large file', (t) => {
    const { dir } = scratch(t);
    const word = 'A-canary-of-more-than-20-letters';
    const needle = new Needle(word);
    for (const at of [
      0,
      2 ** 20 - 10,
      2 ** 20 - word.length,
      2 ** 20,
      2 ** 21 - 1,
      3 * 2 ** 20 - word.length,
    ]) {
      const bytes = Buffer.alloc(3 * 2 ** 20, 'x');
      bytes.write(word, at);
      writeFileSync(join(dir, 'large'), bytes);
      assert.deepEqual(scanFile(join(dir, 'large'), [needle]), ['as it is'], String(at));
    }
  });

  test('finds the key of a caller in what the daemon keeps and what its servers were told, not where a test wrote it', (t) => {
    const { dir, state, canaries } = scratch(t);
    const key = `mcpd_AbCd1234_${Buffer.alloc(32, 'q').toString('base64url')}`;
    canaries.addKey(key);
    for (const file of ['client.json', 'raw.log', 'state/keys.json'])
      writeFileSync(join(dir, file), `"${key}"`);
    canaries.lookAtFiles(state, state);
    assert.deepEqual(canaries.found.sort(), ['raw.log, as it is', 'state/keys.json, as it is']);
  });

  test('finds one on a command line, and in the environment of everybody but its server', async (t) => {
    const { canaries } = scratch(t);
    const [own, others, shell] = [canaries.canaryOf('fx'), canaries.canaryOf('other'), canaries.shell];
    const key = `mcpd_AbCd1234_${Buffer.alloc(32, 'r').toString('base64url')}`;
    canaries.addKey(key);
    const mine = { SUPERVISED_BY: 'cookie', [canaryVariable]: own, ALSO: own };
    const fine = [
      await bystander(t, [], mine),
      await bystander(t, [], { [shellVariable]: shell, MCPD_KEY: key }),
    ];
    canaries.lookAtProcesses();
    assert.equal(canaries.found.length, 0, canaries.found.join('; '));
    const bad: [string, ChildProcess][] = [
      ['the command line', await bystander(t, [`--token=${own}`], {})],
      ['the command line', await bystander(t, [key], mine)],
      ['the environment', await bystander(t, [], { [canaryVariable]: own })],
      ['the environment', await bystander(t, [], { ...mine, OTHER: others })],
      ['the environment', await bystander(t, [], { ...mine, [shellVariable]: shell })],
      ['the environment', await bystander(t, [], { ...mine, KEY: key })],
      ['the environment', await bystander(t, [], { URL: `http://x/${encodeURIComponent(own)}` })],
    ];
    canaries.lookAtProcesses();
    for (const [where, { pid }] of bad)
      assert.ok(
        canaries.found.some((it) => it.startsWith(`${where} of process ${pid}`)),
        `${where} of ${pid}: ${canaries.found.join('; ')}`,
      );
    assert.equal(canaries.found.length, bad.length);
    assert.equal(fine.length, 2);
  });

  test('finds one in a core file and in a report of Node', (t) => {
    const { dir, state, canaries } = scratch(t);
    const cwd = join(dir, 'state', 'cwd');
    mkdirSync(cwd);
    for (const name of ['core', 'core.77', 'report.20260101.1.0.001.json', 'Heap.20260101.heapsnapshot'])
      writeFileSync(join(cwd, name), `\0${canaries.shell}\0`);
    const elsewhere = new Canaries(mkdtempSync(join(dir, 'elsewhere-')));
    elsewhere.lookAtFiles(state, cwd);
    assert.deepEqual(elsewhere.found, [], 'the canaries of another daemon are not its own');
    canaries.lookAtFiles(join(dir, 'no-such-state'), cwd);
    assert.equal(canaries.found.length, readdirSync(cwd).length * 2, 'below its folder, and where it ran');
  });

  test('fails the test whose daemon left one behind, and says where', async () => {
    const { MCPD_TEST_CANARIES } = process.env;
    // What is planted here must not count as found at the end of the run.
    delete process.env['MCPD_TEST_CANARIES'];
    try {
      const daemon = await TestDaemon.start({
        servers: { fx: 'command = "$NODE"\n' },
        boot: false,
        cleanUp: ({ state }) => writeFileSync(join(state, 'note'), planted()),
      });
      const planted = () => daemon.canaries?.canaryOf('fx') ?? '';
      await assert.rejects(daemon[Symbol.asyncDispose](), /a secret was found in:\nstate\/note, as it is/);
    } finally {
      if (MCPD_TEST_CANARIES !== undefined) process.env['MCPD_TEST_CANARIES'] = MCPD_TEST_CANARIES;
    }
  });

  it('gives every server a canary of its own, which it gets, whatever else its file says', async () => {
    const command = 'command = "$NODE"\nargs = ["$FIXTURES/answers.ts"]\n';
    await using daemon = await TestDaemon.start({
      servers: {
        plain: command,
        own: `${command}[secrets]\nTOKEN = "file:$DIR/token"\n`,
        twice: `${command}\n[env]\nA = "b"\n\n[[rule]]\nname = "all"\nverdict = "allow"\ntools = ["*"]\n`,
      },
      prepare: ({ dir }) => writeFileSync(join(dir, 'token'), 'of-the-test-itself', { mode: 0o600 }),
    });
    for (const server of ['plain', 'own', 'twice']) {
      const { pid } = await daemon.status(server);
      const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const own = daemon.canaries?.canaryOf(server) ?? 'none';
      assert.deepEqual(
        environ.filter((entry) => entry.includes(daemon.canaries?.mark ?? '-')),
        [`${canaryVariable}=${own}`],
        server,
      );
    }
  });
});
