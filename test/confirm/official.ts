/** The official client libraries, both generations, with a user who is asked: what a form is answered with, the test says. */
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

export type Filled = { action: 'accept' | 'decline' | 'cancel'; content?: Record<string, boolean> };
/** Shown a form; what the user makes of it. */
export type User = (message: string) => Filled | Promise<Filled>;
export type Asked = {
  /** The texts of the answer. */
  readonly call: (
    name: string,
    args: Record<string, unknown>,
    how?: { readonly onProgress?: (progress: number) => void; readonly signal?: AbortSignal },
  ) => Promise<{ readonly isError: boolean; readonly text: string }>;
  readonly close: () => Promise<void>;
};

export const clientKinds = ['v1', 'v2, legacy era', 'v2, modern era'] as const;
export type ClientKind = (typeof clientKinds)[number];

const info = { name: 'official', version: '1.0.0' };
const capabilities = { elicitation: {} };

export async function asking(kind: ClientKind, url: string, key: string, user: User): Promise<Asked> {
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  if (kind === 'v1') {
    const client = new ClientV1(info, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => user(params.message));
    const transport = new TransportV1(new URL(url), { requestInit });
    await client.connect(transport);
    return {
      call: async (name, args, how = {}) =>
        textOf(await client.callTool({ name, arguments: args }, undefined, optionsOf(how))),
      close: () => leave(client, transport),
    };
  }
  const mode = kind === 'v2, legacy era' ? 'legacy' : { pin: '2026-07-28' };
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', async ({ params }) => user(params.message));
  const transport = new TransportV2(new URL(url), { requestInit });
  await client.connect(transport);
  return {
    call: async (name, args, how = {}) =>
      textOf(await client.callTool({ name, arguments: args }, optionsOf(how))),
    close: () => leave(client, transport),
  };
}

/** A client that only closes its connection would keep its session, and the child that serves it. */
async function leave(client: ClientV1 | ClientV2, transport: TransportV1 | TransportV2): Promise<void> {
  await transport.terminateSession().catch(() => undefined);
  await client.close();
}

type How = NonNullable<Parameters<Asked['call']>[2]>;

function optionsOf({ onProgress, signal }: How): {
  timeout: number;
  onprogress?: (it: { progress: number }) => void;
  signal?: AbortSignal;
} {
  return {
    timeout: 60_000,
    ...(onProgress === undefined ? {} : { onprogress: ({ progress }) => onProgress(progress) }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function textOf(result: unknown): { isError: boolean; text: string } {
  const { isError, content } = result as { isError?: boolean; content?: { text?: string }[] };
  return { isError: isError === true, text: (content ?? []).map(({ text }) => text ?? '').join('\n') };
}
