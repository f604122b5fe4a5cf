/**
 * mcpd is replaced by a newer or an older one. State of an earlier version is taken over or refused, and decides as before;
 * what a later one wrote is refused. The fixtures are texts in this file, in the formats that mcpd 0.1.0 wrote.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { rawEnv, rule, serving, TestDaemon } from '../support/daemon.ts';
import { History, operate, went } from './support/history.ts';
import { boot, tryBoot } from './support/launch.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

const at = Date.UTC(2026, 10, 1);
const year = 365 * 86_400_000;

/** What lay in a state directory of 0.1.0: one tool off, one server off, one caller off, one tool granted. */
function writeOld(state: string, keys: readonly { readonly name: string; readonly key: string }[]): void {
  const put = (name: string, text: string) => writeFileSync(join(state, name), text, { mode: 0o600 });
  const off = { at, by: 'ana', reason: 'incident 12' };
  put(
    'switches.json',
    JSON.stringify({
      version: 1,
      changes: 7,
      lockdown: null,
      servers: [{ name: 'old', ...off }],
      tools: [{ name: 'fx/list_dir', ...off }],
      callers: [{ name: 'ben', ...off }],
    }),
  );
  put('switches-were-kept', '');
  const grant = {
    id: 'g-0123456789',
    caller: 'tester',
    server: 'fx',
    tool: 'read_file',
    by: 'ana',
    reason: '',
  };
  const grants = [{ ...grant, at, untilMs: Date.now() + year }];
  put('grants.json', JSON.stringify({ version: 1, changes: 3, grants }));
  // Version 1 of the keys: no scopes, no expiry.
  put(
    'keys.json',
    JSON.stringify({
      version: 1,
      keys: keys.map(({ name, key }) => ({
        name,
        id: key.slice(5, 13),
        sha256: hash('sha256', key),
        createdAt: '2026-11-01T00:00:00.000Z',
      })),
    }),
  );
  mkdirSync(join(state, 'audit'), { mode: 0o700, recursive: true });
  const started = '{"seq":1,"kind":"started","time":"2026-11-01T00:00:00.000Z"}';
  const command =
    '{"seq":2,"kind":"command","time":"2026-11-01T00:00:01.000Z","by":"ana","command":"disable-tool","args":["fx/list_dir"],"result":"ok"}';
  writeFileSync(join(state, 'audit', 'journal-000001.jsonl'), `${started}\n${command}\n`, { mode: 0o600 });
}

const servers = {
  fx: serving('answers', rawEnv + rule('allow', ['echo', 'list_dir'], 'record = ["text"]')),
  old: serving('answers', rule('allow', ['*'])),
};

describe('C-29 another version of mcpd', () => {
  it('C-29 state of an older one is taken over: every decision is the same, and the journal goes on', async () => {
    await using daemon = await TestDaemon.start({ servers, canaries: false, boot: false });
    const bens = await daemon.addKey('ben');
    writeOld(daemon.state, [
      { name: 'tester', key: daemon.key },
      { name: 'ben', key: bens },
    ]);
    await boot(daemon);

    const decide = async () => {
      const fx = await daemon.session('fx');
      const made = async (tool: string) => went(await fx.call(tool, { text: 'x', path: '/x' }));
      return {
        echo: await made('echo'),
        list_dir: await made('list_dir'),
        read_file: await made('read_file'),
        delete_file: await made('delete_file'),
        old: await daemon.session('old').then(
          async (session) => went(await session.call('echo', { text: 'x' })),
          () => false,
        ),
        ben: await daemon.session('fx', { key: bens }).then(
          async (session) => went(await session.call('echo', { text: 'x' })),
          () => false,
        ),
      };
    };
    const expected = {
      echo: true,
      list_dir: false,
      read_file: true,
      delete_file: false,
      old: false,
      ben: false,
    };
    assert.deepEqual(await decide(), expected);
    const history = new History(daemon);
    await history.call(await daemon.session('fx'));
    await daemon.end('SIGKILL');
    await boot(daemon);
    assert.deepEqual(await decide(), expected, 'and after a restart, whatever was rewritten');
    assert.equal((await operate(daemon, 'enable-tool', { tool: 'fx/list_dir' })).ok, true);
    assert.deepEqual(await decide(), { ...expected, list_dir: true });
    assert.equal(await daemon.end(), 0);
    const first = daemon.journal()[0];
    assert.deepEqual([first?.['seq'], first?.['kind']], [1, 'started'], 'old records stay as they were');
    history.checkRecords();
    await verified(daemon, 'after state of an older mcpd');
  });

  it(
    'C-29 an older one that comes back does not find "nothing is disabled"',
    { skip: onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({ servers, canaries: false, boot: false });
      writeOld(daemon.state, [{ name: 'tester', key: daemon.key }]);
      await boot(daemon);
      await daemon.end();
      // 0.1.0 refuses when its mark is there and its file is not; and it believes the file where it is.
      const path = join(daemon.state, 'switches.json');
      assert.ok(existsSync(join(daemon.state, 'switches-were-kept')), readdirSync(daemon.state).join(' '));
      if (existsSync(path)) assert.match(readFileSync(path, 'utf8'), /fx\/list_dir/);
    },
  );

  it(
    'C-29 a journal of a newer one, with members that nobody knows yet, is gone on with',
    { skip: onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({ servers, canaries: false });
      await daemon.end();
      const [file = ''] = daemon.journalFiles().slice(-1);
      const last = daemon.journal().at(-1) as { seq: number };
      const line = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
      const prev = hash('sha256', line, 'base64url');
      const time = new Date().toISOString();
      appendFileSync(
        file,
        `{"seq":${last.seq + 1},"prev":"${prev}","kind":"from-2030","time":"${time}","new":1}\n`,
      );
      const { ready, launched } = await tryBoot(daemon);
      // What it did not write it may also refuse; then it says so.
      if (!ready) return void assert.equal(launched.end?.code, 78, daemon.output);
      assert.equal(await daemon.end(), 0);
      assert.ok(daemon.journal().some(({ kind }) => kind === 'from-2030'));
    },
  );
});
