// A client that keeps its session id while mcpd is restarted goes on, where the owner of the server says that this is safe.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { shortHash } from '../../src/audit/outside.ts';
import { markOf } from '../../src/callers/session-memory.ts';
import { everything } from '../front/legacy-wire.ts';
import { connect, generations } from '../support/clients.ts';
import { rule, serving, TestDaemon, textOf, until } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';

const rules = `${rule('allow', ['*'])}[[rule]]\nname = "documents"\nverdict = "allow"\nresources = ["**"]\n`;
const resumed = (more = '') => serving('remembers', `resume = true\n${more}\n${rules}`);
const signals = ['SIGTERM', 'SIGKILL'] as const;

async function restart(daemon: TestDaemon, signal: NodeJS.Signals): Promise<void> {
  await daemon.end(signal);
  await daemon.boot();
}

type Told = { readonly pid: number; readonly level: string; readonly told: readonly string[] };
const toldTo = async (session: { text: (name: string) => Promise<string> }): Promise<Told> =>
  JSON.parse(await session.text('told')) as Told;

/** The table, with mcpd down. */
function withRecords<T>(daemon: TestDaemon, work: (file: DatabaseSync) => T): T {
  const file = new DatabaseSync(join(daemon.state, 'state.db'));
  try {
    return work(file);
  } finally {
    file.close();
  }
}

/** Waits until the sessions stand in the file as they are: that is not what a client waits for. */
const kept = (daemon: TestDaemon, ...ids: readonly (string | undefined)[]): Promise<void> =>
  until('the sessions are in the file', () =>
    withRecords(daemon, (file) =>
      ids.every(
        (id) =>
          file
            .prepare(`SELECT record ->> '$.introduced' AS it FROM sessions WHERE id_hash = ?`)
            .get(markOf(id ?? ''))?.['it'] === 1,
      ),
    ),
  );

/** Takes tools away from a key, with mcpd down. */
function narrow(daemon: TestDaemon, id: string): void {
  const path = join(daemon.state, 'keys.json');
  const file = JSON.parse(readFileSync(path, 'utf8')) as { keys: { id: string }[] };
  const keys = file.keys.map((it) => (it.id === id ? { ...it, tools: ['fx/told'] } : it));
  writeFileSync(path, JSON.stringify({ ...file, keys }), { mode: 0o600 });
}

const isKept = (daemon: TestDaemon, id: string): boolean =>
  withRecords(
    daemon,
    (file) => file.prepare('SELECT 1 FROM sessions WHERE id_hash = ?').get(markOf(id)) !== undefined,
  );

const countOf = (file: DatabaseSync): number =>
  Number(file.prepare('SELECT count(*) AS n FROM sessions').get()?.['n']);

describe('C-10 the official clients, with mcpd restarted between two calls', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        on: serving('answers', `resume = true\n${everything}`),
        off: serving('answers', everything),
      },
    });
  });
  after(() => daemon[Symbol.asyncDispose]());
  const at = (server: string) => `${daemon.url}/servers/${server}/mcp`;

  for (const generation of generations.slice(0, 2)) {
    for (const signal of isWhole || generation === 'v1' ? signals : signals.slice(1)) {
      it(`${generation} goes on in its session after ${signal} where the server file says resume`, async () => {
        const client = await connect(generation, at('on'), daemon.key);
        assert.equal((await client.call('echo', { text: 'before' })).text, 'before');
        const id = client.sessionId();
        await kept(daemon, id);
        await restart(daemon, signal);
        assert.equal((await client.call('echo', { text: 'after' })).text, 'after');
        assert.deepEqual([client.sessionId(), (await client.tools()).includes('echo')], [id, true]);
        await client.end();
      });
    }
  }

  it('is told 404 where it does not, and goes on once it has connected again', async () => {
    const client = await connect('v1', at('off'), daemon.key);
    await client.call('echo', { text: 'before' });
    await restart(daemon, 'SIGKILL');
    await assert.rejects(client.call('echo', { text: 'after' }), /404|no such session/i);
    await client.close();
    const again = await connect('v1', at('off'), daemon.key);
    assert.equal((await again.call('echo', { text: 'after' })).text, 'after');
    await again.end();
  });

  it('hears again on its standing stream, which it comes back to with an event of before', async () => {
    // On a busy machine mcpd may be away for longer than the client tries by itself.
    const client = await connect('v1', at('on'), daemon.key, true);
    const own = shortHash(client.sessionId() ?? '');
    const visited = async (how: string) =>
      (await daemon.audit('--server', 'on')).some((it) => it.method === how && it['session'] === own);
    await kept(daemon, client.sessionId());
    await until('it has its stream', () => visited('(stream opened)'));
    await restart(daemon, 'SIGKILL');
    await until('it has come back for its stream', () => visited('(stream resumed)'));
    await client.end();
  });
});

describe('a session that outlives mcpd', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: resumed(),
        shared: resumed('sharing = "all"'),
        caller: resumed('sharing = "principal"'),
        no: serving('remembers', rules),
      },
      daemon: '[sessions]\nmax = 40\nper_caller_max = 20\nidle = "1m"\n',
    });
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('has its log level and its subscriptions back, whoever it shares its child with', async () => {
    const opened = await Promise.all(['fx', 'shared', 'caller'].map((server) => daemon.session(server)));
    const before: number[] = [];
    for (const session of opened) {
      await session.request('logging/setLevel', { level: 'error' });
      await session.request('resources/subscribe', { uri: 'file:///a' });
      await session.request('resources/subscribe', { uri: 'file:///b' });
      await session.request('resources/unsubscribe', { uri: 'file:///b' });
      before.push((await toldTo(session)).pid);
    }
    await restart(daemon, 'SIGTERM');
    for (const session of opened) {
      let now = await toldTo(session);
      assert.ok(!before.includes(now.pid), 'a fresh child');
      await until('the child was told everything', async () => {
        now = await toldTo(session);
        return now.told.includes('subscribe file:///a');
      });
      assert.deepEqual([now.level, now.told.includes('subscribe file:///b')], ['error', false]);
      await session.http('DELETE');
    }
  });

  it('is brought back once for requests that come together, and that is on record', async () => {
    const session = await daemon.session('fx');
    await kept(daemon, session.id);
    await restart(daemon, 'SIGKILL');
    const pids = await Promise.all(Array.from({ length: 8 }, async () => (await toldTo(session)).pid));
    assert.equal(new Set(pids).size, 1);
    const records = daemon.journal().filter(({ id }) => String(id).endsWith('/resume'));
    assert.equal(records.filter(({ kind }) => kind === 'decision').length >= 1, true);
    assert.match(daemon.log(), /a session was resumed/);
    await session.http('DELETE');
  });

  it('is over when it was ended, before the restart or after it, and no child is started for that', async () => {
    const [early, late] = [await daemon.session('fx'), await daemon.session('fx')];
    await kept(daemon, early.id, late.id);
    assert.equal((await early.http('DELETE')).status, 204);
    await restart(daemon, 'SIGKILL');
    const { children } = await daemon.status('fx');
    assert.equal((await early.call('told')).status, 404);
    assert.equal((await late.http('DELETE')).status, 204);
    assert.equal((await late.call('told')).status, 404);
    assert.equal((await daemon.status('fx')).children, children);
  });

  it('is nobody else’s, no lesser key’s, and not a revoked key’s', async () => {
    /** One more key of a caller; its first one is good for a day yet. */
    const another = async (name: string): Promise<{ key: string; old: { id: string }[] }> => {
      const { stdout } = await daemon.mcpd(['key', 'rotate', name, '--json']);
      const made = JSON.parse(stdout) as { key: string; old: { id: string }[] };
      daemon.canaries?.addKey(made.key);
      return made;
    };
    const stranger = await daemon.addKey('stranger');
    const [leaving, staying] = [await daemon.addKey('leaving'), await daemon.addKey('staying')];
    const session = await daemon.session('fx', { key: staying });
    const left = await daemon.session('fx', { key: leaving });
    await kept(daemon, session.id, left.id);
    await daemon.end('SIGKILL');
    const [second, lesser] = [await another('leaving'), await another('staying')];
    await daemon.mcpd(['key', 'revoke', `mcpd_${second.old[0]?.id ?? ''}`]);
    narrow(daemon, lesser.key.slice(5, 13));
    await daemon.boot();
    const statusWith = async (key: string, of = session): Promise<number> =>
      (await of.http('GET', key)).status;
    assert.equal(await statusWith(stranger), 404);
    assert.equal(await statusWith(lesser.key), 404);
    assert.equal(await statusWith(leaving, left), 401);
    assert.equal(await statusWith(second.key, left), 404, 'it ended with the key that was used in it');
    assert.equal((await session.call('told')).status, 200, 'nobody has ended it');
    await session.http('DELETE', staying);
  });

  it('is not brought back while its caller or server is switched off, and is afterwards', async () => {
    const session = await daemon.session('fx');
    await kept(daemon, session.id);
    await restart(daemon, 'SIGKILL');
    for (const target of ['server', 'caller'] as const) {
      const name = target === 'server' ? 'fx' : 'tester';
      await daemon.ctl(`disable-${target}`, name);
      const { children } = await daemon.status('fx');
      assert.equal((await session.call('told')).status, 404);
      assert.equal((await daemon.status('fx')).children, children, 'no child was started');
      await daemon.ctl(`enable-${target}`, name);
    }
    assert.equal((await session.call('told')).status, 200);
    await session.http('DELETE');
  });

  it('cannot be had with what stands in the file, and no id stands there', async () => {
    const session = await daemon.session('fx');
    await daemon.end('SIGTERM');
    const rows = withRecords(daemon, (file) => file.prepare('SELECT * FROM sessions').all());
    assert.ok(rows.length >= 1);
    assert.ok(!JSON.stringify(rows).includes(session.id));
    await daemon.boot();
    for (const { id_hash: mark } of rows) {
      const answer = await fetch(`${daemon.url}/servers/fx/mcp`, {
        headers: {
          accept: 'text/event-stream',
          authorization: `Bearer ${daemon.key}`,
          'mcp-session-id': String(mark),
        },
      });
      assert.equal(answer.status, 404);
    }
    await session.http('DELETE');
  });

  it('is unknown when its record was tampered with, is too old, or is of another server', async () => {
    const [broken, wider, old, moved, fine] = [
      await daemon.session('fx'),
      await daemon.session('fx'),
      await daemon.session('fx'),
      await daemon.session('fx'),
      await daemon.session('fx'),
    ];
    await daemon.end('SIGTERM');
    withRecords(daemon, (file) => {
      const set = (id: string, change: string) =>
        file.prepare(`UPDATE sessions SET ${change} WHERE id_hash = ?`).run(markOf(id));
      set(broken.id, `record = '{"caller":"tester"'`);
      set(wider.id, `record = json_set(record, '$.more', 1)`);
      set(old.id, `used_at = used_at - 3600000`);
      set(moved.id, `record = json_set(record, '$.server', 'shared')`);
    });
    await daemon.boot();
    for (const session of [broken, wider, old, moved]) assert.equal((await session.call('told')).status, 404);
    assert.equal((await fine.call('told')).status, 200);
    await fine.http('DELETE');
  });

  it('is unknown when the server is run in another way, or its file takes the word back', async () => {
    const ways = [resumed('[env]\nMORE = "1"'), serving('remembers', `resume = false\n${rules}`)];
    for (const changed of isWhole ? ways : ways.slice(1)) {
      const session = await daemon.session('fx');
      await kept(daemon, session.id);
      await daemon.end('SIGKILL');
      daemon.write('servers/fx.toml', changed);
      await daemon.boot();
      assert.equal((await session.call('told')).status, 404);
      daemon.write('servers/fx.toml', resumed());
      await restart(daemon, 'SIGTERM');
    }
  });

  it('is over when the new child agrees on something else', async () => {
    const session = await daemon.session('fx');
    const refused = await daemon.session('fx');
    await daemon.end('SIGTERM');
    // As an update of the program would: the file is the same, what it says is not.
    withRecords(daemon, (file) =>
      file.prepare(`UPDATE sessions SET record = json_set(record, '$.offers', 'another')`).run(),
    );
    await daemon.boot();
    for (const it of [session, refused]) {
      assert.equal((await it.call('told')).status, 404);
      assert.equal((await it.call('told')).status, 404);
    }
    await daemon.end('SIGTERM');
    assert.deepEqual([isKept(daemon, session.id), isKept(daemon, refused.id)], [false, false]);
    await daemon.boot();
  });

  it('is not written down where the file does not say so, nor one of the address of all servers', async () => {
    const before = withRecords(daemon, countOf);
    const session = await daemon.session('no');
    const hall = await fetch(`${daemon.url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${daemon.key}`,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'h', version: '1' } },
      }),
    });
    assert.equal(hall.status, 200);
    await hall.text();
    await daemon.end('SIGTERM');
    assert.equal(withRecords(daemon, countOf), before);
    await daemon.boot();
    const { body, status } = await session.call('told');
    assert.equal(status, 404);
    assert.match(textOf({ body, status, headers: new Headers(), events: [] }), /Initialize again/);
  });
});

describe('C-10 many sessions that come back at once', () => {
  const childrenMax = 6;
  const count = times(150, 1000);
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: resumed(`children_max = ${childrenMax}`) },
      // One that is known by its record alone has to be idle for long before it is forgotten.
      daemon: '[sessions]\nidle = "30m"\n',
    });
  });
  after(() => daemon[Symbol.asyncDispose]());

  const comeBack = async (id: string, method = 'GET'): Promise<{ status: number; later: string | null }> => {
    const gone = new AbortController();
    const { status, headers } = await fetch(`${daemon.url}/servers/fx/mcp`, {
      method,
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${daemon.key}`,
        'mcp-session-id': id,
      },
      signal: gone.signal,
    });
    gone.abort();
    return { status, later: headers.get('retry-after') };
  };

  it('start no more children than there may be; the others are told when to come back, and can', async () => {
    const session = await daemon.session('fx');
    await kept(daemon, session.id);
    await daemon.end('SIGKILL');
    const ids = Array.from({ length: count }, (_, at) => `one-of-many-${at}`);
    withRecords(daemon, (file) => {
      const { record } = file.prepare('SELECT record FROM sessions').get() ?? {};
      const add = file.prepare('INSERT INTO sessions VALUES (?, ?, ?)');
      for (const id of ids) add.run(markOf(id), Date.now(), String(record));
    });
    await daemon.boot();
    let most = 0;
    const looking = setInterval(() => (most = Math.max(most, daemon.children().length)), 20);
    const answers = await Promise.all(ids.map((id) => comeBack(id)));
    clearInterval(looking);
    const awake = ids.filter((_, at) => answers[at]?.status === 200);
    const sentAway = answers.filter(({ status }) => status === 429);
    assert.equal(awake.length, childrenMax);
    assert.equal(sentAway.length, count - awake.length);
    assert.ok(sentAway.every(({ later }) => Number(later) >= 1));
    assert.ok(most <= childrenMax + 1, `${most} children`);
    figure('C-10', 'children at most while sessions came back', most);
    // Whoever was sent away has lost nothing.
    for (const id of awake) assert.equal((await comeBack(id, 'DELETE')).status, 204);
    const later = ids.find((id) => !awake.includes(id)) ?? '';
    await until('there is a place', async () => (await comeBack(later)).status === 200);
    assert.equal((await daemon.ctl('status'))['ok'], true);
  });
});
