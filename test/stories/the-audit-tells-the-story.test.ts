// Afterwards, somebody asks what happened. The id that the caller was given finds it, and the record says everything.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  initialize,
  post,
  rule,
  serving,
  TestDaemon,
  until,
  type Rpc,
  type TestSession,
} from '../support/daemon.ts';

const rules =
  rule('allow', ['echo', 'read_file', 'progress', 'slow'], 'record = ["path", "issue.number", "missing"]') +
  rule('confirm', ['write_file'], 'answer_within = "1s"') +
  '[[rule]]\nname = "open files"\nverdict = "allow"\nresources = ["file:///ok.txt"]\nprompts = ["hello"]\n';

describe('the audit tells the story', () => {
  let daemon: TestDaemon;
  let session: TestSession;
  let otherKey: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', `${rules}[limits]\nper_caller_and_tool = "1000/h"\n`),
        full: serving('answers', `record_payloads = true\n${rules}`),
        dies: serving('crashes-after', `[env]\nCRASH_AFTER = "0"\n${rule('allow', ['work'])}`),
      },
      daemon: '[limits]\nper_caller = "1000/h"\n',
    });
    otherKey = await daemon.addKey('somebody-else');
    session = await daemon.session('fx');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const idOf = ({ headers }: Rpc | Response) => {
    const id = headers.get('mcpd-correlation-id');
    assert.ok(id !== null && id !== '', 'the reply carries no correlation id');
    return id;
  };
  /** The one record of a call, by the id that its caller was given. */
  async function recordOf(reply: Rpc | Response): Promise<Record<string, unknown>> {
    const found = (await daemon.audit('--correlation', idOf(reply))).filter(({ kind }) => kind === 'call');
    assert.equal(found.length, 1, `${found.length} records under the id of one reply`);
    return found[0] ?? {};
  }

  it('a record holds all that is known of a call', async () => {
    const args = { path: '/tmp/x', issue: { number: 12345678901234567890n }, text: 'not to be recorded' };
    const text = JSON.stringify(args, (_, value: unknown) =>
      typeof value === 'bigint' ? '#big' : value,
    ).replace('"#big"', '12345678901234567890');
    const from = Date.now();
    const reply = await session.raw(
      `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"read_file","arguments":${text}}}`,
    );
    const record = await recordOf(reply);
    assert.equal(record['id'], idOf(reply));
    const time = Date.parse(String(record['time']));
    assert.ok(time >= from - 1 && time <= Date.now());
    assert.equal(record['caller'], 'tester');
    assert.deepEqual(record['client'], { name: 'test', version: '1' });
    assert.equal(record['remote'], '127.0.0.1');
    assert.equal(record['server'], 'fx');
    assert.equal(record['serverVersion'], '1.0.0');
    assert.equal(record['method'], 'tools/call');
    assert.deepEqual(record['target'], { kind: 'tool', name: 'read_file' });
    assert.match(String(record['toolDigest']), /^[0-9a-f]{8,}$/);
    assert.deepEqual(record['resources'], { path: '/tmp/x', 'issue.number': '12345678901234567890' });
    const { kind, rule: named, orders } = record['decision'] as Record<string, string>;
    assert.equal(kind, 'allow');
    assert.match(named ?? '', /^allow echo read_file/);
    assert.equal(orders, (await daemon.ctl('status'))['ordersVersion']);
    assert.equal(record['outcome'], 'answered');
    assert.equal(record['error'], undefined);
    assert.ok((record['durationMs'] as number) > 0);
    assert.equal(record['argBytes'], Buffer.byteLength(`{"name":"read_file","arguments":${text}}`));
    assert.equal(record['resultBytes'], Buffer.byteLength(JSON.stringify(reply.body.result)));
    assert.equal(record['records'], 1);
    assert.equal(record['params'], undefined);
    assert.equal(record['result'], undefined);
    assert.ok(!JSON.stringify(daemon.journal()).includes('not to be recorded'));
  });

  it('payloads are on record only where the policy says so', async () => {
    const text = randomUUID();
    const reply = await (await daemon.session('full')).call('echo', { text });
    const record = await recordOf(reply);
    assert.deepEqual(record['params'], { name: 'echo', arguments: { text } });
    assert.deepEqual(record['result'], reply.body.result);
  });

  it('the version of a tool changes when its definition does', async () => {
    const digest = async () =>
      (await recordOf(await (await daemon.session('fx')).call('echo')))['toolDigest'];
    const before = await digest();
    assert.equal(await digest(), before);
    const other = (await recordOf(await session.call('read_file')))['toolDigest'];
    assert.notEqual(other, before);
  });

  it('every way for a call to end has its own outcome and error class', async () => {
    const fx = session;
    const dying = await daemon.session('dies');
    const cases: readonly (readonly [string, () => Promise<Rpc>, string, string | undefined])[] = [
      ['answered', () => fx.call('echo'), 'answered', undefined],
      ['a listing', () => fx.request('tools/list'), 'answered', undefined],
      ['a resource', () => fx.request('resources/read', { uri: 'file:///ok.txt' }), 'answered', undefined],
      ['a prompt', () => fx.request('prompts/get', { name: 'hello' }), 'answered', undefined],
      [
        'a notification',
        () => fx.raw({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' }),
        'accepted',
        undefined,
      ],
      ['denied', () => fx.call('delete_file'), 'refused', 'denied'],
      ['unknown method', () => fx.request('no/such'), 'refused', 'denied'],
      ['nobody agreed', () => fx.call('write_file'), 'declined', 'expired'],
      ['bad parameters', () => fx.request('tools/call', { name: 7 }), 'failed', 'BAD_PARAMS'],
      ['bad JSON', () => fx.raw('{"jsonrpc":'), 'failed', 'BAD_JSON'],
      [
        'no session',
        () => post(daemon, 'fx', daemon.key, undefined, { jsonrpc: '2.0', id: 1, method: 'ping' }),
        'failed',
        'NO_SESSION',
      ],
      [
        'wrong session',
        () => post(daemon, 'fx', daemon.key, 'wrong', { jsonrpc: '2.0', id: 1, method: 'ping' }),
        'failed',
        'UNKNOWN_SESSION',
      ],
      ['wrong key', () => post(daemon, 'fx', 'wrong', undefined, initialize()), 'failed', 'UNAUTHENTICATED'],
      [
        'no such server',
        () => post(daemon, 'no-such', daemon.key, undefined, initialize()),
        'refused',
        'denied',
      ],
      ['a dead server', () => dying.call('work'), 'failed', 'UPSTREAM_DIED'],
    ];
    for (const [what, make, outcome, error] of cases) {
      const record = await recordOf(await make());
      assert.deepEqual([record['outcome'], record['error']], [outcome, error], what);
      assert.equal(typeof record['durationMs'], 'number', what);
    }
  });

  it('every reply carries an id, on an event stream too', async () => {
    const url = `${daemon.url}/servers/fx/mcp`;
    const authorization = `Bearer ${daemon.key}`;
    const streamed = await session.request('tools/call', {
      name: 'progress',
      arguments: {},
      _meta: { progressToken: 1 },
    });
    assert.ok(streamed.events.length > 0);
    assert.equal((await recordOf(streamed))['outcome'], 'answered');
    const replies: Response[] = [
      await fetch(url, { method: 'PUT', headers: { authorization } }),
      await fetch(`${daemon.url}/nowhere`, { headers: { authorization } }),
      await fetch(url, {
        method: 'POST',
        headers: { authorization, 'content-type': 'text/plain' },
        body: '{}',
      }),
      await fetch(url, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', origin: 'https://evil.example' },
        body: '{}',
      }),
      await fetch(url, {
        headers: { authorization, accept: 'text/event-stream', 'mcp-session-id': 'wrong' },
      }),
      await fetch(url, { method: 'DELETE' }),
    ];
    for (const reply of replies) {
      await reply.body?.cancel();
      assert.ok(reply.status >= 400);
      idOf(reply);
    }
  });

  it('a failed sign-in is found by the id that its reply carries, whatever was asked for', async () => {
    for (const method of ['POST', 'GET', 'DELETE']) {
      const reply = await fetch(`${daemon.url}/servers/fx/mcp`, { method });
      await reply.body?.cancel();
      assert.equal(reply.status, 401);
      assert.equal((await recordOf(reply))['error'], 'UNAUTHENTICATED', method);
    }
  });

  it('records are found by tool, caller, outcome, server and time, alone and together', async () => {
    const theirs = await daemon.session('fx', { key: otherKey });
    const [mineId, theirsId] = [
      idOf(await session.call('slow', { ms: 1 })),
      idOf(await theirs.call('slow', { ms: 1 })),
    ];
    const refusedId = idOf(await theirs.call('delete_file'));
    const ids = async (...args: string[]) => (await daemon.audit(...args)).map(({ id }) => id);
    assert.deepEqual(await ids('--tool', 'slow'), [mineId, theirsId]);
    assert.deepEqual(await ids('--tool', 'fx/slow'), [mineId, theirsId]);
    assert.deepEqual(await ids('--tool', 'full/slow'), []);
    assert.deepEqual(await ids('--tool', 'slow', '--caller', 'somebody-else'), [theirsId]);
    assert.deepEqual(await ids('--caller', 'somebody-else', '--outcome', 'refused'), [refusedId]);
    assert.deepEqual(await ids('--caller', 'somebody-else', '--outcome', 'denied'), [refusedId]);
    assert.deepEqual(await ids('--server', 'full', '--tool', 'slow'), []);
    assert.deepEqual(await ids('--tool', 'slow', '--since', '1h'), [mineId, theirsId]);
    assert.deepEqual(await ids('--tool', 'slow', '--since', '2100-01-01'), []);
    assert.deepEqual(await ids('--tool', 'slow', '--limit', '1'), [theirsId]);
    assert.deepEqual(await ids('--correlation', mineId), [mineId]);
    assert.deepEqual(await ids('--correlation', randomUUID()), []);
    const wrong = await daemon.mcpd(['audit', 'query', '--since', 'yesterday']);
    assert.notEqual(wrong.code, 0);
    const table = await daemon.mcpd(['audit', 'query', '--tool', 'slow']);
    assert.ok(table.stdout.includes(mineId) && table.stdout.includes('fx/slow'));
  });

  it('a call is on record before it is answered', async () => {
    const answering = session.call('slow', { ms: 1500, path: 'under way' });
    await until('the intent is written', () =>
      daemon
        .journal()
        .some(
          ({ kind, resources }) =>
            kind === 'decision' && (resources as { path?: string } | undefined)?.path === 'under way',
        ),
    );
    const [record] = (await daemon.audit('--tool', 'slow', '--outcome', 'unknown')).slice(-1);
    assert.deepEqual(record?.['resources'], { path: 'under way' });
    assert.equal((await recordOf(await answering))['outcome'], 'answered');
  });

  it('what the operator types is on record, with who typed it', async () => {
    await daemon.ctl('disable-tool', 'fx/echo', '--reason', 'a test');
    await daemon.ctl('enable-tool', 'fx/echo');
    const commands = daemon.journal().filter(({ kind }) => kind === 'command');
    for (const command of ['disable-tool', 'enable-tool']) {
      const record = commands.findLast((it) => it['command'] === command && it['result'] === 'done');
      assert.ok((record?.['args'] as string[]).includes('tool=fx/echo'));
      assert.notEqual(record?.['by'], '');
    }
  });

  it('nothing that a caller sends can forge a line, or move a terminal', async () => {
    const evil = 'x"}\n{"seq":1,"kind":"outcome"}\u001b[2J\u0007\u202e\u2028';
    const reply = await session.call('read_file', { path: evil });
    assert.deepEqual((await recordOf(reply))['resources'], { path: evil });
    const shown = await daemon.mcpd(['audit', 'query', '--correlation', idOf(reply)]);
    assert.doesNotMatch(shown.stdout, /[\u001b\u0007\u202e\u2028]/);
    const journal = (await import('node:fs')).readFileSync(daemon.journalFiles()[0] ?? '', 'utf8');
    assert.doesNotMatch(journal, /[\u001b\u0007\u202e\u2028]/);
    const numbers = daemon.journal().map(({ seq }) => seq);
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
    );
  });
});
