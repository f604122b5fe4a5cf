// What a client or a daemon may send, hold back or leave unread, and how everything ends.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { alive, readOr, until } from '../support/daemon.ts';
import { event, json, StandIn, stream, usually } from './stand-in.ts';

const mebibyte = 1024 * 1024;

describe('bounds', () => {
  let daemon: StandIn;
  beforeEach(() => (daemon = new StandIn()));
  afterEach(() => daemon[Symbol.asyncDispose]());

  it('lines that are no messages are answered, without an id where none can be read, and change nothing', async () => {
    await daemon.listen();
    const peer = daemon.connect();
    await peer.initialize();
    const lines: [string, number, unknown][] = [
      ['nonsense', -32700, undefined],
      ['{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700, undefined],
      ['{"jsonrpc":"2.0","id":3,"method":"ping","Method":"tools/list"}', -32600, undefined],
      ['{"jsonrpc":"2.0","id":4,"method":"ping","params":[]}', -32600, 4],
      ['{"id":"five","method":"ping"}', -32600, 'five'],
      ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, undefined],
      // Its id is the server's; an error under it could pass for an answer to a request of the client's own.
      ['{"jsonrpc":"2.0","id":6,"result":3}', -32600, undefined],
      ['[]', -32600, undefined],
      [`${'['.repeat(600)}${']'.repeat(600)}`, -32600, undefined],
    ];
    const before = peer.heard.length;
    for (const [line] of lines) peer.say(line);
    peer.child.stdin.write(Buffer.from('{"jsonrpc":"2.0","id":7,"method":"\xff"}\n', 'latin1'));
    peer.child.stdin.write('\r\n\n \t\n');
    await peer.ask('last', 'ping');
    const answers = peer.heard.slice(before, -1);
    assert.deepEqual(
      answers.map(({ error, id }) => [error?.code, id]),
      [...lines.map(([, code, id]) => [code, id]), [-32700, undefined]],
    );
    assert.equal(daemon.requests.filter(({ verb }) => verb === 'POST').length, 3);
  });

  it('a line over 16 MiB is refused without an id, and the next one is heard', async () => {
    await daemon.listen();
    const peer = daemon.connect();
    await peer.initialize();
    const text = 'x'.repeat(16 * mebibyte);
    peer.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a', arguments: { text } } });
    assert.deepEqual((await peer.ask(2, 'ping')).result, {});
    const [refusal] = peer.heard.filter(({ error }) => error !== undefined);
    assert.deepEqual(
      [refusal?.id, refusal?.error],
      [undefined, { code: -32600, message: 'The message is too large.' }],
    );
  });

  it('a large request reaches the daemon whole, and a daemon that does not want it says so before it is sent', async () => {
    await daemon.listen();
    const peer = daemon.connect();
    await peer.initialize();
    const text = 'ä'.repeat(4 * mebibyte);
    const params = { name: 'a', arguments: { text } };
    assert.deepEqual((await peer.ask(1, 'tools/call', params)).result, {});
    const [call] = daemon.of('tools/call');
    assert.equal((call?.body.params?.['arguments'] as { text: string }).text, text);
    assert.equal(call?.headers.expect, '100-continue');

    await daemon.stop();
    let came = 0;
    await daemon.listenUnwilling((res, bytes) => {
      came = bytes;
      json(res, 413, { jsonrpc: '2.0', error: { code: -32600, message: 'The message is too large.' } });
    });
    const { error } = await peer.ask(2, 'tools/call', params);
    assert.deepEqual(error, { code: -32600, message: 'The message is too large.' });
    assert.ok(came > 0 && came < 4096, `${came} bytes came`);
  });

  it('an answer of 16 MiB is passed on whole, one over 32 MiB is an error', async () => {
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'tools/call') return false;
      const size = (body.params?.['mebibytes'] as number) * mebibyte;
      const answer = { jsonrpc: '2.0', id: body.id, result: { text: 'x'.repeat(size) } };
      if (body.params?.['streamed'] !== true) return json(res, 200, answer);
      stream(res, event(answer));
      return res.end();
    });
    const peer = daemon.connect();
    await peer.initialize();
    for (const streamed of [false, true]) {
      const whole = await peer.ask(`16 ${streamed}`, 'tools/call', { mebibytes: 16, streamed });
      assert.equal((whole.result?.['text'] as string).length, 16 * mebibyte);
      const cut = await peer.ask(`33 ${streamed}`, 'tools/call', { mebibytes: 33, streamed });
      assert.equal(cut.error?.code, 1525);
    }
  });

  it('a 257th open request is refused, and replies still pass', async () => {
    const held: (() => void)[] = [];
    await daemon.listen((request, res) => {
      if (request.body.method !== 'tools/call') return false;
      held.push(() => usually(request, res));
      return true;
    });
    const peer = daemon.connect();
    await peer.initialize();
    await until('the handshake is over', () => daemon.of('GET').length === 1);
    for (let id = 1; id <= 257; id++) peer.say({ jsonrpc: '2.0', id, method: 'tools/call', params: {} });
    assert.deepEqual((await peer.answer(257)).error, {
      code: 1429,
      message: 'Too many at once. Come back later.',
    });
    peer.say({ jsonrpc: '2.0', id: 's-1', result: {} });
    await until('the reply has passed', () => daemon.requests.some(({ body }) => body.id === 's-1'));
    assert.equal(held.length, 256);
    for (const answer of held) answer();
    await peer.answer(256);
    assert.deepEqual((await peer.ask('next', 'ping')).result, {});
  });

  it('what the client does not read stays in the daemon, and the client can still be told to end', async () => {
    let written = 0;
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'tools/call') return false;
      stream(res);
      const message = event({
        jsonrpc: '2.0',
        method: 'notifications/message',
        params: { data: 'x'.repeat(mebibyte) },
      });
      const pour = () => {
        while (written < 256 && !res.destroyed) {
          written++;
          if (!res.write(message)) return void res.once('drain', pour);
        }
      };
      return pour();
    });
    const peer = daemon.connect({ deaf: true });
    peer.say({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
    for (let id = 2; id < 6; id++) peer.say({ jsonrpc: '2.0', id, method: 'tools/call', params: {} });
    await until('everything has arrived', () => daemon.of('tools/call').length === 4);
    let before = -1;
    await until('nothing more is taken', async () => {
      const still = before === written;
      before = written;
      if (!still) await new Promise((resolve) => setTimeout(resolve, 300));
      return still;
    });
    assert.ok(written < 64, `${written} MiB were taken in though nobody read them`);
    const rssKb = Number(/^VmRSS:\s+(\d+)/m.exec(readOr(`/proc/${peer.child.pid}/status`, ''))?.[1]);
    assert.ok(rssKb < 512 * 1024, `${rssKb} kB`);
    peer.child.kill('SIGTERM');
    assert.deepEqual(await gone(peer.child.pid ?? 0), 'gone');
    assert.equal(daemon.of('DELETE').length, 1);
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    it(`${signal} takes back what is open and ends the session`, async () => {
      await daemon.listen(({ body }) => body.method === 'tools/call');
      const peer = daemon.connect();
      await peer.initialize();
      peer.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} });
      await until('the call is under way', () => daemon.of('tools/call').length === 1);
      peer.child.kill(signal);
      assert.deepEqual(await peer.exit, { code: 0, signal: null });
      assert.equal(daemon.of('DELETE').length, 1);
      await until('its exchange is closed', () => daemon.events.includes('gone tools/call'));
    });

  it('a client that hangs up ends it, session and all', async () => {
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'tools/call') return false;
      stream(res);
      const timer = setInterval(() => res.write(event({ jsonrpc: '2.0', method: 'notifications/x' })), 10);
      return res.on('close', () => clearInterval(timer));
    });
    const peer = daemon.connect();
    await peer.initialize();
    peer.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} });
    await peer.hear('the first words', ({ method }) => method === 'notifications/x');
    peer.child.stdout.destroy();
    assert.deepEqual(await peer.exit, { code: 0, signal: null });
    assert.equal(daemon.of('DELETE').length, 1);
  });

  it('a client that has said everything still hears every answer, that to an unfinished last line too', async () => {
    const held: (() => void)[] = [];
    await daemon.listen((request, res) => {
      if (request.body.method !== 'tools/call') return false;
      held.push(() => usually(request, res));
      return true;
    });
    const peer = daemon.connect();
    await peer.initialize();
    peer.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} });
    peer.child.stdin.end('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{}}');
    await until('both have arrived', () => held.length === 2);
    assert.deepEqual(daemon.of('DELETE'), []);
    for (const answer of held) answer();
    assert.deepEqual(await peer.exit, { code: 0, signal: null });
    assert.deepEqual(
      peer.heard.slice(1).map(({ id, result }) => [id, result]),
      [
        [1, {}],
        [2, {}],
      ],
    );
    assert.equal(daemon.of('DELETE').length, 1);
  });

  it('stdout holds canonical messages, a line each, whatever a daemon’s text looks like', async () => {
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'ping') return false;
      res.writeHead(200, { 'content-type': 'application/json' });
      return res.end(
        `{ "jsonrpc" : "2.0",\n "id" : ${String(body.id)},\r\n "result" : { "n": 12345678901234567890.10, "s": "a\u2028b\\u0041" } }`,
      );
    });
    const peer = daemon.connect();
    await peer.initialize();
    await peer.ask(1, 'ping');
    assert.equal(
      peer.raw.at(-1),
      '{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890.10,"s":"a\\u2028bA"}}',
    );
  });
});

async function gone(pid: number): Promise<'gone'> {
  await until('the process is gone', () => !alive(pid));
  return 'gone';
}
