// The official clients, in front of a network that breaks and a daemon that lets go: the call is answered all the same.
import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { everything } from '../front/legacy-wire.ts';
import { serving, TestDaemon, until } from '../support/daemon.ts';

const info = { name: 'official', version: '1' };
const capabilities = { elicitation: {} };

/** A way to the daemon that can be cut. */
class Network {
  daemonPort = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((near) => {
    const far = connect(this.daemonPort, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      // A cut is what this is for.
      one.on('error', () => undefined);
      one.pipe(other);
    }
  });

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection there is. New ones can be made. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

type Resuming = { resumptionToken?: string; onresumptiontoken?: (token: string) => void };
type Connected = {
  readonly sessionId: () => string | undefined;
  readonly call: (name: string, args: Record<string, unknown>, more?: Resuming) => Promise<string>;
  readonly close: () => Promise<void>;
};
type Making = {
  readonly url: URL;
  readonly key: string;
  readonly sessionId?: string | undefined;
  readonly asked?: () => Promise<void>;
};

const accepted = { action: 'accept' as const, content: { name: 'Ada' } };
const textOf = (result: unknown): string =>
  (result as { content: { text: string }[] }).content.map(({ text }) => text).join('');

const makers: Readonly<Record<string, (making: Making) => Promise<Connected>>> = {
  v1: async ({ url, key, sessionId, asked }) => {
    const client = new ClientV1(info, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, async () => {
      await asked?.();
      return accepted;
    });
    const requestInit = { headers: { authorization: `Bearer ${key}` } };
    const transport = new TransportV1(url, {
      requestInit,
      ...(sessionId === undefined ? {} : { sessionId }),
    });
    await client.connect(transport);
    return {
      sessionId: () => transport.sessionId,
      call: async (name, args, more = {}) =>
        textOf(
          await client.request(
            { method: 'tools/call', params: { name, arguments: args } },
            CallToolResultSchema,
            more,
          ),
        ),
      close: () => client.close(),
    };
  },
  v2: async ({ url, key, sessionId, asked }) => {
    const client = new ClientV2(info, { capabilities, versionNegotiation: { mode: 'legacy' } });
    client.setRequestHandler('elicitation/create', async () => {
      await asked?.();
      return accepted;
    });
    const requestInit = { headers: { authorization: `Bearer ${key}` } };
    const transport = new TransportV2(url, {
      requestInit,
      ...(sessionId === undefined ? {} : { sessionId }),
    });
    await client.connect(transport);
    return {
      sessionId: () => transport.sessionId,
      call: async (name, args, more = {}) =>
        textOf(await client.request({ method: 'tools/call', params: { name, arguments: args } }, more)),
      close: () => client.close(),
    };
  },
};

for (const [generation, make] of Object.entries(makers)) {
  describe(`the official client ${generation}`, () => {
    let daemon: TestDaemon;
    let port = 0;
    const network = new Network();
    before(async () => {
      port = await network.listen();
      daemon = await TestDaemon.start({
        servers: {
          fx: serving('answers', everything),
          hasty: serving('answers', `answer_within = "2s"\n${everything}`),
        },
        daemon: `allowed_hosts = ["127.0.0.1:${port}"]\n[sessions]\npoll_after = "1s"\n`,
      });
      network.daemonPort = daemon.port;
    });
    after(async () => {
      await network.close();
      await daemon[Symbol.asyncDispose]();
    });
    const at = (server: string) => new URL(`http://127.0.0.1:${port}/servers/${server}/mcp`);

    it('comes back for the answer when the daemon lets go, and gets it once', async () => {
      const client = await make({ url: at('fx'), key: daemon.key });
      const tokens: string[] = [];
      const more = { onresumptiontoken: (token: string) => void tokens.push(token) };
      assert.equal(await client.call('slow', { ms: 3500 }, more), 'done');
      assert.ok(tokens.length >= 2, 'it was sent away at least once');
      assert.equal(new Set(tokens).size, tokens.length);
      assert.equal(await client.call('echo', { text: 'on it goes' }), 'on it goes');
      await client.close();
    });

    it('comes back for the answer when the network breaks in the middle of a call', async () => {
      let cuts = 0;
      const asked = async () => {
        cuts++;
        network.cut();
        // A person takes longer to answer than the client to notice; an answer on the broken connection would be lost.
        await sleep(500);
      };
      const client = await make({ url: at('fx'), key: daemon.key, asked });
      assert.match(await client.call('ask_elicitation', { message: 'Who are you?' }), /Ada/);
      assert.equal(cuts, 1, 'the question came once');
      await client.close();
    });

    it('hands a call over to another client of the same session', async () => {
      const first = await make({ url: at('fx'), key: daemon.key });
      const told = Promise.withResolvers<string>();
      const pending = first.call('slow', { ms: 3000 }, { onresumptiontoken: told.resolve });
      const failed = pending.then(
        () => assert.fail('the first client was answered'),
        () => undefined,
      );
      const resumptionToken = await told.promise;
      const sessionId = first.sessionId();
      await first.close();
      await failed;
      const second = await make({ url: at('fx'), key: daemon.key, sessionId });
      assert.equal(await second.call('slow', { ms: 3000 }, { resumptionToken }), 'done');
      await second.close();
    });

    it('stops coming back once it has heard an error', async () => {
      const name = `${generation}-once`;
      const key = await daemon.addKey(name);
      const client = await make({ url: at('hasty'), key });
      await assert.rejects(client.call('slow', { ms: 60_000 }), { code: 1504 });
      const visits = async () =>
        (await daemon.audit('--caller', name)).filter((it) => it['method'] === '(stream resumed)').length;
      await until('it has come back', async () => (await visits()) >= 1);
      const other = await make({ url: at('fx'), key: daemon.key });
      // Long enough for one that would go on coming back every second.
      assert.equal(await other.call('slow', { ms: 4500 }), 'done');
      assert.ok((await visits()) <= 3, `it came back ${await visits()} times`);
      await Promise.all([client.close(), other.close()]);
    });
  });
}
