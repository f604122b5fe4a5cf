/** A chat system: it is sent questions, and people answer them there. */
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestDaemon } from '../support/daemon.ts';

export class Chat {
  readonly key: string = randomUUID();
  readonly asked: { readonly id: string; readonly arguments: string; readonly answerAt: string }[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => (body += chunk.toString()));
      req.on('end', () => {
        const signed = this.#sign(
          String(req.headers['webhook-id']),
          String(req.headers['webhook-timestamp']),
          body,
        );
        assert.equal(req.headers['webhook-signature'], signed);
        this.asked.push((JSON.parse(body) as { data: Chat['asked'][number] }).data);
        res.end();
      });
    });
  }

  static async open(): Promise<Chat> {
    const chat = new Chat();
    await new Promise<void>((resolve) => chat.#server.listen(0, '127.0.0.1', resolve));
    return chat;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** What comes of an answer: a status. */
  async answer(
    daemon: TestDaemon,
    said: { id: string; verdict: string; by: string },
    key?: string,
  ): Promise<number> {
    const { answerAt = '/approvals/chat' } = this.asked.find(({ id }) => id === said.id) ?? {};
    const [id, at, body] = [randomUUID(), String(Math.floor(Date.now() / 1000)), JSON.stringify(said)];
    const response = await fetch(daemon.url + answerAt, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': at,
        'webhook-signature': this.#sign(id, at, body, key),
      },
      body,
    });
    await response.text();
    return response.status;
  }

  #sign(id: string, at: string, body: string, key = this.key): string {
    return `v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`;
  }
}
