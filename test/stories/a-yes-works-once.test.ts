// Calls that act are held until the operator agrees. The server writes its stdin to a file, which shows what went out.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Chat } from '../confirm/chat.ts';
import { asking, clientKinds, type Asked, type Filled } from '../confirm/official.ts';
import { Caller, type Told } from '../rounds/caller.ts';
import {
  rawEnv,
  rule,
  serving,
  TestDaemon,
  textOf,
  until,
  type Rpc,
  type TestSession,
  type WaitingQuestion,
} from '../support/daemon.ts';

describe('a yes works once', () => {
  let daemon: TestDaemon;
  let session: TestSession;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving(
          'answers',
          rawEnv +
            rule('allow', ['echo']) +
            rule('confirm', ['write_file'], 'answer_within = "2m"') +
            rule('confirm', ['delete_file'], 'answer_within = "1s"'),
        ),
      },
    });
    session = await daemon.session('fx');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  type Held = {
    readonly mark: string;
    readonly answer: Promise<Rpc>;
    settled: boolean;
    readonly question: WaitingQuestion;
  };

  /** Makes a call and waits until it waits. */
  async function hold(args: object, from = session): Promise<Held> {
    const before = new Set((await daemon.approvals()).map(({ id }) => id));
    const answer = from.call('write_file', args);
    const held = { mark: JSON.stringify(args), answer, settled: false };
    void answer.finally(() => (held.settled = true)).catch(() => undefined);
    let question: WaitingQuestion | undefined;
    await until('the call waits for a yes', async () => {
      if (held.settled) throw new Error(`it did not wait: ${textOf(await answer)}`);
      question = (await daemon.approvals()).find(({ id }) => !before.has(id));
      return question !== undefined;
    });
    return Object.assign(held, { question: question as WaitingQuestion });
  }

  const timesSent = (text: string) => daemon.raw().split(text).length - 1;

  it('a held call goes out when the operator says yes, and once', async () => {
    const path = randomUUID();
    const held = await hold({ path });
    // A call that comes later is answered meanwhile, so the held one had every chance to go out.
    assert.equal(await session.text('echo', { text: 'meanwhile' }), 'meanwhile');
    assert.equal(held.settled, false);
    assert.equal(timesSent(path), 0);
    assert.equal(held.question.caller, 'tester');
    assert.deepEqual(held.question.target, { kind: 'tool', name: 'write_file' });

    const yes = await daemon.ctl('approve', held.question.id);
    assert.equal(yes['ok'], true);
    assert.equal(yes['changed'], true);
    const answer = await held.answer;
    assert.equal(textOf(answer), 'ok');
    assert.equal(timesSent(path), 1);
    assert.equal(held.question.callId, answer.headers.get('mcpd-correlation-id'));
    assert.deepEqual(await daemon.approvals(), []);
  });

  it('a second yes says that there was one, and sends nothing', async () => {
    const path = randomUUID();
    const held = await hold({ path });
    await daemon.ctl('approve', held.question.id);
    await held.answer;
    const again = await daemon.mcpd(['ctl', 'approve', held.question.id]);
    assert.equal(again.code, 0);
    assert.match(again.stdout, /approved already/);
    assert.equal((await daemon.ctl('approve', held.question.id))['changed'], false);
    assert.equal(await session.text('echo', { text: 'later' }), 'later');
    assert.equal(timesSent(path), 1);
  });

  it('a no after a yes does not call the yes back', async () => {
    const held = await hold({ path: randomUUID() });
    await daemon.ctl('approve', held.question.id);
    const no = await daemon.mcpd(['ctl', 'deny', held.question.id, '--json']);
    assert.notEqual(no.code, 0);
    assert.match(no.stdout, /approved already/);
    assert.equal(textOf(await held.answer), 'ok');
  });

  it('a no is told to the caller with its reason, and sends nothing', async () => {
    const path = randomUUID();
    const held = await hold({ path });
    const no = await daemon.ctl('deny', held.question.id, '--reason', 'not on a Friday');
    assert.equal(no['ok'], true);
    const answer = await held.answer;
    assert.equal(answer.body.result?.['isError'], true);
    assert.match(textOf(answer), /not on a Friday/);
    const late = await daemon.mcpd(['ctl', 'approve', held.question.id, '--json']);
    assert.notEqual(late.code, 0);
    assert.match(late.stdout, /declined already/);
    assert.equal(await session.text('echo', { text: 'later' }), 'later');
    assert.equal(timesSent(path), 0);
  });

  it('no answer in time is a no, and a yes that comes later sends nothing', async () => {
    const path = randomUUID();
    const answering = session.call('delete_file', { path });
    let id: string | undefined;
    await until('the call waits or has expired', async () => {
      id ??= (await daemon.approvals()).find(({ argsText }) => argsText.includes(path))?.id;
      return id !== undefined || (await Promise.race([answering.then(() => true), Promise.resolve(false)]));
    });
    const answer = await answering;
    assert.equal(answer.body.result?.['isError'], true);
    assert.match(textOf(answer), /nobody agreed within 1 s/);
    const late = await daemon.mcpd(['ctl', 'approve', id ?? 'nothing', '--json']);
    assert.notEqual(late.code, 0);
    assert.equal(await session.text('echo', { text: 'later' }), 'later');
    assert.equal(timesSent(path), 0);
  });

  it('a yes to something that nobody asked is refused', async () => {
    const yes = await daemon.mcpd(['ctl', 'approve', 'zzzzzzzz', '--json']);
    assert.notEqual(yes.code, 0);
    assert.match(yes.stdout, /NOT_FOUND/);
  });

  it('two equal calls need two yeses', async () => {
    const path = randomUUID();
    const first = await hold({ path });
    const second = await hold({ path });
    assert.notEqual(first.question.id, second.question.id);
    await daemon.ctl('approve', second.question.id);
    assert.equal(textOf(await second.answer), 'ok');
    assert.equal(await session.text('echo', { text: 'later' }), 'later');
    assert.equal(first.settled, false);
    assert.equal(timesSent(path), 1);
    await daemon.ctl('approve', first.question.id);
    assert.equal(textOf(await first.answer), 'ok');
    assert.equal(timesSent(path), 2);
  });

  it('a yes given for one call does not work for the same call made again', async () => {
    const path = randomUUID();
    const held = await hold({ path });
    await daemon.ctl('approve', held.question.id);
    await held.answer;
    const again = await hold({ path });
    assert.equal(timesSent(path), 1);
    await daemon.ctl('deny', again.question.id);
    assert.match(textOf(await again.answer), /^Not done/);
    assert.equal(timesSent(path), 1);
  });

  it('what the operator is shown is what goes out, to the last digit', async () => {
    const path = randomUUID();
    const args = `{"path":"${path}","id":12345678901234567890,"amount":0.10,"nested":{"z":[1.0,-0,1e3],"a":"\\u0000\\u202e\\"\\\\"},"long":"${'x'.repeat(5000)}"}`;
    const answering = session.raw(
      `{"jsonrpc":"2.0","id":4242,"method":"tools/call","params":{"name":"write_file","arguments":${args}}}`,
    );
    let question: WaitingQuestion | undefined;
    await until('the call waits', async () => (question = (await daemon.approvals())[0]) !== undefined);
    await daemon.ctl('approve', question?.id ?? '');
    assert.equal(textOf(await answering), 'ok');
    const line =
      daemon
        .raw()
        .split('\n')
        .find((it) => it.includes(path)) ?? '';
    const sent = line.slice(line.indexOf('"params":') + '"params":'.length, line.lastIndexOf('}'));
    for (const digits of ['12345678901234567890', '0.10', '[1.0,-0,1e3]', 'x'.repeat(5000)]) {
      assert.ok(question?.argsText.includes(digits), `the question shows ${digits.slice(0, 30)}`);
      assert.ok(sent.includes(digits), `the server gets ${digits.slice(0, 30)}`);
    }
    assert.equal(sent, question?.argsText);
    assert.equal(createHash('sha256').update(sent).digest('hex'), question?.argsSha256);
  });

  it('a call that its caller cancels waits no longer, and a yes sends nothing', async () => {
    const path = randomUUID();
    const answering = session.raw({
      jsonrpc: '2.0',
      id: 'to-be-cancelled',
      method: 'tools/call',
      params: { name: 'write_file', arguments: { path } },
    });
    let question: WaitingQuestion | undefined;
    await until('the call waits', async () => (question = (await daemon.approvals())[0]) !== undefined);
    await session.raw({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 'to-be-cancelled' },
    });
    assert.ok((await answering).body.error !== undefined);
    const late = await daemon.mcpd(['ctl', 'approve', question?.id ?? '', '--json']);
    assert.notEqual(late.code, 0);
    assert.equal(timesSent(path), 0);
  });

  it('a session that ends takes its question along, and a yes sends nothing', async () => {
    const path = randomUUID();
    const other = await daemon.session('fx');
    const held = await hold({ path }, other);
    assert.equal((await other.http('DELETE')).ok, true);
    await held.answer;
    const late = await daemon.mcpd(['ctl', 'approve', held.question.id, '--json']);
    assert.notEqual(late.code, 0);
    assert.equal(timesSent(path), 0);
  });

  it('a key of a caller opens no way to say yes', async () => {
    const held = await hold({ path: randomUUID() });
    for (const method of ['approve', 'ctl/approve', 'mcpd/approve', 'confirm/approve']) {
      const { body } = await session.request(method, { id: held.question.id });
      assert.equal(body.error?.code, -32601);
    }
    assert.equal(held.settled, false);
    await daemon.ctl('deny', held.question.id);
    await held.answer;
  });

  it('the record says who agreed', async () => {
    const held = await hold({ path: randomUUID() });
    await daemon.ctl('approve', held.question.id);
    await held.answer;
    const [record] = await daemon.audit('--correlation', held.question.callId);
    const decision = record?.['decision'] as { kind: string; approvedBy: string };
    assert.equal(decision.kind, 'confirm');
    assert.notEqual(decision.approvedBy, '');
    assert.notEqual(decision.approvedBy, 'policy');
    assert.equal(record?.['outcome'], 'answered');
    const commands = daemon
      .journal()
      .filter(({ kind, command }) => kind === 'command' && command === 'approve');
    assert.ok(commands.some(({ args }) => (args as string[]).includes(`id=${held.question.id}`)));
  });
});

const allowed: Filled = { action: 'accept', content: { approve: true } };
const refused: readonly Filled[] = [
  { action: 'decline' },
  { action: 'cancel' },
  { action: 'accept', content: { approve: false } },
];

describe('a yes works once, whoever gives it', () => {
  let daemon: TestDaemon;
  const server = serving(
    'answers',
    `[env]\nFX_RAW = "$DIR/raw.log"\nFX_TOOLS = "pay,wire,mail"\n` +
      rule('allow', ['echo']) +
      rule('confirm', ['write_file'], 'ask = "caller"') +
      rule('confirm', ['delete_file'], 'ask = "ticket"') +
      rule('confirm', ['pay'], 'ask = ["operator", "caller"]\napprovals = 2') +
      rule('confirm', ['wire'], 'lease_max = "10m"\nlease_same = ["to"]') +
      rule('confirm', ['mail'], 'ask = ["operator", "caller"]\nanswer_within = "2s"'),
  );
  before(async () => {
    daemon = await TestDaemon.start({ servers: { fx: server } });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const timesSent = (text: string) => daemon.raw().split(text).length - 1;
  const connect = (kind: (typeof clientKinds)[number], user: (message: string) => Filled | Promise<Filled>) =>
    asking(kind, `${daemon.url}/servers/fx/mcp`, daemon.key, user);
  async function using<T>(client: Asked, work: (client: Asked) => Promise<T>): Promise<T> {
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }
  const waiting = async (text: string): Promise<WaitingQuestion> => {
    let question: WaitingQuestion | undefined;
    await until(`a question about ${text}`, async () => {
      question = (await daemon.approvals()).find(({ argsText }) => argsText.includes(text));
      return question !== undefined;
    });
    return question as WaitingQuestion;
  };

  for (const kind of clientKinds) {
    it(`the user of an official client says yes to a form (${kind})`, async () => {
      const path = randomUUID();
      const shown: string[] = [];
      const user = (message: string) => {
        assert.equal(timesSent(path), 0, 'nothing went out before the yes');
        shown.push(message);
        return allowed;
      };
      const told = await using(await connect(kind, user), (client) => client.call('write_file', { path }));
      assert.deepEqual([told.text, told.isError, shown.length], ['ok', false, 1]);
      assert.ok(shown[0]?.includes(path), 'the form shows what goes out');
      assert.equal(timesSent(path), 1);
      const sent =
        daemon
          .raw()
          .split('\n')
          .find((line) => line.includes(path)) ?? '';
      assert.doesNotMatch(sent, /mcpd-confirm|requestState|inputResponses/);
    });

    it(`a second call asks again, and a no sends nothing (${kind})`, async () => {
      const path = randomUUID();
      for (const said of refused) {
        let asked = 0;
        const client = await connect(kind, () => (asked++ === 0 ? allowed : said));
        await using(client, async ({ call }) => {
          assert.equal((await call('write_file', { path })).text, 'ok');
          const second = await call('write_file', { path });
          assert.equal(second.isError, true);
          assert.match(second.text, /^Not done/);
        });
      }
      assert.equal(timesSent(path), refused.length);
    });

    it(`a model makes a call twice, and its ticket is spent (${kind})`, async () => {
      const path = randomUUID();
      await using(await connect(kind, () => refused[0] as Filled), async ({ call }) => {
        const first = await call('delete_file', { path });
        assert.equal(first.isError, false);
        assert.match(first.text, /^Not done yet/);
        assert.equal(timesSent(path), 0);
        const mcpd_ticket = /mcpd-ticket-[0-9a-f]{32}/.exec(first.text)?.[0];
        // For other arguments it is worth nothing, and then for nothing any more.
        const swapped = await call('delete_file', { path: `${path}x`, mcpd_ticket });
        assert.match(swapped.text, /does not fit/);
        assert.match((await call('delete_file', { path, mcpd_ticket })).text, /does not fit/);
        const again = /mcpd-ticket-[0-9a-f]{32}/.exec((await call('delete_file', { path })).text)?.[0];
        assert.equal((await call('delete_file', { path, mcpd_ticket: again })).text, 'ok');
        assert.match((await call('delete_file', { path, mcpd_ticket: again })).text, /does not fit/);
      });
      assert.equal(timesSent(path), 1);
      assert.doesNotMatch(daemon.raw(), /mcpd.ticket/);
    });

    it(`the user is asked behind the one address of all servers as well, and so is the model (${kind})`, async () => {
      const path = randomUUID();
      let asked = 0;
      const client = await asking(kind, `${daemon.url}/mcp`, daemon.key, () => (asked++, allowed));
      await using(client, async ({ call }) => {
        assert.equal((await call('fx__write_file', { path })).text, 'ok');
        const offered = (await call('fx__delete_file', { path })).text;
        const mcpd_ticket = /mcpd-ticket-[0-9a-f]{32}/.exec(offered)?.[0];
        assert.equal((await call('fx__delete_file', { path, mcpd_ticket })).text, 'ok');
      });
      assert.deepEqual([asked, timesSent(path)], [1, 2]);
    });

    it(`dual control needs the user and the operator (${kind})`, async () => {
      const to = randomUUID();
      await using(await connect(kind, () => allowed), async ({ call }) => {
        const answer = call('pay', { to });
        let question = await waiting(to);
        await until('the user has said yes', async () => {
          question = await waiting(to);
          return (question as WaitingQuestion & { approvedBy: string[] }).approvedBy.length === 1;
        });
        assert.equal(timesSent(to), 0);
        await daemon.ctl('approve', question.id);
        assert.equal((await answer).text, 'called pay');
      });
      assert.equal(timesSent(to), 1);
    });
  }

  it('a client that cannot ask its user is told so, and nothing goes out', async () => {
    const path = randomUUID();
    const session = await daemon.session('fx');
    assert.match(textOf(await session.call('write_file', { path })), /elicitation/);
    const modern = await new Caller(daemon, 'fx').send(
      'tools/call',
      { name: 'write_file', arguments: { path } },
      { capabilities: {} },
    );
    assert.match(JSON.stringify(modern.result), /elicitation/);
    assert.equal(timesSent(path), 0);
  });

  it('a form answered from another session, or by another caller, is not answered', async () => {
    const path = randomUUID();
    const can = { capabilities: { elicitation: {} } };
    const session = await daemon.session('fx', can);
    const strangers = [
      await daemon.session('fx', can),
      await daemon.session('fx', { ...can, key: await daemon.addKey('mallory') }),
    ];
    const reply = (id: unknown) => ({ jsonrpc: '2.0', id, result: allowed });
    const formed = Promise.withResolvers<unknown>();
    const answer = session.request('tools/call', { name: 'write_file', arguments: { path } }, (message) => {
      if (message['method'] === 'elicitation/create') formed.resolve(message['id']);
    });
    const id = await formed.promise;
    for (const stranger of strangers) await stranger.raw(reply(id));
    await session.raw(reply('c-0'));
    assert.equal(await session.text('echo', { text: 'meanwhile' }), 'meanwhile');
    assert.equal(timesSent(path), 0);
    await session.raw(reply(id));
    assert.equal(textOf(await answer), 'ok');
    await session.raw(reply(id));
    assert.equal(timesSent(path), 1);
    assert.equal(daemon.raw().includes(String(id)), false, 'no server sees the answer to a form of ours');
  });

  it('what a modern client brings back works once, for the same call of the same caller', async () => {
    const path = randomUUID();
    const mine = new Caller(daemon, 'fx');
    const call = (args: object, more: object = {}, by = mine): Promise<Told> =>
      by.send('tools/call', { name: 'write_file', arguments: args, ...more } as never);
    const first = await call({ path });
    const more = {
      requestState: first.result?.['requestState'],
      inputResponses: { 'mcpd-confirm': allowed },
    };
    const mallory = new Caller(daemon, 'fx', await daemon.addKey('eve'));
    assert.ok((await call({ path }, more, mallory)).error !== undefined);
    assert.ok((await call({ path: `${path}x` }, more)).error !== undefined);
    assert.ok((await call({ path }, { ...more, requestState: 'ab'.repeat(60) })).error !== undefined);
    assert.equal(timesSent(path), 0);
    const both = await Promise.all([call({ path }, more), call({ path }, more)]);
    assert.equal(timesSent(path), 1);
    const types = both.map(({ result }) => result?.['resultType']).sort();
    assert.deepEqual(types, ['complete', 'input_required']);
    assert.equal((await call({ path }, more)).result?.['resultType'], 'input_required');
    assert.equal(timesSent(path), 1);
  });

  const overtaking: readonly {
    what: string;
    happens: () => Promise<unknown>;
    andBack?: () => Promise<unknown>;
  }[] = [
    {
      what: 'the operator switched the tools off',
      happens: async () => {
        for (const tool of ['write_file', 'delete_file', 'wire'])
          await daemon.ctl('disable-tool', `fx/${tool}`);
      },
      andBack: async () => {
        for (const tool of ['write_file', 'delete_file', 'wire'])
          await daemon.ctl('enable-tool', `fx/${tool}`);
      },
    },
    {
      what: 'the policy changed',
      happens: async () => {
        daemon.write('servers/fx.toml', `${server}\n${rule('allow', ['list_dir'])}`);
        assert.equal((await daemon.ctl('reload'))['ok'], true);
      },
    },
    {
      what: 'the server was restarted',
      happens: async () => assert.equal((await daemon.ctl('restart', 'fx'))['ok'], true),
    },
  ];
  for (const { what, happens, andBack } of overtaking) {
    it(`a yes is none when ${what} meanwhile, whoever gives it`, async () => {
      const mark = randomUUID();
      const session = await daemon.session('fx', { capabilities: { elicitation: {} } });
      const formed = Promise.withResolvers<unknown>();
      const byForm = session.request(
        'tools/call',
        { name: 'write_file', arguments: { path: mark } },
        (message) => {
          if (message['method'] === 'elicitation/create') formed.resolve(message['id']);
        },
      );
      const id = await formed.promise;
      const byOperator = session.call('wire', { to: mark });
      const question = await waiting(mark);
      const offered = await session.text('delete_file', { path: mark });
      const mcpd_ticket = /mcpd-ticket-[0-9a-f]{32}/.exec(offered)?.[0];

      await happens();
      await andBack?.();
      await session.raw({ jsonrpc: '2.0', id, result: allowed });
      await daemon.ctl('approve', question.id);
      assert.notEqual(textOf(await byForm), 'ok');
      assert.notEqual(textOf(await byOperator), 'called wire');
      assert.notEqual(await session.text('delete_file', { path: mark, mcpd_ticket }), 'ok');
      assert.equal(timesSent(mark), 0);
    });
  }

  it('what a modern client brings back is none when the policy changed meanwhile', async () => {
    const path = randomUUID();
    const client = new Caller(daemon, 'fx');
    const call = (more: object = {}): Promise<Told> =>
      client.send('tools/call', { name: 'write_file', arguments: { path }, ...more });
    const { result } = await call();
    await daemon.ctl('disable-tool', 'fx/write_file');
    const more = { requestState: result?.['requestState'], inputResponses: { 'mcpd-confirm': allowed } };
    assert.notEqual((await call(more)).result?.['resultType'], 'input_required');
    await daemon.ctl('enable-tool', 'fx/write_file');
    assert.equal((await call(more)).result?.['resultType'], 'input_required');
    assert.equal(timesSent(path), 0);
  });

  it('a yes for a while lets like calls go, until it is ended', async () => {
    const to = randomUUID();
    const session = await daemon.session('fx');
    const first = session.call('wire', { to, amount: 1 });
    await daemon.ctl('approve', (await waiting(to)).id, '--for', '10m');
    assert.equal(textOf(await first), 'called wire');
    assert.equal(await session.text('wire', { to, amount: 2 }), 'called wire');
    const other = session.call('wire', { to: `${to}x`, amount: 2 });
    await daemon.ctl('deny', (await waiting(`${to}x`)).id);
    assert.match(textOf(await other), /^Not done/);
    const [lease] = (await daemon.ctl('leases'))['leases'] as { id: string }[];
    await daemon.ctl('end-lease', lease?.id ?? '');
    const last = session.call('wire', { to, amount: 3 });
    await daemon.ctl('deny', (await waiting('"amount":3')).id);
    assert.match(textOf(await last), /^Not done/);
    assert.equal(timesSent(to), 2);
  });

  it('whoever of several answers first decides, and the form of the others is taken back', async () => {
    const to = randomUUID();
    const session = await daemon.session('fx', { capabilities: { elicitation: {} } });
    const answer = session.request('tools/call', { name: 'mail', arguments: { to } });
    await daemon.ctl('approve', (await waiting(to)).id);
    const told = await answer;
    assert.equal(textOf(told), 'called mail');
    const methods = told.events.map(({ method }) => method);
    assert.deepEqual(methods, ['elicitation/create', 'notifications/cancelled']);
    const [form] = told.events;
    await session.raw({ jsonrpc: '2.0', id: form?.['id'], result: { action: 'decline' } });
    assert.equal(timesSent(to), 1);
  });

  it('nobody answers in time, and a form that is filled in later sends nothing', async () => {
    const to = randomUUID();
    const session = await daemon.session('fx', { capabilities: { elicitation: {} } });
    const told = await session.request('tools/call', { name: 'mail', arguments: { to } });
    assert.match(textOf(told), /nobody agreed within 2 s/);
    await session.raw({ jsonrpc: '2.0', id: told.events[0]?.['id'], result: allowed });
    assert.equal(await session.text('echo', { text: 'later' }), 'later');
    assert.equal(timesSent(to), 0);
  });

  it('who waits hears that it does, and then what the server has to say', async () => {
    const to = randomUUID();
    const session = await daemon.session('fx');
    const params = { name: 'wire', arguments: { to }, _meta: { progressToken: 'mine' } };
    const answer = session.request('tools/call', params);
    await daemon.ctl('approve', (await waiting(to)).id);
    const { events } = await answer;
    const [progress] = events as { method: string; params: Record<string, unknown> }[];
    assert.equal(progress?.method, 'notifications/progress');
    assert.equal(progress?.params['progressToken'], 'mine');
    assert.ok(Number(progress?.params['progress']) < 0);
    assert.match(String(progress?.params['message']), /waiting for a yes from the operator \(id /);
  });

  it('the record says that the caller was asked, and who agreed', async () => {
    const path = randomUUID();
    const client = await connect('v2, modern era', () => allowed);
    await using(client, ({ call }) => call('write_file', { path }));
    const decisions = daemon
      .journal()
      .flatMap((it) => (it['decision'] as { approvedBy?: string } | null) ?? []);
    assert.ok(decisions.some(({ approvedBy }) => approvedBy === 'caller:tester'));
    assert.ok(daemon.journal().some(({ outcome }) => outcome === 'awaiting'));
  });

  it('after a restart of mcpd what was asked before is asked again', async () => {
    const path = randomUUID();
    const client = new Caller(daemon, 'fx');
    const call = (name: string, args: object, more: object = {}): Promise<Told> =>
      client.send('tools/call', { name, arguments: args, ...more } as never);
    const first = await call('write_file', { path });
    const given = JSON.stringify((await call('delete_file', { path })).result);
    await daemon.end();
    await daemon.boot();
    const second = await call(
      'write_file',
      { path },
      { requestState: first.result?.['requestState'], inputResponses: { 'mcpd-confirm': allowed } },
    );
    assert.equal(second.result?.['resultType'], 'input_required');
    const mcpd_ticket = /mcpd-ticket-[0-9a-f]{32}/.exec(given)?.[0];
    assert.match(JSON.stringify((await call('delete_file', { path, mcpd_ticket })).result), /does not fit/);
    assert.equal(timesSent(path), 0);
  });
});

describe('a yes works once, when it comes from a chat', () => {
  let daemon: TestDaemon;
  let chat: Chat;
  const server = serving(
    'answers',
    rawEnv +
      rule('allow', ['echo']) +
      rule('confirm', ['write_file'], 'ask = "webhook:chat"') +
      rule('confirm', ['delete_file'], 'ask = ["webhook:chat", "operator"]\napprovals = 2'),
  );
  before(async () => {
    chat = await Chat.open();
    daemon = await TestDaemon.start({
      servers: { fx: server },
      daemon: `[webhooks.chat]\nurl = "${chat.url}"\nsecret = "file:$DIR/chat.secret"\n`,
      prepare: ({ dir }) => writeFileSync(join(dir, 'chat.secret'), chat.key, { mode: 0o600 }),
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    chat.close();
  });
  const timesSent = (text: string) => daemon.raw().split(text).length - 1;
  const askedAbout = async (text: string): Promise<string> => {
    const found = () => chat.asked.find((it) => it.arguments.includes(text));
    await until(`the chat is asked about ${text}`, () => found() !== undefined);
    return found()?.id ?? '';
  };

  for (const kind of clientKinds) {
    it(`somebody there says yes, and the call goes out once (${kind})`, async () => {
      const path = randomUUID();
      const url = `${daemon.url}/servers/fx/mcp`;
      const client = await asking(kind, url, daemon.key, () => ({ action: 'decline' }));
      try {
        const answer = client.call('write_file', { path });
        const id = await askedAbout(path);
        assert.equal(
          await chat.answer(daemon, { id, verdict: 'approve', by: 'bob' }, 'not the key of this chat'),
          401,
        );
        // The operator was not asked, so a yes of his is none.
        assert.equal((await daemon.ctl('approve', id))['ok'], false);
        assert.equal(timesSent(path), 0);
        assert.equal(await chat.answer(daemon, { id, verdict: 'approve', by: 'bob' }), 200);
        assert.equal((await answer).text, 'ok');
        assert.equal(await chat.answer(daemon, { id, verdict: 'approve', by: 'bob' }), 409);
      } finally {
        await client.close();
      }
      assert.equal(timesSent(path), 1);
    });
  }

  it('a no there sends nothing, and one person there is one approver', async () => {
    const path = randomUUID();
    const session = await daemon.session('fx');
    const declined = session.call('write_file', { path });
    await chat.answer(daemon, { id: await askedAbout(path), verdict: 'deny', by: 'bob' });
    assert.match(textOf(await declined), /webhook:chat\/bob said no/);
    assert.equal(timesSent(path), 0);

    const both = randomUUID();
    const answer = session.call('delete_file', { path: both });
    const id = await askedAbout(both);
    await chat.answer(daemon, { id, verdict: 'approve', by: 'bob' });
    await chat.answer(daemon, { id, verdict: 'approve', by: 'Bob' });
    assert.equal(await session.text('echo', { text: 'meanwhile' }), 'meanwhile');
    assert.equal(timesSent(both), 0);
    await daemon.ctl('approve', id);
    assert.equal(textOf(await answer), 'ok');
    assert.equal(timesSent(both), 1);
  });

  it('a yes there is none after the call was cancelled, or the tool was switched off', async () => {
    const path = randomUUID();
    const session = await daemon.session('fx');
    const params = { name: 'write_file', arguments: { path } };
    const cancelled = session.raw({ jsonrpc: '2.0', id: 'gone', method: 'tools/call', params });
    const id = await askedAbout(path);
    const notice = { method: 'notifications/cancelled', params: { requestId: 'gone' } };
    await session.raw({ jsonrpc: '2.0', ...notice });
    assert.ok((await cancelled).body.error !== undefined);
    assert.equal(await chat.answer(daemon, { id, verdict: 'approve', by: 'bob' }), 409);

    const off = randomUUID();
    const stopped = session.call('write_file', { path: off });
    const later = await askedAbout(off);
    await daemon.ctl('disable-tool', 'fx/write_file');
    assert.equal(await chat.answer(daemon, { id: later, verdict: 'approve', by: 'bob' }), 409);
    assert.notEqual(textOf(await stopped), 'ok');
    assert.equal(timesSent(path) + timesSent(off), 0);
  });
});
