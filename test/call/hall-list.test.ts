import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lookAround } from '../../src/call/hall-news.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer } from '../../src/domain/message.ts';
import { nameCharsMax, qualify } from '../../src/protocol/qualify.ts';
import { rule } from '../policy/support.ts';
import {
  allowAll,
  error,
  except,
  hangs,
  json,
  ordersOf,
  result,
  serving,
  settled,
  TestHall,
  textOf,
  type Json,
  type Server,
} from './hall-support.ts';

const named = (listing: Json, of: string): string[] =>
  (listing[of] as { name?: string; uri?: string; uriTemplate?: string; taskId?: string }[]).map(
    ({ name, uri, uriTemplate, taskId }) => taskId ?? uriTemplate ?? uri ?? name ?? '',
  );
const leftOut = (listing: Json): unknown => (listing['_meta'] as Json | undefined)?.['mcpd/leftOut'];

/** A server that answers a listing with these pages, one after the other. */
const pages =
  (...listings: readonly Json[]): Server =>
  ({ params }) => {
    const at = Number(params['cursor'] ?? 0);
    const more = at + 1 < listings.length ? { nextCursor: String(at + 1) } : {};
    return result({ ...listings[at], ...more });
  };
const listing = (...names: readonly string[]): Json => ({ tools: names.map((name) => ({ name })) });

describe('a listing of all servers', () => {
  it('is one page, ordered by server, every entry as its server wrote it but for the name', async () => {
    const entry = (name: string) =>
      `{"inputSchema":{"type":"object","default":10000000000000000000001},"name":"${name}","x":1.10}`;
    const hall = new TestHall({
      b: except(
        'tools/list',
        () => ({ kind: 'result', text: `{"tools":[${entry('t')}]}` as Answer['text'] }),
        serving(),
      ),
      a: serving({ tools: ['y', 'x'], prompts: ['p'], uris: ['file:///r'] }),
    });
    const ann = await hall.client();
    assert.equal(
      textOf(await ann.request('tools/list')),
      `{"tools":[{"name":"a__y","inputSchema":{"type":"object"}},{"name":"a__x","inputSchema":{"type":"object"}},${entry('b__t')}]}`,
    );
    assert.deepEqual(await ann.said('prompts/list'), { prompts: [{ name: 'a__p' }] });
    assert.deepEqual(named(await ann.said('resources/list'), 'resources'), ['mcpd.a+file:///r']);
    assert.deepEqual(await ann.said('resources/templates/list'), { resourceTemplates: [] });
  });

  it('takes all pages of a server, also after an empty cursor', async () => {
    let asked = 0;
    const empty: Server = () =>
      result(asked++ === 0 ? { ...listing('one'), nextCursor: '' } : listing('two'));
    const hall = new TestHall({
      a: except('tools/list', pages(listing('x'), listing(), listing('y', 'z')), serving()),
      b: except('tools/list', empty, serving()),
    });
    const all = await (await hall.client()).said('tools/list');
    assert.deepEqual(named(all, 'tools'), ['a__x', 'a__y', 'a__z', 'b__one', 'b__two']);
    assert.equal(all['nextCursor'], undefined);
    const ids = hall.record
      .filter(({ method, server }) => method === 'tools/list' && server === 'a')
      .map(({ id }) => id);
    assert.equal(new Set(ids).size, 3, 'every page has a record of its own');
  });

  it('has an end, whatever a server says', async () => {
    const endless: Server = ({ params }) =>
      result({
        ...listing(`t${Number(params['cursor'] ?? 0)}`),
        nextCursor: `${Number(params['cursor'] ?? 0) + 1}`,
      });
    const huge = listing(...Array.from({ length: 10_001 }, (_, at) => `t${at}`));
    const hall = new TestHall({
      endless: except('tools/list', endless, serving()),
      huge: except('tools/list', pages(huge, listing('more')), serving()),
      ok: serving({ tools: ['t'] }),
    });
    const all = await (await hall.client()).said('tools/list');
    const count = (server: string) =>
      named(all, 'tools').filter((name) => name.startsWith(`${server}__`)).length;
    assert.deepEqual([count('endless'), count('huge'), count('ok')], [100, 10_001, 1]);
    assert.deepEqual(Object.keys(leftOut(all) as Json), ['endless', 'huge']);
  });

  it('asks no server for what it does not have, and takes no fault for a server without', async () => {
    const modest: Server = (call) =>
      call.message.kind === 'request' && call.message.method === 'initialize'
        ? result({ protocolVersion: '2025-11-25', capabilities: { tools: {} } })
        : serving({ tools: ['t'] })(call);
    const hall = new TestHall({ modest, none: except('prompts/list', () => error(-32601), serving()) });
    const ann = await hall.client();
    assert.deepEqual(await ann.said('prompts/list'), { prompts: [] });
    assert.deepEqual(hall.reachedBy('prompts/list'), ['none/listing']);
    assert.deepEqual(named(await ann.said('tools/list'), 'tools'), ['modest__t']);
  });

  it('says who is missing, and why', async () => {
    const broken = (reason: Server): Server => except('tools/list', reason, serving());
    const fails = (fault: Fault): Server => broken(() => Promise.reject(fault));
    const hall = new TestHall(
      {
        error: broken(() => error(-32603, 'out of order')),
        died: fails(new Fault('UPSTREAM_DIED', { detail: 'secret detail' })),
        ok: serving({ tools: ['t'] }),
        refuses: except('initialize', () => error(-32000), serving()),
      },
      { error: allowAll, died: allowAll, ok: allowAll, down: allowAll, refuses: allowAll },
    );
    const all = await (await hall.client()).said('tools/list');
    assert.deepEqual(named(all, 'tools'), ['ok__t']);
    assert.deepEqual(leftOut(all), {
      died: 'The server behind this address stopped before it answered.',
      down: 'The server behind this address is not running.',
      error: 'out of order',
      refuses: 'The server behind this address is not running.',
    });
  });

  it('waits for a slow server no longer than agreed, and stops asking it', async () => {
    const hall = new TestHall({
      ok: serving({ tools: ['t'] }),
      slow: except('tools/list', hangs, serving()),
      starting: hangs,
    });
    const ann = await hall.client();
    const waiting = ann.said('tools/list');
    await settled();
    hall.ring();
    const all = await waiting;
    assert.deepEqual(named(all, 'tools'), ['ok__t']);
    assert.deepEqual(leftOut(all), { slow: 'It took too long.', starting: 'It took too long.' });
    await settled();
    assert.deepEqual(
      hall.record
        .filter(({ server, method }) => server === 'slow' && method === 'tools/list')
        .map(({ end }) => end),
      ['allow, CANCELLED'],
    );
    assert.equal(hall.timers.size, 0, 'no timer is left behind');
  });

  it('does not wait for a server that is known to be down, unless the client’s own child of it runs', async () => {
    for (const state of ['backing-off', 'given-up', 'lacks-secret'] as const) {
      const hall = new TestHall({ fs: serving({ tools: ['t'] }) });
      const ann = await hall.client();
      hall.states.set('fs', state);
      const all = await ann.said('tools/list');
      assert.deepEqual(leftOut(all), { fs: 'The server behind this address is not running.' });
      assert.deepEqual(hall.reached.length, 0);
      await ann.call('fs__t');
      assert.deepEqual(named(await ann.said('tools/list'), 'tools'), ['fs__t']);
    }
  });

  it('waits for a server that is starting, or restarted', async () => {
    for (const state of ['starting', 'stopping', 'stopped'] as const) {
      const hall = new TestHall({ fs: serving({ tools: ['t'] }) });
      hall.states.set('fs', state);
      assert.deepEqual(named(await (await hall.client()).said('tools/list'), 'tools'), ['fs__t'], state);
    }
  });

  it('a server that came too late is told of when it is there', async () => {
    let greet: (it: Answer) => void = () => undefined;
    const late = except(
      'initialize',
      () => new Promise((resolve) => (greet = resolve)),
      serving({ tools: ['t'] }),
    );
    const hall = new TestHall({ late });
    const ann = await hall.client();
    const stream = ann.listen();
    const waiting = ann.said('tools/list');
    await settled();
    hall.ring();
    assert.deepEqual(named(await waiting, 'tools'), []);
    greet(result({ protocolVersion: '2025-11-25', capabilities: { tools: {} } }));
    await settled();
    assert.deepEqual(
      stream.map(({ method }) => method),
      ['tools', 'prompts', 'resources'].map((it) => `notifications/${it}/list_changed`),
    );
    assert.deepEqual(named(await ann.said('tools/list'), 'tools'), ['late__t']);
    assert.equal(hall.reachedBy('initialize').length, 1);
  });

  it('a server that was down is told of when it is first reached, unless a listing has it by then', async () => {
    for (const [reach, told] of [
      ['tools/call', 3],
      ['tools/list', 0],
    ] as const) {
      const hall = new TestHall({}, { down: allowAll });
      const ann = await hall.client();
      const stream = ann.listen();
      assert.deepEqual(named(await ann.said('tools/list'), 'tools'), []);
      hall.servers['down'] = serving({ tools: ['t'] });
      await ann.said(reach, reach === 'tools/call' ? { name: 'down__t' } : {});
      assert.equal(stream.length, told, reach);
    }
  });

  it('gives no cursor, and takes none', async () => {
    const hall = new TestHall({ fs: serving() });
    for (const cursor of ['', '1', 0, null]) {
      const outcome = await (await hall.client()).request('tools/list', { cursor });
      assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'BAD_PARAMS', String(cursor));
    }
  });

  it('can be cancelled, and takes its parts with it', async () => {
    const halted: string[] = [];
    const slow: Server = except(
      'tools/list',
      (call) => {
        halted.push(call.server);
        return hangs(call);
      },
      serving(),
    );
    const hall = new TestHall({ a: slow, b: slow });
    const ann = await hall.client();
    const halt = new Halt();
    const waiting = ann.request('tools/list', {}, 7, halt);
    await settled();
    await ann.notify('notifications/cancelled', { requestId: 7 });
    const outcome = await waiting;
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'CANCELLED');
    await settled();
    assert.deepEqual(halted, ['a', 'b']);
    assert.equal(hall.inFlight.count, 0);
    assert.equal(hall.timers.size, 0);
  });

  it('asks for no progress in the client’s name', async () => {
    const hall = new TestHall({ fs: serving() });
    await (await hall.client()).said('tools/list', { _meta: { progressToken: 1, x: 2 } });
    const params = hall.reached.flatMap(({ message }) =>
      message.kind === 'request' ? [message.params] : [],
    );
    assert.deepEqual(params.slice(-1), ['{"_meta":{"x":2}}']);
  });

  it('has only names that clients accept, each once, and what it shows can be called', async () => {
    const nasty = [
      'read_file',
      'x'.repeat(200),
      'a b',
      'a/b',
      'a\u0000b',
      'größe',
      '👍'.repeat(40),
      'twice',
      'twice',
      'commit_deadbeef',
      '__',
      'fs__read_file',
      ' ',
      '\ud800',
    ];
    const hall = new TestHall({ fs: serving({ tools: nasty }), other: serving({ tools: nasty }) });
    const ann = await hall.client();
    const all = named(await ann.said('tools/list'), 'tools');
    assert.equal(new Set(all).size, all.length);
    // All but the two that share a name and the one that has none.
    assert.equal(all.length, 2 * (nasty.length - 3));
    for (const name of all) {
      assert.match(name, /^[A-Za-z0-9_-]+$/);
      assert.ok(name.length <= nameCharsMax);
      await ann.call(name);
    }
    const called = hall.reachedBy('tools/call');
    assert.deepEqual(new Set(called).size, all.length);
    assert.ok(called.includes('fs/größe') && called.includes('other/a\u0000b'));
  });

  it('leaves two tools out that would be called by one name, whichever page they stand on', async () => {
    const hall = new TestHall({
      fs: except('tools/list', pages(listing('same', 'x'), listing('same')), serving()),
    });
    assert.deepEqual(named(await (await hall.client()).said('tools/list'), 'tools'), ['fs__x']);
  });

  it('names of many servers do not grow the memory without end', async () => {
    const hall = new TestHall({ fs: serving() });
    const long = (at: number) => `${'x'.repeat(70)}${at}`;
    for (let at = 0; at < 3000; at++) hall.guests.learn('fs', long(at));
    assert.equal([...hall.guests.learned('fs')].length, 1000);
    assert.ok([...hall.guests.learned('fs')].includes(long(2999)));
    assert.equal((await (await hall.client()).call(qualify('fs', long(0)))).kind, 'refused');
  });

  it('of sixty-four servers that all hang ends in time', async () => {
    const hall = new TestHall(Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`s${at}`, hangs])));
    const waiting = (await hall.client()).said('tools/list');
    await settled();
    hall.ring();
    assert.equal(Object.keys(leftOut(await waiting) as Json).length, 64);
  });
});

describe('a listing of the modern era', () => {
  const hinted = (ttlMs: unknown, cacheScope = 'public'): Server =>
    except(
      'tools/list',
      () => result({ ...listing('t'), ttlMs, cacheScope, resultType: 'complete' }),
      serving(),
    );

  it('is private, and is kept as long as the one that may be kept the shortest', async () => {
    const hall = new TestHall({ a: hinted(5000), b: hinted(300) });
    const all = await hall.modern().said('tools/list', {});
    assert.deepEqual([all['resultType'], all['ttlMs'], all['cacheScope']], ['complete', 300, 'private']);
    assert.deepEqual(named(all, 'tools'), ['a__t', 'b__t']);
    assert.deepEqual(all['_meta'], {
      'io.modelcontextprotocol/serverInfo': { name: 'mcpd', version: '0.0.0' },
    });
    assert.deepEqual(hall.reachedBy('initialize'), []);
  });

  it('may not be kept when a server says nothing of it, nonsense, or is missing', async () => {
    for (const b of [
      serving(),
      hinted(-5),
      hinted('long'),
      hinted(null),
      except('tools/list', () => error(-32603), serving()),
    ]) {
      const all = await new TestHall({ a: hinted(5000), b }).modern().said('tools/list', {});
      assert.equal(all['ttlMs'], 0);
    }
  });

  it('discovery is the hall’s own, and starts nobody', async () => {
    const hall = new TestHall({ a: serving(), b: serving() });
    const found = await hall.modern().said('server/discover', {});
    assert.deepEqual(found['supportedVersions'], ['2026-07-28']);
    assert.equal(found['cacheScope'], 'private');
    assert.match(String(found['instructions']), /2 servers here: a, b\./);
    assert.deepEqual(hall.reached, []);
  });
});

describe('looking around', () => {
  const told = (stream: readonly Json[]) =>
    stream.filter(({ method }) => method === 'notifications/tools/list_changed').length;

  it('tells a client once that a server came, went, or is shown to it now', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    hall.states.set('memory', 'backing-off');
    const ann = await hall.client();
    const stream = ann.listen();
    await ann.said('tools/list');
    const look = () => {
      lookAround(hall.plane);
      lookAround(hall.plane);
      return told(stream);
    };
    assert.equal(look(), 0);
    hall.states.set('memory', 'ready');
    assert.equal(look(), 1);
    hall.states.set('fs', 'backing-off');
    assert.equal(look(), 2);
    hall.orders = ordersOf({ fs: allowAll }, undefined, 'v2');
    assert.equal(look(), 3);
    hall.orders = ordersOf({ fs: [rule('x', 'allow', { callers: ['bob'], tools: ['*'] })] }, undefined, 'v3');
    assert.equal(look(), 3);
  });

  it('does not tell what a listing told, nor whom it does not concern, nor who is gone', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    hall.states.set('memory', 'backing-off');
    const ann = await hall.client();
    const one = await hall.client({ hall: '*?servers=fs' });
    const streams = [ann.listen(), one.listen()];
    hall.states.set('memory', 'ready');
    await ann.said('tools/list');
    lookAround(hall.plane);
    assert.deepEqual(streams.map(told), [0, 0]);
    assert.ok(ann.session);
    hall.sessions.end(ann.session);
    hall.states.set('fs', 'backing-off');
    lookAround(hall.plane);
    assert.deepEqual(streams.map(told), [0, 1]);
    assert.equal(hall.guests.watchers().length, 1);
  });
});

describe('a listing of tasks', () => {
  it('is empty where nothing was begun', async () => {
    const hall = new TestHall({ fs: serving() });
    assert.equal(textOf(await (await hall.client()).request('tasks/list')), json({ tasks: [] }));
    assert.deepEqual(hall.reached, []);
  });
});
