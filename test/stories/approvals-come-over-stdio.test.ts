// A client that speaks nothing but stdio runs `mcpd connect`: its user, its model and the operator are asked as over HTTP.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as TransportV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { clientKinds, type ClientKind, type Filled } from '../confirm/official.ts';
import { House, no, yes } from '../support/approvals.ts';
import { until } from '../support/daemon.ts';
import { launcher } from '../support/stdio-peer.ts';

const info = { name: 'official', version: '1.0.0' };
const capabilities = { elicitation: {} };

type Five = [string, string, string, string, string];

describe('approvals come over stdio', () => {
  let house: House;
  const open: (ClientV1 | ClientV2)[] = [];
  before(async () => {
    house = await House.open();
  });
  after(async () => {
    for (const client of open) await client.close().catch(() => undefined);
    await house.close();
  });

  /** An official client; `user` is shown forms. Gives the text of a call's answer. */
  async function connect(
    kind: ClientKind,
    user: (message: string) => Filled,
  ): Promise<(tool: string, args: Record<string, unknown>, signal?: AbortSignal) => Promise<string>> {
    const spawning = {
      command: process.execPath,
      args: [launcher, 'connect', 'fx'],
      env: {
        PATH: process.env['PATH'] ?? '',
        MCPD_STATE_DIR: house.daemon.state,
        MCPD_KEY: house.daemon.key,
      },
      stderr: 'ignore' as const,
    };
    const textOf = (result: unknown) =>
      ((result as { content?: { text?: string }[] }).content ?? []).map(({ text }) => text ?? '').join('\n');
    if (kind === 'v1') {
      const client = new ClientV1(info, { capabilities });
      client.setRequestHandler(ElicitRequestSchema, async ({ params }) => user(params.message));
      await client.connect(new TransportV1(spawning));
      open.push(client);
      return async (name, args, signal) =>
        textOf(await client.callTool({ name, arguments: args }, undefined, signal && { signal }));
    }
    const mode = kind === 'v2, legacy era' ? 'legacy' : { pin: '2026-07-28' };
    const client = new ClientV2(info, { capabilities, versionNegotiation: { mode } });
    client.setRequestHandler('elicitation/create', async ({ params }) => user(params.message));
    await client.connect(new TransportV2(spawning));
    open.push(client);
    return async (name, args, signal) =>
      textOf(await client.callTool({ name, arguments: args }, signal && { signal }));
  }

  for (const kind of clientKinds)
    it(`yes, no, a ticket, the operator and a change of mind (${kind})`, async () => {
      const shown: string[] = [];
      let says: Filled = yes;
      const call = await connect(kind, (message) => (shown.push(message), says));

      const [agreed, refused, spent, asked, cancelled] = Array.from({ length: 5 }, () =>
        randomUUID(),
      ) as Five;
      assert.equal(await call('by_user', { path: agreed }), 'called by_user');
      says = no;
      assert.match(await call('by_user', { path: refused }), /^Not done/);
      assert.deepEqual(
        [shown.length, shown[0]?.includes(agreed), shown[1]?.includes(refused)],
        [2, true, true],
      );

      const offered = await call('by_ticket', { path: spent });
      const mcpd_ticket = /mcpd-ticket-[0-9a-f]{32}/.exec(offered)?.[0];
      assert.equal(await call('by_ticket', { path: spent, mcpd_ticket }), 'called by_ticket');
      assert.match(await call('by_ticket', { path: spent, mcpd_ticket }), /does not fit/);

      const question = async (mark: string) => {
        let id = '';
        await until(`the operator is asked about ${mark}`, async () => {
          id = (await house.approvals()).find(({ argsText }) => argsText.includes(mark))?.id ?? '';
          return id !== '';
        });
        return id;
      };
      const waits = call('by_operator', { path: asked });
      assert.equal(await house.says('approve', await question(asked)), true);
      assert.equal(await waits, 'called by_operator');

      const stop = new AbortController();
      const stopped = call('by_operator', { path: cancelled }, stop.signal).catch(String);
      const id = await question(cancelled);
      stop.abort();
      await stopped;
      await until('the question is withdrawn', async () => (await house.approvals()).length === 0);
      assert.equal(await house.says('approve', id), false);

      const sent = [agreed, refused, spent, asked, cancelled].map((mark) => house.timesSent(mark));
      assert.deepEqual(sent, [1, 0, 1, 1, 0]);
    });
});
