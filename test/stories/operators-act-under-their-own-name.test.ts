import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isAvailable } from '../../src/native.ts';
import { rule, serving, TestDaemon, until, type Run } from '../support/daemon.ts';

type Reply = Record<string, unknown> & { error?: { code: string; says: string; hint?: string } };

describe('a person with a token of their own', () => {
  let daemon: TestDaemon;
  const files = new Map<string, string>();
  /** What somebody types, with their token in a file, or with none. */
  const says = async (who: string | undefined, ...args: string[]): Promise<Reply & { code: number }> => {
    const file = who === undefined ? [] : ['--as-file', files.get(who) ?? ''];
    const { code, stdout } = await daemon.mcpd(['ctl', ...args, '--json', ...file]);
    return { ...(JSON.parse(stdout) as Reply), code };
  };
  const add = async (name: string, role: string, ...more: string[]): Promise<string> => {
    const { stdout } = await daemon.mcpd(['operator', 'add', name, '--role', role, '--json', ...more]);
    const { token } = JSON.parse(stdout) as { token: string };
    const file = join(daemon.dir, `${name}.token`);
    writeFileSync(file, `${token}\n`, { mode: 0o600 });
    files.set(name, file);
    return token;
  };
  /** A call that waits for two, and the id of its question. */
  const waiting = async (mark: string): Promise<{ id: string; call: Promise<string> }> => {
    const session = await daemon.session('fx');
    const call = session.text('by_two', { text: mark });
    let id: string | undefined;
    await until('it is asked', async () => {
      id = (await daemon.approvals()).find(({ argsText }) => argsText.includes(mark))?.id;
      return id !== undefined;
    });
    return { id: id ?? '', call };
  };

  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx:
          serving('answers', '[env]\nFX_TOOLS = "by_two"') +
          rule('allow', ['echo']) +
          rule('confirm', ['by_two'], 'ask = "operator"\napprovals = 2\nanswer_within = "60s"'),
      },
    });
    await add('vera', 'viewer');
    await add('ana', 'approver');
    await add('bob', 'approver');
    await add('olga', 'operator');
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('may do what their role lets them, and is told who may do the rest', async () => {
    for (const [who, command, may] of [
      ['vera', ['status'], true],
      ['vera', ['approvals'], true],
      ['vera', ['deny', 'aaaaaaaa'], false],
      ['vera', ['lockdown'], false],
      ['ana', ['status'], true],
      ['ana', ['leases'], true],
      ['ana', ['disable-tool', 'fx/echo'], false],
      ['ana', ['reload'], false],
      ['ana', ['grant', 'tester', 'fx/echo', '--for', '1h'], false],
      ['olga', ['disable-tool', 'fx/echo'], true],
      ['olga', ['enable-tool', 'fx/echo'], true],
    ] as const) {
      const reply = await says(who, ...command);
      assert.equal(reply['ok'], may, `${who} ${command.join(' ')}: ${JSON.stringify(reply)}`);
      if (may) continue;
      assert.equal(reply.error?.code, 'NOT_PERMITTED');
      assert.equal(reply.code, 77);
      assert.match(reply.error?.hint ?? '', /mcpd operator/);
    }
  });

  test('is on the journal with name and role, and so is whoever was refused', async () => {
    await says('ana', 'lockdown');
    await says('olga', 'disable-tool', 'fx/echo', '--reason', 'marked');
    await says('olga', 'enable-tool', 'fx/echo');
    const records = daemon.journal().filter(({ kind }) => kind === 'command');
    const found = (by: string, command: string) =>
      records.find((it) => it['by'] === by && it['command'] === command);
    const { as, role, result } = found('ana', 'lockdown') ?? {};
    assert.deepEqual(
      { as, role, result },
      { as: 'person', role: 'approver', result: 'refused: NOT_PERMITTED' },
    );
    assert.equal(found('olga', 'disable-tool')?.['role'], 'operator');
    assert.equal(found('olga', 'disable-tool')?.['result'], 'done');
  });

  test('is one of two only once, and two of them are two', async () => {
    const { id, call } = await waiting('mark-one');
    assert.equal((await says('ana', 'approve', id))['still'], 1);
    const again = await says('ana', 'approve', id);
    assert.deepEqual([again['still'], again['changed']], [1, false]);
    assert.equal((await says('bob', 'approve', id))['ending'], 'approved');
    assert.equal(await call, 'called by_two');
    const [record] = await daemon.audit('--tool', 'fx/by_two');
    assert.equal((record?.['decision'] as { approvedBy: string }).approvedBy, 'ana, bob');
  });

  test('is told apart from the user that mcpd runs as, who is one whatever name they give', async () => {
    const { id, call } = await waiting('mark-two');
    assert.equal((await says(undefined, 'approve', id))['still'], 1);
    assert.equal((await says(undefined, 'approve', id))['still'], 1);
    assert.equal((await says('ana', 'approve', id))['ending'], 'approved');
    await call;
    if (!isAvailable()) return;
    const [record] = (await daemon.audit('--tool', 'fx/by_two')).slice(-1);
    assert.equal((record?.['decision'] as { approvedBy: string }).approvedBy, `${userInfo().username}, ana`);
  });

  test('is a stranger from the moment the token is revoked or over, without a restart', async () => {
    await add('carl', 'viewer');
    assert.equal((await says('carl', 'status'))['ok'], true);
    await daemon.mcpd(['operator', 'revoke', 'carl']);
    const reply = await says('carl', 'status');
    assert.equal(reply.error?.code, 'NOT_PERMITTED');
    assert.match(reply.error?.says ?? '', /revoked or is over/);
    await add('dora', 'viewer', '--expires', '1s');
    await until('it is over', async () => (await says('dora', 'status'))['ok'] === false);
    const { operators } = JSON.parse((await daemon.mcpd(['operator', 'list', '--json'])).stdout) as {
      operators: { name: string; good: boolean; sha256?: string }[];
    };
    assert.deepEqual(
      operators.map(({ name, good }) => [name, good]),
      [
        ['vera', true],
        ['ana', true],
        ['bob', true],
        ['olga', true],
        ['carl', false],
        ['dora', false],
      ],
    );
    assert.ok(operators.every((it) => !('sha256' in it)));
  });

  test('may have it in the environment; a file that others can open is refused', async () => {
    const token = readFileSync(files.get('vera') ?? '', 'utf8').trim();
    writeFileSync(join(daemon.dir, 'open.token'), token, { mode: 0o644 });
    const { code, stderr } = await daemon.mcpd([
      'ctl',
      'status',
      '--as-file',
      join(daemon.dir, 'open.token'),
    ]);
    assert.equal(code, 78);
    assert.match(stderr, /chmod 600/);
    const env = daemon.options.env;
    Object.assign(daemon.options, { env: { ...env, MCPD_OPERATOR_TOKEN: token } });
    try {
      assert.equal((await says(undefined, 'status'))['ok'], true);
      assert.equal((await says(undefined, 'lockdown')).error?.code, 'NOT_PERMITTED');
    } finally {
      Object.assign(daemon.options, { env });
    }
  });

  test('has a token that is in no log, no journal and no file, and that opens no door of callers', async () => {
    const tokens = [...files.values()].map((file) => readFileSync(file, 'utf8').trim());
    tokens.push(readFileSync(join(daemon.state, 'control', 'token'), 'utf8').trim());
    const kept =
      daemon.log() +
      JSON.stringify(daemon.journal()) +
      readFileSync(join(daemon.state, 'operators.json'), 'utf8');
    for (const token of tokens) {
      assert.ok(!kept.includes(token.slice(-43)));
      const { status } = await fetch(`${daemon.url}/servers/fx/mcp`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{}',
      });
      assert.equal(status, 401);
    }
  });

  test('cannot be invented by whoever finds the socket and not its token', async () => {
    const file = join(daemon.state, 'control', 'token');
    const token = readFileSync(file, 'utf8');
    rmSync(file);
    const refused = await says(undefined, 'lockdown');
    assert.equal(refused.error?.code, 'NOT_PERMITTED');
    assert.match(refused.error?.hint ?? '', /as the user that mcpd runs as/);
    writeFileSync(file, token, { mode: 0o600 });
    const { switches } = (await says(undefined, 'status')) as unknown as { switches: { lockdown: unknown } };
    assert.equal(switches.lockdown, null);
    const strangers = daemon.journal().filter(({ by }) => String(by).startsWith('stranger: '));
    assert.ok(
      strangers.some(({ command, result }) => command === 'lockdown' && result === 'refused: NOT_PERMITTED'),
    );
  });

  test('is refused with what to type when the name, the role or the time is none', async () => {
    for (const [args, expected] of [
      [['add', 'Ana B', '--role', 'viewer'], /use 1 to 64/],
      [['add', 'eva', '--role', 'root'], /viewer, approver or operator/],
      [['add', 'eva', '--role', 'viewer', '--expires', 'soon'], /12h, 30d/],
      [['add', 'eva', '--role', 'viewer', '--expires', '2001-01-01'], /12h, 30d/],
      [['add', 'ana', '--role', 'viewer'], /mcpd operator revoke ana/],
      [['revoke', 'anna'], /did you mean ana/],
    ] as const) {
      const run: Run = await daemon.mcpd(['operator', ...args]);
      assert.notEqual(run.code, 0);
      assert.match(run.stderr, expected);
    }
  });
});
