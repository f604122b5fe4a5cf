/** Callers of every kind that mcpd knows. Each does one thing over and over, and knows what may come of it. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { LegacyCaller, type Deed } from '../load/callers.ts';
import { Member } from '../load/member.ts';
import { judge, judgeLoose, nonceOf, type Verdict } from '../load/verdict.ts';
import type { TestDaemon } from '../support/daemon.ts';
import { ask, begin, call } from '../stories/https.ts';
import { fileText } from './house.ts';

/** Something that may never happen, whatever is done to the daemon. Everything else that goes wrong is weather. */
export class Broken extends Error {}

export type Guest = {
  readonly name: string;
  /** One turn. Throws `Broken`, or whatever else came in between; then `drop` is called. */
  readonly turn: () => Promise<void>;
  /** Hangs up; the next turn begins anew. */
  readonly drop: () => void;
};

/** A session of the crowd at one shared child: ids and tokens are the same in all of them, only nonces differ. */
export function member(daemon: TestDaemon, number: number): Guest {
  let joined: Member | undefined;
  let turn = 0;
  const judged = (verdict: Verdict, text: string): void => {
    // An error is weather; what belongs to somebody else is not.
    if (verdict === 'foreign' || (verdict === 'odd' && !text.includes('"error":{')))
      throw new Broken(`member ${number} got ${verdict}: ${text}`);
  };
  return {
    name: `member ${number}`,
    turn: async () => {
      if (joined === undefined) {
        joined = await Member.join(`${daemon.url}/servers/crowd/mcp`, daemon.key, 4);
        turn = 0;
      }
      const lane = 0;
      const expected = { id: '1', token: '"1"', nonce: nonceOf(number, lane, turn++), notes: 2 };
      const texts = await joined.post(
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"nonce":"${expected.nonce}","notes":2,"log":true},"_meta":{"progressToken":"1"}}}`,
      );
      let notes = 0;
      for (const text of texts) {
        const verdict = judge(text, expected, notes);
        if (verdict === 'note') notes++;
        judged(verdict, text);
        if (verdict === 'odd') throw new Error(text);
      }
    },
    drop: () => {
      joined?.leave();
      joined = undefined;
    },
  };
}

/** Only listens: whatever finds its way to the wrong stream comes here. */
export function listener(daemon: TestDaemon, number: number): Guest {
  let joined: Member | undefined;
  let wrong: string | undefined;
  return {
    name: `listener ${number}`,
    turn: async () => {
      if (wrong !== undefined) throw new Broken(wrong);
      if (joined !== undefined) return;
      const one = await Member.join(`${daemon.url}/servers/crowd/mcp`, daemon.key, 2);
      joined = one;
      await one.listen((text) => {
        // News of the server's tools, when a child was replaced, is for everybody.
        if (text.includes('list_changed')) return;
        if (judgeLoose(text, nonceOf(number, 0, 0)) === 'foreign')
          wrong = `the stream of ${number} brought ${text}`;
      });
    },
    drop: () => {
      joined?.leave();
      joined = undefined;
    },
  };
}

/** Reads a file through server-filesystem. */
export function reader(daemon: TestDaemon): Guest {
  const caller = new LegacyCaller('reader', { url: daemon.url, server: 'files', key: daemon.key });
  const path = join(daemon.dir, 'files', 'note.txt');
  return {
    name: 'reader',
    turn: async () => {
      const { said } = await answered(caller.call('read_text_file', { path }));
      if (said !== fileText) throw new Broken(`the file says ${said}`);
    },
    drop: () => caller.hangUp(),
  };
}

/** Writes to server-memory, reads it back, and takes it away again. */
export function rememberer(daemon: TestDaemon): Guest {
  const caller = new LegacyCaller('rememberer', { url: daemon.url, server: 'memory', key: daemon.key });
  return {
    name: 'rememberer',
    turn: async () => {
      const name = randomUUID();
      await answered(
        caller.call('create_entities', { entities: [{ name, entityType: 'nonce', observations: ['seen'] }] }),
      );
      const { said } = await answered(caller.call('open_nodes', { names: [name] }));
      if (!said.includes(name)) throw new Broken(`what was remembered is forgotten: ${said}`);
      await answered(caller.call('delete_entities', { entityNames: [name] }));
    },
    drop: () => caller.hangUp(),
  };
}

/** Comes over mutual TLS, with a certificate instead of a key. */
export function certified(daemon: TestDaemon, port: number): Guest {
  const corp = join(daemon.dir, 'corp');
  const at = {
    port,
    path: '/servers/shared/mcp',
    ca: join(corp, 'ca.pem'),
    client: { cert: join(corp, 'tester.pem'), key: join(corp, 'tester.key') },
  };
  let session: string | undefined;
  return {
    name: 'certified',
    turn: async () => {
      session ??= await begin(at);
      const text = randomUUID();
      const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
      const answer = await ask({ ...at, headers, body: call('echo', { text }) });
      if (answer.status !== 200 || answer.text.includes('"error"')) throw new Error(answer.text);
      if (!answer.text.includes(text)) throw new Broken(`over TLS: ${answer.text}`);
    },
    drop: () => {
      session = undefined;
    },
  };
}

/** The official client over the transport of 2024-11-05. */
export function old(daemon: TestDaemon): Guest {
  let client: Client | undefined;
  return {
    name: 'old',
    turn: async () => {
      if (client === undefined) {
        const authorization = `Bearer ${daemon.key}`;
        const transport = new SSEClientTransport(new URL(`${daemon.url}/servers/shared/sse`), {
          requestInit: { headers: { authorization } },
        });
        const fresh = new Client({ name: 'old', version: '1' });
        fresh.onerror = () => undefined;
        client = fresh;
        // Where this fails, `drop` ends it; else it would try to connect for ever.
        await fresh.connect(transport, { timeout: 20_000 });
      }
      const text = randomUUID();
      const params = { name: 'echo', arguments: { text } };
      const result = await client.callTool(params, undefined, { timeout: 20_000 });
      const [first] = result.content as { text?: string }[];
      if (result.isError !== true && first?.text !== text)
        throw new Broken(`over SSE: ${JSON.stringify(result)}`);
    },
    drop: () => {
      const gone = client;
      client = undefined;
      // Its connection is mostly gone already.
      gone?.close().catch(() => undefined);
    },
  };
}

async function answered(calling: Promise<Deed>): Promise<Deed> {
  const deed = await calling;
  if (deed.end === 'garbled') throw new Broken(`${deed.tool}: ${deed.said}`);
  if (deed.end !== 'answered') throw new Error(`${deed.end}: ${deed.said}`);
  return deed;
}
