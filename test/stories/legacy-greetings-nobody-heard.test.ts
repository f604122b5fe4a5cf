// A client that went away before it was told the id of its session leaves nothing behind: nobody could ever use or end that.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { initialize, rule, serving, TestDaemon, until } from '../support/daemon.ts';

const greetMs = 400;
const slow = `${rule('allow', ['*'])}[env]\nSTART_MS = "${greetMs}"\n`;

describe('an initialize whose client does not wait for the answer', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({ servers: { fx: serving('slow-start', slow) } });
  });
  after(() => daemon[Symbol.asyncDispose]());

  const sessions = async () => (await daemon.ctl('status'))['sessions'];
  const greet = (signal: AbortSignal) =>
    fetch(`${daemon.url}/servers/fx/mcp`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${daemon.key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify(initialize()),
      signal,
    }).then(
      ({ status }) => status,
      () => 'gone',
    );
  const answered = () =>
    daemon.journal().filter(({ kind, outcome }) => kind === 'outcome' && outcome === 'answered').length;

  it('leaves no session and no child', async () => {
    const children = daemon.children().length;
    const gone = new AbortController();
    const greetings = [1, 2, 3].map(() => greet(gone.signal));
    setTimeout(() => gone.abort(), greetMs / 4);
    assert.deepEqual(await Promise.all(greetings), ['gone', 'gone', 'gone']);
    await until('all are answered, for nobody', () => answered() === 3);
    await until('no session is left', async () => (await sessions()) === 0);
    await until('no child is left', () => daemon.children().length <= children);
  });

  it('is no reason to end the session of a client that does', async () => {
    const stays = await daemon.session('fx');
    const gone = new AbortController();
    const other = greet(gone.signal);
    setTimeout(() => gone.abort(), greetMs / 4);
    assert.equal(await other, 'gone');
    await new Promise((resolve) => setTimeout(resolve, 2 * greetMs));
    assert.equal(await sessions(), 1);
    assert.equal((await stays.call('anything')).status, 200);
  });
});
