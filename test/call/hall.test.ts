import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer } from '../../src/domain/message.ts';
import { qualify } from '../../src/protocol/qualify.ts';
import { noSwitches, rule } from '../policy/support.ts';
import {
  allowAll,
  error,
  except,
  hangs,
  json,
  off,
  onTheWire,
  ordersOf,
  result,
  serving,
  settled,
  TestHall,
  textOf,
  type Server,
} from './hall-support.ts';

describe('a message to one server', () => {
  it('lives the life of a call there, under the id it came with, and nowhere else', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    const guest = await hall.client();
    hall.record.length = 0;
    const outcome = await guest.call('fs__read');
    assert.equal(textOf(outcome), '{"content":[{"type":"text","text":"read"}]}');
    assert.deepEqual(hall.reachedBy('tools/call'), ['fs/read']);
    const [call] = hall.reached.slice(-1);
    const own = hall.record.filter(({ method }) => method === 'tools/call');
    assert.deepEqual(own, [{ id: call?.id, server: 'fs', method: 'tools/call', end: 'allow, answered' }]);
    assert.match(call?.id ?? '', /^c-\d+$/);
  });

  it('is the same message but for the name: digits, order and unknown members stay', async () => {
    const hall = new TestHall({ fs: serving() });
    const guest = await hall.client();
    const params = (name: string) =>
      `{"arguments":{"n":10000000000000000000001,"z":1.10,"a":-0},"name":"${name}","x":{"name":"fs__read"}}`;
    await guest.request('tools/call', params('fs__read'));
    const [call] = hall.reached.slice(-1);
    assert.equal(call?.message.kind === 'request' && call.message.params, params('read'));
  });

  it('names prompts, resources and completions of its server, there and back', async () => {
    const hall = new TestHall({
      fs: (call) =>
        call.message.kind === 'request' && call.message.method === 'prompts/get'
          ? result({
              messages: [{ role: 'user', content: { type: 'resource_link', uri: 'file:///a', name: 'a' } }],
            })
          : serving()(call),
    });
    const guest = await hall.client();
    const prompt = await guest.said('prompts/get', { name: 'fs__hello' });
    assert.deepEqual(prompt['messages'], [
      { role: 'user', content: { type: 'resource_link', uri: 'mcpd.fs+file:///a', name: 'a' } },
    ]);
    const read = await guest.said('resources/read', { uri: 'mcpd.fs+file:///a' });
    assert.deepEqual(read['contents'], [{ uri: 'mcpd.fs+file:///a', text: '' }]);
    await guest.said('resources/subscribe', { uri: 'mcpd.fs+file:///b' });
    const argument = { name: 'x', value: '' };
    await guest.said('completion/complete', { ref: { type: 'ref/prompt', name: 'fs__hello' }, argument });
    await guest.said('completion/complete', {
      ref: { type: 'ref/resource', uri: 'mcpd.fs+file:///{a}' },
      argument,
    });
    const params = hall.reached.flatMap(({ message }) =>
      message.kind === 'request' ? [message.params] : [],
    );
    assert.deepEqual(params.slice(-5), [
      '{"name":"hello"}',
      '{"uri":"file:///a"}',
      '{"uri":"file:///b"}',
      json({ ref: { type: 'ref/prompt', name: 'hello' }, argument }),
      json({ ref: { type: 'ref/resource', uri: 'file:///{a}' }, argument }),
    ]);
  });

  it('finds a tool whose name was cut, by the catalog or by what was listed', async () => {
    const long = 'x'.repeat(80);
    const listed = serving({ tools: [long] });
    const hall = new TestHall({ known: listed, listed });
    hall.named.set('known', ['other', long]);
    const guest = await hall.client();
    await guest.call(qualify('known', long));
    assert.match(
      JSON.stringify(await guest.said('tools/call', { name: qualify('listed', long) })),
      /Unknown tool/,
    );
    await guest.said('tools/list');
    await guest.call(qualify('listed', long));
    assert.deepEqual(hall.reachedBy('tools/call'), [`known/${long}`, `listed/${long}`]);
  });

  it('is refused in the words of what the client asked for', async () => {
    const rules = [rule('some', 'allow', { tools: ['read'], resources: ['file:///pub/**'] })];
    const hall = new TestHall({ fs: serving() }, { fs: rules });
    const guest = await hall.client();
    const tool = await guest.said('tools/call', { name: 'fs__delete', arguments: {} });
    assert.deepEqual(tool, { code: -32602, message: 'Unknown tool: fs__delete' });
    const resource = await guest.said('resources/read', { uri: 'mcpd.fs+file:///secret' });
    assert.deepEqual(resource['data'], { uri: 'mcpd.fs+file:///secret' });
    assert.deepEqual(hall.reachedBy('tools/call'), []);
    assert.deepEqual(hall.reachedBy('resources/read'), []);
  });
});

describe('names that try to reach what is not theirs', () => {
  const rules = {
    a: [rule('some', 'allow', { tools: ['b__c', 'ok'] })],
    b: [rule('none', 'allow', { callers: ['somebody-else'], tools: ['*'] })],
    c: allowAll,
  };
  for (const [name, reaches] of [
    ['a__b__c', ['a/b__c']],
    ['b__c', []],
    ['a__c__ok', []],
    ['a__ok ', []],
    ['a__ok\u0000', []],
    ['a__o\u006b', ['a/ok']],
    ['a__оk', []], // A Cyrillic o.
    ['A__ok', []],
    ['ａ__ok', []],
    ['a_\u200d_ok', []],
    ['__ok', []],
    ['a__', []],
    ['*__ok', []],
    ['*', []],
    ['../a__ok', []],
    ['a/ok', []],
    ['constructor__toString', []],
    ['__proto____ok', []],
    [`a__ok_${'0'.repeat(8)}`, []],
    ['x'.repeat(512), []],
  ] as const) {
    it(`${JSON.stringify(name.slice(0, 40))} reaches ${reaches.join() || 'nothing'}`, async () => {
      const hall = new TestHall({ a: serving(), b: serving(), c: serving() }, rules);
      const guest = await hall.client();
      const outcome = await guest.call(name);
      assert.deepEqual(hall.reachedBy('tools/call'), reaches);
      if (reaches.length > 0) return;
      // Hidden, foreign and made-up names are answered alike.
      assert.deepEqual(onTheWire(outcome), { code: -32602, message: `Unknown tool: ${name}` });
    });
  }

  for (const name of ['', 'x'.repeat(513)])
    it(`a name of ${name.length} characters is none`, async () => {
      const hall = new TestHall({ a: serving() });
      const outcome = await (await hall.client()).call(name);
      assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'BAD_PARAMS');
    });

  for (const uri of ['file:///a', 'mcpd.b+file:///a', 'mcpd.nobody+file:///a', 'mcpd.a+', 'MCPD.a+file:///a'])
    it(`the URI ${uri} is not found, like one that never was`, async () => {
      const hall = new TestHall({ a: serving(), b: serving() }, rules);
      const said = await (await hall.client()).said('resources/read', { uri });
      assert.deepEqual(said, { code: -32002, message: 'Resource not found', data: { uri } });
      assert.deepEqual(hall.reachedBy('resources/read'), []);
    });
});

describe('who may see what', () => {
  const rules = {
    shared: allowAll,
    anns: [rule('ann', 'allow', { callers: ['ann'], tools: ['*'] })],
    bobs: [rule('bob', 'allow', { callers: ['bob'], tools: ['*'] })],
  };
  const servers = {
    shared: serving({ tools: ['t'] }),
    anns: serving({ tools: ['t'] }),
    bobs: serving({ tools: ['t'] }),
  };
  const names = async (hall: TestHall, caller: string): Promise<string[]> => {
    const { tools } = (await (await hall.client({ caller })).said('tools/list')) as {
      tools: { name: string }[];
    };
    return tools.map(({ name }) => name);
  };

  it('differs by caller, in listings, instructions and calls', async () => {
    const hall = new TestHall(servers, rules);
    assert.deepEqual(await names(hall, 'ann'), ['anns__t', 'shared__t']);
    assert.deepEqual(await names(hall, 'bob'), ['bobs__t', 'shared__t']);
    const bob = await hall.client({ caller: 'bob' });
    assert.match(String(bob.greeting['instructions']), /bobs, shared/);
    assert.doesNotMatch(String(bob.greeting['instructions']), /anns/);
    assert.deepEqual(onTheWire(await bob.call('anns__t')), {
      code: -32602,
      message: 'Unknown tool: anns__t',
    });
    assert.deepEqual(
      hall.reached.filter(({ server, principal }) => server === 'anns' && principal.name === 'bob'),
      [],
    );
  });

  it('is nothing for a caller that no server knows', async () => {
    const hall = new TestHall(servers, { ...rules, shared: rules.anns });
    const carl = hall.modern('carl');
    for (const [method, params] of [
      ['server/discover', {}],
      ['tools/list', {}],
      ['tools/call', { name: 'anns__t' }],
    ] as const) {
      const outcome = await carl.request(method, params);
      assert.ok(outcome.kind === 'refused' && outcome.why.kind === 'deny' && outcome.why.hidden, method);
    }
    assert.deepEqual(hall.reached, []);
  });

  it('changes with the policy, in the next message', async () => {
    const hall = new TestHall(servers, rules);
    const ann = await hall.client();
    await ann.call('anns__t');
    hall.orders = ordersOf({ shared: allowAll, bobs: rules.bobs }, noSwitches, 'v2');
    assert.deepEqual(await ann.said('tools/call', { name: 'anns__t' }), {
      code: -32602,
      message: 'Unknown tool: anns__t',
    });
    assert.equal(hall.reachedBy('tools/call').length, 1);
  });

  it('what the operator switched off says so, and the rest goes on', async () => {
    const hall = new TestHall(servers, rules);
    const ann = await hall.client();
    hall.orders = ordersOf(
      rules,
      {
        ...noSwitches,
        servers: new Map([
          ['anns', off],
          ['bobs', off],
        ]),
      },
      'v2',
    );
    const refused = await ann.call('anns__t');
    assert.match(JSON.stringify(onTheWire(refused)), /The operator has switched this server off/);
    assert.deepEqual(onTheWire(await ann.call('bobs__t')), {
      code: -32602,
      message: 'Unknown tool: bobs__t',
    });
    assert.equal((await ann.call('shared__t')).kind, 'answered');
    const { _meta, tools } = await ann.said('tools/list');
    assert.deepEqual(_meta, { 'mcpd/leftOut': { anns: 'The operator has switched this server off.' } });
    assert.equal((tools as unknown[]).length, 1);
  });

  it('lockdown closes the hall', async () => {
    const hall = new TestHall(servers, rules);
    const ann = await hall.client();
    hall.orders = ordersOf(rules, { ...noSwitches, lockdown: off }, 'v2');
    for (const method of ['ping', 'tools/list', 'initialize'])
      assert.match(JSON.stringify(await ann.said(method)), /switched everything off/, method);
    assert.deepEqual(hall.reached, []);
  });
});

describe('a session with the hall', () => {
  it('is its caller’s own, and as unknown to another as one that never was', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    const bob = await hall.client({ caller: 'bob' });
    bob.session = ann.session;
    const stolen = await bob.call('fs__read');
    assert.ok(stolen.kind === 'failed' && stolen.fault.code === 'UNKNOWN_SESSION');
    assert.deepEqual(hall.reachedBy('tools/call'), []);
    assert.equal((await ann.call('fs__read')).kind, 'answered');
  });

  it('is of the hall it was begun in', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    const ann = await hall.client({ hall: '*?servers=fs' });
    assert.deepEqual(onTheWire(await ann.call('memory__x')), {
      code: -32602,
      message: 'Unknown tool: memory__x',
    });
    const elsewhere = Object.assign(await hall.client(), { session: ann.session });
    const outcome = await elsewhere.call('memory__x');
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'UNKNOWN_SESSION');
    assert.deepEqual(hall.reachedBy('tools/call'), []);
  });

  it('greets a server when it is first needed, once, in the client’s own words', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: { roots: {} },
      clientInfo: { name: 'me', version: '9' },
    };
    const ann = await hall.client({ params });
    assert.equal(hall.reached.length, 0);
    assert.equal(ann.greeting['protocolVersion'], '2025-06-18');
    await Promise.all([ann.call('fs__a'), ann.call('fs__b'), ann.said('tools/list')]);
    const to = (server: string) =>
      hall.reached
        .filter((call) => call.server === server)
        .map(({ message }) => message.kind !== 'reply' && message.method);
    assert.deepEqual(to('fs').slice(0, 2), ['initialize', 'notifications/initialized']);
    assert.equal(to('fs').filter((method) => method === 'initialize').length, 1);
    assert.equal(to('memory').filter((method) => method === 'initialize').length, 1);
    const hello = hall.reached.find(
      ({ message }) => message.kind === 'request' && message.method === 'initialize',
    );
    assert.equal(hello?.message.kind === 'request' && hello.message.params, json(params));
  });

  it('speaks the newest revision of its era where the one asked for is none', async () => {
    const hall = new TestHall({ fs: serving() });
    for (const [asked, spoken] of [
      ['2024-11-05', '2024-11-05'],
      ['2026-07-28', '2025-11-25'],
      ['1.0', '2025-11-25'],
    ])
      assert.equal(
        (await hall.client({ params: { protocolVersion: asked } })).greeting['protocolVersion'],
        spoken,
      );
  });

  it('tells a server that is met later which log level was asked for', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    const ann = await hall.client();
    await ann.call('fs__a');
    assert.deepEqual(await ann.said('logging/setLevel', { level: 'debug' }), {});
    assert.deepEqual(hall.reachedBy('logging/setLevel'), ['fs/protocol']);
    await ann.call('memory__a');
    assert.deepEqual(hall.reachedBy('logging/setLevel'), ['fs/protocol', 'memory/protocol']);
    const wrong = await ann.request('logging/setLevel', { level: 'loud' });
    assert.ok(wrong.kind === 'failed' && wrong.fault.code === 'BAD_PARAMS');
  });

  it('ends its branches with itself, also one that is being opened', async () => {
    let answer: (it: Answer) => void = () => undefined;
    const hello = serving();
    const slow: Server = except('initialize', () => new Promise((resolve) => (answer = resolve)), hello);
    const hall = new TestHall({ fs: serving(), slow });
    const ann = await hall.client();
    await ann.call('fs__a');
    const waiting = ann.call('slow__a');
    await settled();
    assert.ok(ann.session);
    hall.sessions.end(ann.session);
    answer(result({ protocolVersion: '2025-11-25', capabilities: {} }));
    const outcome = await waiting;
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'CANCELLED');
    await settled();
    assert.equal(hall.sessions.count, 0);
    assert.deepEqual(hall.reachedBy('tools/call'), ['fs/a']);
  });

  it('begins anew with a server that forgot it, and says nothing twice', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    await ann.call('fs__a');
    const { fs } = hall.servers;
    let forgets = true;
    hall.servers['fs'] = except(
      'tools/call',
      (call) => {
        if (!forgets) return (fs as Server)(call);
        forgets = false;
        throw new Fault('UNKNOWN_SESSION');
      },
      fs as Server,
    );
    assert.equal((await ann.call('fs__b')).kind, 'answered');
    assert.equal(hall.sessions.count, 2);
    assert.equal(hall.reachedBy('initialize').length, 2);
    assert.deepEqual(
      hall.record.filter(({ method }) => method === 'tools/call').map(({ end }) => end),
      ['allow, answered', 'allow, UNKNOWN_SESSION', 'allow, answered'],
    );
    const ids = hall.record.map(({ id, server }) => `${server} ${id}`);
    assert.equal(new Set(ids).size, ids.length, 'each attempt has a record of its own');
    // A server that forgets every time is not asked for ever.
    hall.servers['fs'] = except(
      'tools/call',
      () => Promise.reject(new Fault('UNKNOWN_SESSION')),
      fs as Server,
    );
    const outcome = await ann.call('fs__c');
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'UNKNOWN_SESSION');
  });

  it('forgets a branch that ends by itself, and what was asked over it', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    ann.listen();
    await ann.call('fs__a');
    hall.says('fs', { kind: 'request', id: 's-1', method: 'roots/list', params: undefined });
    const [branch] = hall.reached.slice(-1).map(({ session }) => session);
    assert.ok(branch);
    hall.sessions.end(branch);
    assert.equal((await ann.call('fs__b')).kind, 'answered');
    await ann.send({ kind: 'reply', id: 's-1', answer: { kind: 'result', text: json({}) } });
    assert.ok(hall.reached.every(({ message }) => message.kind !== 'reply'));
    assert.deepEqual(
      hall.record.filter(({ method }) => method === 'tools/call').map(({ end }) => end),
      ['allow, answered', 'allow, answered'],
    );
  });

  it('answers for a server that is down, and is there again when the server is', async () => {
    const hall = new TestHall({ fs: serving() }, { fs: allowAll, down: allowAll });
    const ann = await hall.client();
    const outcome = await ann.call('down__a');
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'UPSTREAM_DOWN');
    assert.deepEqual(hall.record.slice(-1), [
      { id: 'c-3', server: '*', method: 'tools/call', end: 'allow, UPSTREAM_DOWN' },
    ]);
    hall.servers['down'] = serving();
    assert.equal((await ann.call('down__a')).kind, 'answered');
  });

  it('says that a server refused to be greeted', async () => {
    const hall = new TestHall({ no: () => error(-32603) });
    const outcome = await (await hall.client()).call('no__a');
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'UPSTREAM_DOWN');
  });
});

describe('requests under way', () => {
  it('have each their own id', async () => {
    const hall = new TestHall({ fs: except('tools/call', hangs, serving()), memory: serving() });
    const ann = await hall.client();
    const first = ann.request('tools/call', { name: 'fs__a' }, 7);
    await settled();
    const second = await ann.request('tools/call', { name: 'memory__a' }, 7);
    assert.ok(second.kind === 'failed' && second.fault.code === 'BAD_MESSAGE');
    assert.equal((await ann.request('tools/call', { name: 'memory__a' }, '7')).kind, 'answered');
    await ann.notify('notifications/cancelled', { requestId: 7 });
    const outcome = await first;
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'CANCELLED');
    assert.equal((await ann.request('tools/call', { name: 'memory__a' }, 7)).kind, 'answered');
  });

  it('are cancelled by their own client alone', async () => {
    const hall = new TestHall({ fs: except('tools/call', hangs, serving()) });
    const [ann, bob] = [await hall.client(), await hall.client({ caller: 'bob' })];
    const halt = new Halt();
    const waiting = ann.request('tools/call', { name: 'fs__a' }, 7, halt);
    await settled();
    await bob.notify('notifications/cancelled', { requestId: 7 });
    await bob.notify('notifications/cancelled', { requestId: '7' });
    await settled();
    assert.equal(halt.reason, undefined);
    await ann.notify('notifications/cancelled', { requestId: 7 });
    assert.equal((await waiting).kind, 'failed');
  });

  it('are cancelled while they wait for a server to be greeted, and the greeting goes on', async () => {
    let greet: (it: Answer) => void = () => undefined;
    const greeted: Server = ({ halt }) =>
      new Promise((resolve, reject) => {
        greet = resolve;
        halt.listen((reason) => reject(new Fault('CANCELLED', { detail: reason })));
      });
    const hall = new TestHall({ slow: except('initialize', greeted, serving()) });
    const ann = await hall.client();
    const first = ann.request('tools/call', { name: 'slow__a' }, 1);
    const second = ann.request('tools/call', { name: 'slow__b' }, 2);
    await settled();
    await ann.notify('notifications/cancelled', { requestId: 1 });
    const outcome = await first;
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'CANCELLED');
    greet(result({ protocolVersion: '2025-11-25', capabilities: {} }));
    assert.equal((await second).kind, 'answered');
    assert.deepEqual(hall.reachedBy('tools/call'), ['slow/b']);
  });
});

describe('what servers ask and say', () => {
  const asks = (id: string) =>
    ({ kind: 'request', id, method: 'roots/list', params: json({ _meta: { progressToken: 1 } }) }) as const;
  const replies = (hall: TestHall) =>
    hall.reached.flatMap(({ server, message }) =>
      message.kind === 'reply' ? [`${server} ${message.id}`] : [],
    );

  it('an answer goes to the server that asked, once', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    const ann = await hall.client();
    const stream = ann.listen();
    await ann.call('fs__a');
    await ann.call('memory__a');
    hall.says('fs', asks('s-1'));
    hall.says('memory', asks('s-2'));
    assert.deepEqual(
      stream.map(({ id, method }) => [id, method]),
      [
        ['s-1', 'roots/list'],
        ['s-2', 'roots/list'],
      ],
    );
    const answer = { kind: 'result', text: json({ roots: [] }) } as const;
    for (const id of ['s-2', 's-1', 's-2'])
      assert.equal((await ann.send({ kind: 'reply', id, answer })).kind, 'accepted');
    assert.deepEqual(replies(hall), ['memory s-2', 'fs s-1']);
  });

  it('an answer to another client’s question, or to none, goes nowhere and is on record', async () => {
    const hall = new TestHall({ fs: serving() });
    const [ann, bob] = [await hall.client(), await hall.client({ caller: 'bob' })];
    await bob.call('fs__a');
    await ann.call('fs__a');
    hall.says('fs', asks('s-1'));
    hall.record.length = 0;
    const answer = { kind: 'result', text: json({ roots: [] }) } as const;
    for (const id of ['s-1', 's-2', 1, '1', 'constructor'])
      assert.equal((await bob.send({ kind: 'reply', id, answer })).kind, 'accepted');
    assert.deepEqual(replies(hall), []);
    assert.deepEqual(
      new Set(hall.record.map(({ server, end }) => `${server} ${end}`)),
      new Set(['* allow, accepted']),
    );
    assert.equal(hall.record.length, 5);
    await ann.send({ kind: 'reply', id: 's-1', answer });
    assert.deepEqual(replies(hall), ['fs s-1']);
  });

  it('an answer that belongs to a task names it as its server does', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    const stream = ann.listen();
    await ann.call('fs__a');
    const related = 'io.modelcontextprotocol/related-task';
    const params = json({ _meta: { [related]: { taskId: '1' } } });
    hall.says('fs', { kind: 'request', id: 's-1', method: 'roots/list', params });
    const { _meta } = stream[0]?.['params'] as { _meta: Record<string, unknown> };
    assert.deepEqual(_meta[related], { taskId: 'fs.1' });
    await ann.send({
      kind: 'reply',
      id: 's-1',
      answer: { kind: 'result', text: json({ roots: [], _meta }) },
    });
    const [reply] = hall.reached.slice(-1).map(({ message }) => message);
    const told = { roots: [], _meta: { [related]: { taskId: '1' } } };
    assert.equal(reply?.kind === 'reply' && reply.answer.text, json(told));
  });

  it('a flood of questions pushes out the oldest, and nothing else', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    ann.listen();
    await ann.call('fs__a');
    for (let n = 0; n < 1100; n++) hall.says('fs', asks(`s-${n}`));
    const answer = { kind: 'result', text: json({}) } as const;
    for (const id of ['s-0', 's-75', 's-76', 's-1099']) await ann.send({ kind: 'reply', id, answer });
    assert.deepEqual(replies(hall), ['fs s-76', 'fs s-1099']);
  });

  it('progress on a question goes to the server whose token it is', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    const ann = await hall.client();
    const stream = ann.listen();
    for (const server of ['fs', 'memory']) {
      await ann.call(`${server}__a`);
      hall.says(server, asks(`s-${server}`));
    }
    const tokens = stream.map(
      ({ params }) => (params as { _meta: { progressToken: string } })._meta.progressToken,
    );
    assert.equal(new Set(tokens).size, 2);
    for (const progressToken of [...tokens, 1, 'fs.nX', 'other.n1', 'fs'])
      assert.equal(
        (await ann.notify('notifications/progress', { progressToken, progress: 1 })).kind,
        'accepted',
      );
    const got = hall.reached.flatMap(({ server, message }) =>
      message.kind === 'notice' && message.method === 'notifications/progress'
        ? [`${server} ${message.params ?? ''}`]
        : [],
    );
    assert.deepEqual(got, ['fs {"progressToken":1,"progress":1}', 'memory {"progressToken":1,"progress":1}']);
  });

  it('news of a resource and log lines reach the hall’s stream, with the resource’s name in it', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    const stream = ann.listen();
    await ann.call('fs__a');
    hall.says('fs', {
      kind: 'notice',
      method: 'notifications/resources/updated',
      params: json({ uri: 'file:///a' }),
    });
    hall.says('fs', {
      kind: 'notice',
      method: 'notifications/message',
      params: json({ level: 'info', data: 'x' }),
    });
    assert.deepEqual(
      stream.map(({ params }) => params),
      [{ uri: 'mcpd.fs+file:///a' }, { level: 'info', data: 'x' }],
    );
  });

  it('what a server says while it is called goes where the call came from', async () => {
    let done: (it: Answer) => void = () => undefined;
    const hall = new TestHall({
      fs: except('tools/call', () => new Promise((resolve) => (done = resolve)), serving()),
    });
    const ann = await hall.client();
    const stream = ann.listen();
    const calling = ann.call('fs__a');
    await settled();
    hall.says('fs', asks('s-1'));
    done(result({}));
    await calling;
    assert.deepEqual([ann.heard.length, stream.length], [1, 0]);
  });

  it('changed roots are told to the servers that were met', async () => {
    const hall = new TestHall({ fs: serving(), memory: serving() });
    const ann = await hall.client();
    await ann.call('fs__a');
    await ann.notify('notifications/roots/list_changed');
    const told = hall.reached.filter(
      ({ message }) => message.kind === 'notice' && message.method.includes('roots'),
    );
    assert.deepEqual(
      told.map(({ server }) => server),
      ['fs'],
    );
  });
});

describe('tasks', () => {
  const taskServer =
    (id: string): Server =>
    (call) => {
      if (call.message.kind !== 'request') return undefined;
      switch (call.message.method) {
        case 'tools/call':
          return result({ task: { taskId: id, status: 'working' } });
        case 'tasks/list':
          return result({ tasks: [{ taskId: id }, { taskId: 'another-session’s' }] });
        case 'tasks/get':
          return result({ taskId: id, status: 'working' });
        default:
          return serving()(call);
      }
    };

  it('say which server they belong to, and are asked about there', async () => {
    const hall = new TestHall({ a: taskServer('1'), b: taskServer('1'), c: taskServer('1') });
    const ann = await hall.client();
    assert.deepEqual(await ann.said('tools/call', { name: 'a__x', task: {} }), {
      task: { taskId: 'a.1', status: 'working' },
    });
    await ann.call('b__x', { task: {} });
    assert.deepEqual((await ann.said('tasks/get', { taskId: 'b.1' }))['taskId'], 'b.1');
    assert.deepEqual((await ann.said('tasks/list'))['tasks'], [{ taskId: 'a.1' }, { taskId: 'b.1' }]);
    assert.deepEqual(hall.reachedBy('tasks/get'), ['b/task']);
    // Who never began one has none, and is not started to say so.
    assert.deepEqual(
      hall.reached.filter(({ server }) => server === 'c'),
      [],
    );
  });

  it('of others are unknown, whatever their id', async () => {
    const hall = new TestHall({ a: taskServer('1'), b: taskServer('2') });
    const [ann, bob] = [await hall.client(), await hall.client({ caller: 'bob' })];
    await ann.call('a__x', { task: {} });
    for (const taskId of ['a.1', 'b.1', '1', 'a.', 'nobody.1', 'a.a.1']) {
      const said = await bob.said('tasks/get', { taskId });
      assert.deepEqual(said, { code: -32602, message: 'There is no such task.' }, taskId);
    }
    assert.deepEqual(hall.reachedBy('tasks/get'), []);
  });
});

describe('the record', () => {
  it('holds what the hall answers by itself, decided and closed', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    await ann.said('ping');
    await ann.said('tools/list');
    await ann.said('tools/call', { name: 'nobody__x' });
    await ann.said('no/such/method');
    await ann.notify('notifications/cancelled', { requestId: 1 });
    assert.deepEqual(
      hall.record.filter(({ server }) => server === '*').map(({ method, end }) => `${method}: ${end}`),
      [
        'initialize: allow, answered',
        'notifications/initialized: allow, accepted',
        'ping: allow, answered',
        'tools/list: allow, answered',
        'tools/call: deny, refused',
        'no/such/method: deny, refused',
        'notifications/cancelled: allow, accepted',
      ],
    );
    const parts = hall.record
      .filter(({ server }) => server === 'fs')
      .map(({ id, method }) => `${id} ${method}`);
    assert.deepEqual(parts, [
      'c-4/fs/open initialize',
      'c-4/fs/ready notifications/initialized',
      'c-4/fs tools/list',
    ]);
  });

  it('must work, or nothing is begun', async () => {
    const hall = new TestHall({ fs: serving() });
    const ann = await hall.client();
    hall.journal = 'is broken';
    await assert.rejects(ann.call('fs__a'), { code: 'AUDIT_UNAVAILABLE' });
    await assert.rejects(ann.said('tools/list'), { code: 'AUDIT_UNAVAILABLE' });
    assert.deepEqual(hall.reached, []);
  });

  it('says who could not be known', async () => {
    const hall = new TestHall({ fs: serving() });
    const stranger = hall.modern();
    const arrival = stranger.arrival({ kind: 'request', id: 1, method: 'server/discover', params: json({}) });
    const { handleHall } = await import('../../src/call/hall.ts');
    const outcome = await handleHall({ ...arrival, credentials: { kind: 'none' } }, hall.plane);
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'UNAUTHENTICATED');
    assert.deepEqual(
      hall.record.map(({ end }) => end),
      [', UNAUTHENTICATED'],
    );
  });
});
