// Calls that act are held until the operator agrees. The server writes its stdin to a file, which shows what went out.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
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
