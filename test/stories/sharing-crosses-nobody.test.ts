// One child for many sessions, seen from outside: ids, tokens, subscriptions, log lines and streams stay with their caller.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { alive, rule, serving, TestDaemon, textOf, until, type TestSession } from '../support/daemon.ts';

type Event = { readonly method?: string; readonly params?: Record<string, unknown> };

/** The standing stream of a session, and what came over it. */
class Stream {
  readonly events: Event[] = [];
  readonly #ended = new AbortController();
  readonly #reading: Promise<void>;

  private constructor(response: Response, ended: AbortController) {
    this.#ended = ended;
    this.#reading = this.#read(response).catch(() => undefined);
  }

  static async open(session: TestSession): Promise<Stream> {
    const ended = new AbortController();
    const response = await session.http('GET', session.key, ended.signal);
    assert.equal(response.status, 200);
    return new Stream(response, ended);
  }

  of(method: string): Event[] {
    return this.events.filter((event) => event.method === method);
  }

  uris(): unknown[] {
    return this.of('notifications/resources/updated').map(({ params }) => params?.['uri']);
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#reading;
  }

  async #read(response: Response): Promise<void> {
    let rest = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      // A stream may begin with an event that has an id and no data.
      for (const line of lines)
        if (line.startsWith('data: {')) this.events.push(JSON.parse(line.slice('data: '.length)) as Event);
    }
  }
}

const policy = (sharing: string, more = ''): string =>
  serving(
    'remembers',
    `sharing = "${sharing}"\n${more}\n${rule('allow', ['*'], 'resources = ["x:/**"]')}\n` +
      '[[rule]]\nname = "not for bob"\nverdict = "deny"\ncallers = ["bob"]\nresources = ["x:/pub/secret"]\n',
  );

let daemon: TestDaemon;
let bobKey: string;

before(async () => {
  daemon = await TestDaemon.start({
    servers: {
      all: policy('all'),
      principal: policy('principal', 'idle = "1s"'),
      session: policy('session', 'spare = 1'),
    },
  });
  bobKey = await daemon.addKey('bob');
});
after(async () => daemon[Symbol.asyncDispose]());

async function told(session: TestSession): Promise<{ pid: number; told: string[] }> {
  return JSON.parse(await session.text('told')) as { pid: number; told: string[] };
}

for (const sharing of ['principal', 'all'] as const) {
  describe(`with sharing = "${sharing}"`, () => {
    let mine: TestSession;
    let other: TestSession;
    let theirs: TestSession;
    let streams: Stream[];
    before(async () => {
      mine = await daemon.session(sharing);
      other = await daemon.session(sharing);
      theirs = await daemon.session(sharing, { key: bobKey });
      streams = await Promise.all([mine, other, theirs].map((it) => Stream.open(it)));
    });
    after(async () => {
      await Promise.all(streams.map((stream) => stream.close()));
      for (const session of [mine, other, theirs]) await session.http('DELETE');
    });

    it('news of a resource go to the sessions that subscribed to it, on their own streams', async () => {
      const [myStream, otherStream, theirStream] = streams as [Stream, Stream, Stream];
      assert.deepEqual((await mine.request('resources/subscribe', { uri: 'x:/mine' })).body.result, {});
      assert.deepEqual((await theirs.request('resources/subscribe', { uri: 'x:/theirs' })).body.result, {});
      for (const session of [mine, theirs])
        for (const uri of ['x:/mine', 'x:/theirs', 'x:/nobody']) await session.text('update', { uri });
      const twice = sharing === 'all' ? 2 : 1;
      for (const stream of [myStream, theirStream])
        await until('news have come', () => stream.events.length >= twice);
      assert.deepEqual(myStream.uris(), Array(twice).fill('x:/mine'));
      assert.deepEqual(theirStream.uris(), Array(twice).fill('x:/theirs'));
      assert.deepEqual(otherStream.events, []);
    });

    it('nor of a resource that its caller may not read, though it lies in one that it follows', async () => {
      const theirStream = streams[2] as Stream;
      await theirs.request('resources/subscribe', { uri: 'x:/pub' });
      const denied = await theirs.request('resources/subscribe', { uri: 'x:/pub/secret' });
      assert.equal(denied.body.error?.code, -32002);
      const before = theirStream.uris().length;
      for (const uri of ['x:/pub/secret', 'x:/pub/a']) await theirs.text('update', { uri });
      await until('the second has come', () => theirStream.uris().length > before);
      assert.deepEqual(theirStream.uris().slice(before), ['x:/pub/a']);
    });

    it('what a session that ended had subscribed to is given back, and the rest stays', async () => {
      const short = await daemon.session(sharing);
      for (const uri of ['x:/short', 'x:/mine']) await short.request('resources/subscribe', { uri });
      assert.ok((await short.http('DELETE')).ok);
      await until('it was given back', async () => (await told(mine)).told.includes('unsubscribe x:/short'));
      assert.ok(!(await told(mine)).told.includes('unsubscribe x:/mine'));
    });

    it('a storm of calls with equal ids and tokens gets its own answers and its own progress', async () => {
      const sessions = [mine, other, theirs];
      for (let round = 0; round < 10; round++) {
        await Promise.all(
          sessions.flatMap((session, at) =>
            [1, 2, '1'].map(async (id) => {
              const data = `${at} ${round} ${JSON.stringify(id)}`;
              const reply = await session.raw({
                jsonrpc: '2.0',
                id,
                method: 'tools/call',
                params: { name: 'progress', arguments: { data }, _meta: { progressToken: id } },
              });
              assert.equal(reply.body.id, id);
              assert.equal(textOf(reply), 'done');
              assert.deepEqual(
                reply.events.map(({ params }) => params),
                [{ progressToken: id, progress: 1, message: data }],
              );
            }),
          ),
        );
      }
    });

    it('a log line goes to the session whose call is under way, or to nobody', async () => {
      const isMine = await mine.call('say_and_wait', { data: 'whose?', ms: 50 });
      const lines = isMine.events.filter(({ method }) => method === 'notifications/message');
      // Two callers have used the child that all share.
      assert.equal(lines.length, sharing === 'principal' ? 1 : 0);
      for (const stream of streams) assert.deepEqual(stream.of('notifications/message'), []);
    });
  });
}

describe('the operator', () => {
  const row = async (name: string) => (await daemon.status(name)) as unknown as Record<string, unknown>;

  it('sees how a server is shared, its spare children, and those that sleep', async () => {
    const mine = await daemon.session('principal');
    const { pid } = await told(mine);
    await until('it sleeps, and those whose sessions ended have gone', async () => {
      const { idle, children } = await row('principal');
      return idle === 1 && children === 1;
    });
    assert.equal(alive(pid), false);
    await until('a spare one is up', async () => (await row('session'))['spares'] === 1);
    const seen = await Promise.all(['all', 'principal', 'session'].map(row));
    assert.deepEqual(
      seen.map(({ sharing, children, spares, idle }) => [sharing, children, spares, idle]),
      [
        ['all', 1, 0, 0],
        ['principal', 1, 0, 1],
        ['session', 2, 1, 0],
      ],
    );
    const { stdout } = await daemon.mcpd(['ctl', 'status']);
    const [titles, ...rows] = stdout
      .split('\n')
      .filter((line) => /^(SERVER|all|principal|session) {2}/.test(line));
    assert.match(titles ?? '', /SHARING +TOOLS +CHILDREN +SPARE +IDLE/);
    assert.match(rows.join('\n'), /all +ready +all +1 +1 +0 +0 /);
    assert.match(rows.join('\n'), /principal +ready +principal +1 +1 +0 +1 /);
    assert.match(rows.join('\n'), /session +ready +session +1 +2 +1 +0 /);
    assert.notEqual((await told(mine)).pid, pid);
    await mine.http('DELETE');
  });

  it('sees a session begin with the spare child, and the next one come', async () => {
    await until('a spare one is up', async () => (await row('session'))['spares'] === 1);
    const mine = await daemon.session('session');
    await mine.text('told');
    await until('the next one is up', async () => (await row('session'))['spares'] === 1);
    assert.equal((await row('session'))['children'], 3);
    await mine.http('DELETE');
    await until('it has gone', async () => (await row('session'))['children'] === 2);
  });
});
