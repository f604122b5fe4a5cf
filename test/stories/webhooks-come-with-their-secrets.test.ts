// mcpd guarantees: a webhook can be asked as soon as the policy that names it is in force, wherever its secret comes from.
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { Chat } from '../confirm/chat.ts';
import { rule, serving, TestDaemon, textOf, until, type TestSession } from '../support/daemon.ts';

it('one saved change may bring a webhook and the command that its secret comes from', async () => {
  const chat = await Chat.open();
  const listen = (daemon: TestDaemon) => `[listen]\nport = ${daemon.port}\n`;
  const daemon = await TestDaemon.start({
    servers: { fx: serving('answers', rule('confirm', ['write_file'], 'ask = "webhook:chat"')) },
    daemon: '[webhooks.chat]\nurl = "http://127.0.0.1:9/"\nsecret = "file:$DIR/old.secret"\n',
    prepare: ({ dir }) => {
      writeFileSync(join(dir, 'old.secret'), 'another-secret-of-forty-characters-or-so', { mode: 0o600 });
      writeFileSync(join(dir, 'house'), `#!/bin/sh\nprintf %s '${chat.key}'\n`);
      chmodSync(join(dir, 'house'), 0o700);
    },
  });
  try {
    const version = async () => (await daemon.ctl('status'))['ordersVersion'];
    const before = await version();
    daemon.write(
      'mcpd.toml',
      `${listen(daemon)}[secrets.commands.house]\nrun = ["${daemon.dir}/house", "{}"]\n[webhooks.chat]\nurl = "${chat.url}"\nsecret = "house:chat"\n`,
    );
    // No command that reloads: that would be a second time.
    await until('the new policy is in force', async () => (await version()) !== before);
    const session = await daemon.session('fx');
    const isAsked = () => chat.asked.length > 0;
    let answer: ReturnType<TestSession['call']> | undefined;
    // The command takes its time; until it has answered, the call is told that nobody can be asked.
    await until('the chat is asked', async () => {
      answer = session.call('write_file', { path: 'a' });
      await Promise.race([answer, until('the chat is asked', isAsked)]);
      return isAsked();
    });
    const { id = '' } = chat.asked[0] ?? {};
    assert.equal(await chat.answer(daemon, { id, verdict: 'approve', by: 'bob' }), 200);
    assert.ok(answer !== undefined);
    assert.equal(textOf(await answer), 'ok');
  } finally {
    await daemon[Symbol.asyncDispose]();
    chat.close();
  }
});
