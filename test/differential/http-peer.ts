import { Agent, request, type IncomingMessage } from 'node:http';
import { at, type Node } from '../support/oracle.ts';
import type { Connect } from './play.ts';
import { EventReader } from './event-reader.ts';
import { idOf, isRequest, methodOf, streamOf } from './transcript.ts';

export type Endpoint = { readonly url: string; readonly key: string };

/** The standing stream, as streams are named in a transcript; the others are named for the request they belong to. */
export const standing = 'standing';

/** A bound for a daemon that does not end what is under way. */
const endWithinMs = 20_000;

/** The same server through mcpd: Streamable HTTP as 2025-11-25 basic/transports has it, with the standing stream open. */
export function overHttp({ url, key }: Endpoint): Connect {
  return async (heard, broke) => {
    const agent = new Agent({ keepAlive: true });
    const underWay = new Set<Promise<void>>();
    let sessionId: string | undefined;
    let revision: string | undefined;
    let standingEnded: Promise<void> = Promise.resolve();

    const headers = (): Record<string, string> => ({
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${key}`,
      ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
      ...(revision === undefined ? {} : { 'mcp-protocol-version': revision }),
    });
    const send = (method: string, body?: string): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const type = body === undefined ? {} : { 'content-type': 'application/json' };
        const outgoing = request(url, { method, agent, headers: { ...headers(), ...type } }, resolve);
        outgoing.on('error', reject);
        outgoing.end(body);
      });

    const openStanding = async (): Promise<void> => {
      const response = await send('GET');
      if (response.statusCode !== 200) throw new Error(`the standing stream: ${response.statusCode}`);
      standingEnded = read(response, (text) => heard(standing, text));
      standingEnded.catch(broke);
    };

    const ask = async (text: string, id: string, opens: boolean): Promise<void> => {
      const response = await send('POST', text);
      const isStream = response.headers['content-type'] === 'text/event-stream';
      const given = response.headers['mcp-session-id'];
      let answered = 0;
      const take = (said: string): void => {
        const message = heard(streamOf(id), said);
        if (methodOf(message) !== undefined) return;
        answered++;
        // A response on another request's stream would be taken for that one's (2025-11-25 basic/transports).
        if (idOf(message) !== id)
          throw new Error(`the stream of ${id} brought a response to ${idOf(message)}`);
        if (opens) revision = textAt(message, 'result', 'protocolVersion');
      };
      if (opens && typeof given === 'string') sessionId = given;
      if (isStream) await read(response, take);
      else take(await bodyOf(response));
      if (answered !== 1) throw new Error(`request ${id} has ${answered} answers`);
    };

    return {
      say: async (text, message) => {
        if (!isRequest(message)) {
          const response = await send('POST', text);
          const body = await bodyOf(response);
          if (response.statusCode !== 202 || body !== '')
            throw new Error(`${text}: ${response.statusCode} ${body}`);
          return;
        }
        const opens = methodOf(message) === 'initialize';
        const asked = ask(text, idOf(message) ?? '', opens);
        underWay.add(asked);
        asked.catch(broke).finally(() => underWay.delete(asked));
        // Before the client says `initialized`, so that nothing the server then says is without a stream.
        if (opens) await asked.then(openStanding);
      },
      end: async () => {
        const late = setTimeout(() => agent.destroy(), endWithinMs);
        try {
          await Promise.allSettled(underWay);
          if (sessionId !== undefined) await bodyOf(await send('DELETE'));
          // mcpd ends the stream when everything is on it, so nothing that was said before is missed.
          await standingEnded;
        } catch (reason) {
          broke(reason);
        } finally {
          clearTimeout(late);
          agent.destroy();
        }
      },
    };
  };
}

async function read(response: IncomingMessage, take: (text: string) => void): Promise<void> {
  const reader = new EventReader(take);
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) reader.feed(chunk);
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) text += chunk;
  return text;
}

function textAt(message: Node, ...path: readonly string[]): string | undefined {
  const found = at(message, ...path);
  return found?.kind === 'string' ? found.value : undefined;
}
