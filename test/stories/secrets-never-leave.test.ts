// A secret that mcpd gives to a server is in that server's environment, and nowhere else that anybody can look.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  initialize,
  post,
  processes,
  readOr,
  rule,
  serving,
  TestDaemon,
  textOf,
  until,
  type Rpc,
} from '../support/daemon.ts';

const token = `s3cr3t-${randomBytes(24).toString('base64url')}`;
/** With everything that some encoding changes. */
const odd = `pa"ss\\wo/rd+ü&<${randomBytes(12).toString('hex')}`;
const withToken = '[secrets]\nTOKEN = "file:$DIR/token"\nODD = "file:$DIR/odd"\n';
const everything = `[[rule]]
name = "everything"
verdict = "allow"
tools = ["*"]
resources = ["**", "file:///**"]
prompts = ["*"]
upcalls = ["*"]
`;

/** Every way in which the two secrets could be written. */
const written = [token, odd].flatMap((secret) => {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before, 'x'), bytes]).toString('base64'),
  );
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...base64,
    ...base64.map((it) => it.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')),
  ];
});

/** What of them would show in a text; of base64 without the ends, which depend on what stands beside the secret. */
const shown = written.flatMap((form) => {
  const escaped = JSON.stringify(form).slice(1, -1);
  const isBase64 = /^[\w+/=-]+$/.test(form) && form !== token && !/^[0-9a-fA-F]+$/.test(form);
  return isBase64 ? [form.slice(4, -6)] : [form, escaped, JSON.stringify(escaped).slice(1, -1)];
});

function holdsNone(where: string, text: string): void {
  for (const form of shown)
    assert.ok(!text.includes(form), `${where} holds a secret as ${form}:\n${text.slice(0, 2000)}`);
}

describe('secrets never leave', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', `record_payloads = true\n${withToken}${everything}`),
        other: serving('answers', everything),
        leaks: serving('leaks-its-token', `record_payloads = true\n${withToken}${everything}`),
        disguise: serving('leaks-in-disguise', `record_payloads = true\n${withToken}${everything}`),
        lacking: serving('answers', `[secrets]\nTOKEN = "file:$DIR/no-such-file"\n${rule('allow', ['*'])}`),
      },
      daemon: '[log]\nlevel = "trace"\n',
      prepare: ({ dir }) => {
        writeFileSync(join(dir, 'token'), `${token}\n`, { mode: 0o600 });
        writeFileSync(join(dir, 'odd'), odd, { mode: 0o600 });
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const whole = ({ body, events, headers }: Rpc) => JSON.stringify([body, events, [...headers]]);

  it('the server has it, in its environment, and can use it', async () => {
    const { pid } = await daemon.status('fx');
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    assert.ok(environment.includes(`TOKEN=${token}`));
    assert.ok(environment.includes(`ODD=${odd}`));
  });

  it('a server that prints its environment does not get it past the daemon', async () => {
    const reply = await (await daemon.session('fx')).call('env');
    const environment = JSON.parse(textOf(reply)) as Record<string, string>;
    assert.ok('TOKEN' in environment && 'PATH' in environment);
    holdsNone('the answer', whole(reply));
  });

  it('no other process has it: not the daemon, not another server, not on any command line', async () => {
    await daemon.session('other');
    const { pid } = await daemon.status('other');
    holdsNone('the environment of another server', readFileSync(`/proc/${pid}/environ`, 'utf8'));
    holdsNone('the environment of the daemon', readFileSync(`/proc/${daemon.pid}/environ`, 'utf8'));
    for (const process of processes())
      holdsNone(`the command line of ${process}`, readOr(`/proc/${process}/cmdline`, ''));
  });

  it('what a server sends back is redacted in every encoding', async () => {
    const session = await daemon.session('fx');
    for (const form of written) {
      // `echo` returns what the caller sends; a caller that guessed a secret must not see it confirmed either.
      const reply = await session.call('echo', { text: `before ${form} after` });
      assert.ok(textOf(reply).includes('before'), textOf(reply));
      holdsNone(`the echo of ${form}`, whole(reply));
    }
  });

  it('a server that says its token openly does not get it out', async () => {
    const hello = await post(daemon, 'leaks', daemon.key, undefined, initialize());
    assert.equal(hello.status, 200);
    holdsNone('the greeting', whole(hello));
    const session = await daemon.session('leaks');
    holdsNone('the listing', whole(await session.request('tools/list')));
    const [good, bad] = [await session.call('leak'), await session.call('fail')];
    assert.ok(
      good.body.result !== undefined && good.events.length > 0,
      'a result came, and a log message before it',
    );
    assert.ok(bad.body.error !== undefined);
    holdsNone('the result', whole(good));
    holdsNone('the error', whole(bad));
  });

  it('a server that says its token in disguise does not get it out', async () => {
    const session = await daemon.session('disguise', { capabilities: { sampling: {} } });
    const asked: Record<string, unknown>[] = [];
    const replies: [string, Rpc][] = [];
    const tell = async (what: string, reply: Promise<Rpc>) => replies.push([what, await reply]);
    for (const name of ['encoded', 'named', 'escaped', 'stderr']) await tell(name, session.call(name));
    await tell(
      'progress',
      session.request('tools/call', { name: 'progress', _meta: { progressToken: 'p' } }),
    );
    await tell(
      'ask',
      session.request('tools/call', { name: 'ask' }, (message) => {
        if (message['method'] !== 'sampling/createMessage') return;
        asked.push(message);
        void session.raw({
          jsonrpc: '2.0',
          id: message['id'],
          result: { role: 'assistant', content: { type: 'text', text: 'x' }, model: 'm' },
        });
      }),
    );
    await tell('tools/list', session.request('tools/list'));
    await tell('resources/list', session.request('resources/list'));
    await tell('resources/read', session.request('resources/read', { uri: 'file:///x' }));
    await tell('prompts/list', session.request('prompts/list'));
    await tell('prompts/get', session.request('prompts/get', { name: 'p' }));
    await tell(
      'completion/complete',
      session.request('completion/complete', {
        ref: { type: 'ref/prompt', name: 'p' },
        argument: { name: 'a', value: '' },
      }),
    );
    for (const [what, reply] of replies) {
      assert.ok(reply.body.result !== undefined, `${what}: ${JSON.stringify(reply.body)}`);
      holdsNone(what, whole(reply));
    }
    assert.equal(asked.length, 1, 'the question came');
    assert.ok(
      replies.some(([what, { events }]) => what === 'progress' && events.length === 1),
      'the progress came',
    );
    const died = await session.call('die');
    assert.ok(died.body.error !== undefined);
    holdsNone('the error of a dead server', whole(died));
  });

  it('a secret that cannot be had stops that server, and says so to the operator alone', async () => {
    const status = await daemon.status('lacking');
    assert.equal(status.state, 'lacks-secret');
    assert.match(status.because ?? '', /no-such-file does not exist/);
    const reply = await post(daemon, 'lacking', daemon.key, undefined, initialize());
    assert.equal(reply.body.error?.code, 1507);
    assert.ok(!JSON.stringify(reply.body).includes('no-such-file'));
    // Mended, it needs one command.
    writeFileSync(join(daemon.dir, 'no-such-file'), `${token}-more`, { mode: 0o600 });
    await daemon.ctl('restart', 'lacking');
    await until('the server is ready', async () => (await daemon.status('lacking')).state === 'ready');
    assert.equal(await (await daemon.session('lacking')).text('echo', { text: 'hello' }), 'hello');
  });

  // Last, because it looks at what all the others left behind.
  it('no file, no log line, no record and no command of the operator shows it', async () => {
    await until('stderr is in the log', () => daemon.log().includes('in two pieces'));
    const places = new Map<string, string>([['what the daemon prints', daemon.output]]);
    for (const args of [
      ['ctl', 'status'],
      ['ctl', 'status', '--json'],
      ['audit', 'query', '--limit', '1000', '--json'],
      ['audit', 'query', '--limit', '1000'],
    ]) {
      const { stdout, stderr } = await daemon.mcpd(args);
      assert.notEqual(stdout, '');
      places.set(args.join(' '), stdout + stderr);
    }
    for (const path of ['/readyz', '/healthz'])
      places.set(
        path,
        await (await fetch(daemon.url + path, { headers: { authorization: `Bearer ${daemon.key}` } })).text(),
      );
    for (const entry of readdirSync(daemon.state, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) places.set(entry.name, readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    assert.ok(daemon.log().includes('connecting with'), 'stderr is in the log');
    assert.ok(
      daemon.journal().some(({ result }) => result !== undefined),
      'payloads are on record',
    );
    for (const [where, text] of places) holdsNone(where, text);
  });
});
