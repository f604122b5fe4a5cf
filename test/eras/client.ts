/** The official client libraries, of both generations, in each era that they speak and over each transport that they have. */
import {
  Client as ClientV2,
  SSEClientTransport as SseV2,
  StreamableHTTPClientTransport as HttpV2,
} from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as SseV1 } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { launcher } from '../support/stdio-peer.ts';
import type { TestDaemon } from '../support/daemon.ts';
import type { Door, Kind } from './cells.ts';

export const clientInfo = { name: 'era-client', version: '1.2.3' };
const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} };

/** What the client's owner would be asked or told. */
export type Heard = {
  readonly questions: string[];
  readonly lines: string[];
  readonly updated: string[];
  readonly changed: string[];
};

export type Opened = {
  readonly client: ClientV1 | ClientV2;
  readonly heard: Heard;
};

/** Connects one kind of client to a server behind the daemon. Rejects as the library does. */
export async function open(
  kind: Kind,
  door: Door,
  daemon: TestDaemon,
  server: string,
  key = daemon.key,
): Promise<Opened> {
  const heard: Heard = { questions: [], lines: [], updated: [], changed: [] };
  const way = wayTo(daemon, server, key);
  if (kind === 'v1') {
    const client = clientV1(heard);
    const transport = transportV1(door, way);
    await orElseClose(client.connect(transport), transport);
    return { client, heard };
  }
  const client = clientV2(heard, kind);
  const transport = transportV2(door, way);
  await orElseClose(client.connect(transport), transport);
  return { client, heard };
}

/** A client that did not connect has forgotten its transport, and an event source would come back for ever. */
async function orElseClose(
  connecting: Promise<void>,
  transport: { readonly close: () => Promise<void> },
): Promise<void> {
  try {
    await connecting;
  } catch (reason) {
    await transport.close().catch(() => undefined);
    throw reason;
  }
}

type Way = ReturnType<typeof wayTo>;

function wayTo(daemon: TestDaemon, server: string, key: string) {
  const at = `${daemon.url}/servers/${server}`;
  return {
    mcp: new URL(`${at}/mcp`),
    sse: new URL(`${at}/sse`),
    options: { requestInit: { headers: { authorization: `Bearer ${key}` } } },
    spawning: {
      command: process.execPath,
      args: [launcher, 'connect', server],
      env: { PATH: process.env['PATH'] ?? '', MCPD_STATE_DIR: daemon.state, MCPD_KEY: key },
      stderr: 'ignore' as const,
    },
  };
}

function transportV1(door: Door, { mcp, sse, options, spawning }: Way): HttpV1 | SseV1 | StdioV1 {
  if (door === 'stdio') return new StdioV1(spawning);
  return door === 'HTTP+SSE' ? new SseV1(sse, options) : new HttpV1(mcp, options);
}

function transportV2(door: Door, { mcp, sse, options, spawning }: Way): HttpV2 | SseV2 | StdioV2 {
  if (door === 'stdio') return new StdioV2(spawning);
  return door === 'HTTP+SSE' ? new SseV2(sse, options) : new HttpV2(mcp, options);
}

const roots = { roots: [{ uri: 'file:///home/era', name: 'home' }] };
const sampled = {
  model: 'a-model',
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'sampled' },
};
/** What the user fills in; to a question that shows a page there is nothing to fill in. */
const elicited = ({ mode }: { readonly mode?: string | undefined }) => ({
  action: 'accept' as const,
  ...(mode === 'url' ? {} : { content: { name: 'Ada', colour: 'red' } }),
});

function clientV1(heard: Heard): ClientV1 {
  const client = new ClientV1(clientInfo, { capabilities });
  client.setRequestHandler(CreateMessageRequestSchema, async () => {
    heard.questions.push('sampling');
    return sampled;
  });
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
    heard.questions.push(params.message);
    return elicited(params);
  });
  client.setRequestHandler(ListRootsRequestSchema, async () => {
    heard.questions.push('roots');
    return roots;
  });
  client.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void heard.lines.push(String(params.data)),
  );
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void heard.updated.push(params.uri),
  );
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.changed.push('tools'));
  client.setNotificationHandler(
    PromptListChangedNotificationSchema,
    () => void heard.changed.push('prompts'),
  );
  client.setNotificationHandler(
    ResourceListChangedNotificationSchema,
    () => void heard.changed.push('resources'),
  );
  return client;
}

const modes = {
  'v2, legacy': 'legacy',
  'v2, auto': 'auto',
  'v2, pinned': { pin: '2026-07-28' },
} as const;

function clientV2(heard: Heard, kind: Exclude<Kind, 'v1'>): ClientV2 {
  const client = new ClientV2(clientInfo, { capabilities, versionNegotiation: { mode: modes[kind] } });
  client.setRequestHandler('sampling/createMessage', async () => {
    heard.questions.push('sampling');
    return sampled;
  });
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    heard.questions.push(params.message);
    return elicited(params);
  });
  client.setRequestHandler('roots/list', async () => {
    heard.questions.push('roots');
    return roots;
  });
  client.setNotificationHandler(
    'notifications/message',
    ({ params }) => void heard.lines.push(String(params.data)),
  );
  client.setNotificationHandler(
    'notifications/resources/updated',
    ({ params }) => void heard.updated.push(params.uri),
  );
  for (const what of ['tools', 'prompts', 'resources'] as const)
    client.setNotificationHandler(`notifications/${what}/list_changed`, () => void heard.changed.push(what));
  return client;
}
