import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Connections, type ConnectionTerms } from '../../src/front/connections.ts';
import { Authority, noOpenssl } from './certificates.ts';
import { until } from '../support/daemon.ts';

const terms: ConnectionTerms = {
  connectionsMax: 4,
  descriptorMax: Number.POSITIVE_INFINITY,
  readWithinMs: 1000,
  allUnreadBytesMax: 1e9,
};

class House {
  readonly connections: Connections;
  readonly server: Server;
  readonly clients: Socket[] = [];
  /** Responses that are not given yet, by path. */
  readonly open = new Map<string, ServerResponse>();

  constructor(more: Partial<ConnectionTerms> = {}, server?: Server) {
    this.connections = new Connections({ ...terms, ...more });
    this.server = server ?? createServer();
    this.server.on('request', (req, res) => {
      const room = this.connections.request(req, res);
      if (req.url === '/wait') this.open.set(req.url, res);
      else res.end(room);
    });
    this.connections.watch(this.server, server !== undefined);
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** A client that connects, and says something or nothing. Resolves when it was taken or refused. */
  async client(says = ''): Promise<Socket> {
    const before = this.connections.count + this.connections.refused + this.connections.evicted;
    const socket = connect(this.port, '127.0.0.1');
    this.clients.push(socket);
    socket.on('error', () => undefined);
    socket.resume();
    if (says !== '') socket.write(says);
    const { connections } = this;
    await until(
      'the connection is noticed',
      () => connections.count + connections.refused + connections.evicted !== before,
    );
    return socket;
  }

  look(times = 2): void {
    for (let i = 0; i < times; i++) this.connections.look(i);
  }

  [Symbol.dispose](): void {
    for (const socket of this.clients) socket.destroy();
    this.server.close();
    this.server.closeAllConnections();
  }
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** Asks on a connection, and gives the whole of what came back. */
async function ask(socket: Socket, path: string): Promise<string> {
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  socket.write(get(path));
  await until('an answer', () => heard.endsWith('taken') || heard.endsWith('spare') || socket.destroyed);
  return heard;
}

const gone = async (socket: Socket): Promise<void> => {
  if (!socket.closed) await once(socket, 'close');
};

describe('where there is no room for one more connection', () => {
  it('somebody who never asked anything gives way', async () => {
    using house = await new House().listen();
    const [asked, silent] = [await house.client(), await house.client()];
    assert.match(await ask(asked, '/'), /taken$/);
    await house.client(get('/wait'));
    await house.client(get('/wait'));
    house.look();
    const late = await house.client();
    await gone(silent);
    assert.match(await ask(late, '/'), /taken$/);
    assert.equal(house.connections.evicted, 1);
    assert.equal(house.connections.count, 4);
    assert.equal(asked.destroyed, false);
  });

  it('then somebody who was answered and asks nothing now, and nobody who waits for an answer', async () => {
    using house = await new House().listen();
    const asked = await house.client();
    await ask(asked, '/');
    const waiting = [
      await house.client(get('/wait')),
      await house.client(get('/wait')),
      await house.client(get('/wait')),
    ];
    await until('all of them wait', () => house.open.size > 0);
    house.look();
    await house.client();
    await gone(asked);
    assert.deepEqual(
      waiting.map(({ destroyed }) => destroyed),
      [false, false, false],
    );
  });

  it('nobody gives way who has only just come, and could not say anything yet', async () => {
    using house = await new House().listen();
    const four = [await house.client(), await house.client(), await house.client(), await house.client()];
    await house.client();
    assert.equal(house.connections.evicted, 0);
    assert.ok(four.every(({ destroyed }) => !destroyed));
  });

  it('a few are taken to be told so, and no more than these', async () => {
    using house = await new House().listen();
    for (let i = 0; i < 4; i++) await house.client(get('/wait'));
    await until('all of them wait', () => house.open.size > 0);
    house.look();
    const spares = [];
    for (let i = 0; i < 4; i++) spares.push(await house.client());
    assert.match(await ask(spares[0] as Socket, '/'), /spare$/);
    const refused = await house.client();
    await gone(refused);
    assert.equal(house.connections.refused, 1);
    assert.equal(house.connections.count, 8);
    // What was no room is room again when they have left.
    for (const socket of house.clients) socket.destroy();
    await until('all have left', () => house.connections.count === 0);
    assert.match(await ask(await house.client(), '/'), /taken$/);
  });

  it('nobody gets the last descriptors', async () => {
    using house = await new House({ connectionsMax: 1000, descriptorMax: 0 }).listen();
    await gone(await house.client());
    assert.equal(house.connections.refused, 1);
    assert.equal(house.connections.count, 0);
  });
});

describe('a connection over TLS', { skip: noOpenssl }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-lines-'));
  after(() => rmSync(dir, { recursive: true }));

  it('is one connection from its first byte to its last, and one that never greets gives way', async () => {
    const pair = new Authority(join(dir, 'corp'), 'Corp').issue('server', { names: 'IP:127.0.0.1' });
    const server = createSecure({ cert: readFileSync(pair.cert), key: readFileSync(pair.key) });
    using house = await new House({ connectionsMax: 2 }, server).listen();
    const silent = await house.client();
    const talks = connectTls({ port: house.port, host: '127.0.0.1', rejectUnauthorized: false });
    house.clients.push(talks);
    await once(talks, 'secureConnect');
    assert.equal(house.connections.count, 2);
    assert.match(await ask(talks, '/'), /taken$/);
    house.look();
    await house.client();
    await gone(silent);
    assert.equal(talks.destroyed, false);
    talks.destroy();
    await until('it is counted out', () => house.connections.count === 1);
  });

  it('that never greets is not remembered when it has given way', async () => {
    const pair = new Authority(join(dir, 'other'), 'Other').issue('server', { names: 'IP:127.0.0.1' });
    const server = createSecure({ cert: readFileSync(pair.cert), key: readFileSync(pair.key) });
    using house = await new House({ connectionsMax: 2 }, server).listen();
    for (let i = 0; i < 10; i++) {
      await house.client();
      house.look();
    }
    assert.equal(house.connections.evicted, 8);
    assert.equal(house.connections.greeting, 2);
    for (const socket of house.clients) socket.destroy();
    await until('all have left', () => house.connections.count === 0);
    assert.equal(house.connections.greeting, 0);
  });
});

describe('connections over TLS', { skip: noOpenssl }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-lines-'));
  after(() => rmSync(dir, { recursive: true }));

  it('are refused beyond the last place like any other', async () => {
    const pair = new Authority(join(dir, 'corp'), 'Corp').issue('server', { names: 'IP:127.0.0.1' });
    const server = createSecure({ cert: readFileSync(pair.cert), key: readFileSync(pair.key) });
    using house = await new House({ connectionsMax: 2 }, server).listen();
    for (let i = 0; i < 6; i++) await house.client();
    await gone(await house.client());
    assert.equal(house.connections.refused, 1);
    assert.equal(house.connections.count, 6);
  });
});

describe('a reader', () => {
  it('that reads nothing of its answer is let go', async () => {
    using house = await new House().listen();
    const socket = await house.client(get('/wait'));
    socket.pause();
    await until('it waits', () => house.open.size > 0);
    house.open.get('/wait')?.end(Buffer.alloc(32 * 1024 * 1024));
    let now = 0;
    await until('it is gone', () => {
      house.connections.look((now += 500));
      return house.connections.slowReaders === 1 && house.connections.count === 0;
    });
  });
});
