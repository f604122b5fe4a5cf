/** The official client libraries, both generations, behind one face, so that one story can be told to each. */
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

/** What the client's owner would be asked or told. */
export type Heard = {
  readonly sampled: string[];
  readonly elicited: string[];
  rootsAsked: number;
  toolsChanged: number;
  readonly updated: string[];
  readonly logged: string[];
};

export type Called = {
  readonly isError: boolean;
  readonly text: string;
  readonly types: readonly string[];
};

export type Calling = { readonly onProgress?: (progress: number) => void; readonly signal?: AbortSignal };

export type OfficialClient = {
  readonly heard: Heard;
  readonly sessionId: () => string | undefined;
  readonly serverName: () => string | undefined;
  readonly ping: () => Promise<unknown>;
  readonly tools: () => Promise<string[]>;
  readonly call: (name: string, args?: Record<string, unknown>, how?: Calling) => Promise<Called>;
  readonly resources: () => Promise<string[]>;
  readonly templates: () => Promise<string[]>;
  readonly read: (uri: string) => Promise<string>;
  readonly subscribe: (uri: string) => Promise<unknown>;
  readonly prompts: () => Promise<string[]>;
  readonly prompt: (name: string, args?: Record<string, string>) => Promise<string>;
  readonly complete: (prompt: string, argument: string, value: string) => Promise<string[]>;
  /** Ends the session at the server (DELETE), then the connection. */
  readonly end: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export type Generation = 'v1' | 'v2' | 'v2, which tries the newer protocol first';
export const generations: readonly Generation[] = ['v1', 'v2', 'v2, which tries the newer protocol first'];

const info = { name: 'official', version: '9.8.7' };
const capabilities = { sampling: {}, elicitation: {}, roots: { listChanged: true } };
const roots = { roots: [{ uri: 'file:///home/official', name: 'home' }] };
const accepted = { action: 'accept' as const, content: { name: 'Ada' } };
const sampled = (text: string) => ({
  model: 'a-model',
  role: 'assistant' as const,
  content: { type: 'text' as const, text },
});

/** Connects one generation's client to a server behind the daemon. */
/** `patient`: the v1 client comes back for a broken stream once a second, and not twice only. */
export async function connect(
  generation: Generation,
  url: string,
  key: string,
  patient = false,
): Promise<OfficialClient> {
  const heard: Heard = { sampled: [], elicited: [], rootsAsked: 0, toolsChanged: 0, updated: [], logged: [] };
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  return generation === 'v1'
    ? connectV1(new URL(url), requestInit, heard, patient)
    : connectV2(new URL(url), requestInit, heard, generation === 'v2' ? 'legacy' : 'auto');
}

const everySecond = {
  initialReconnectionDelay: 1000,
  maxReconnectionDelay: 1000,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 60,
};

async function connectV1(
  url: URL,
  requestInit: RequestInit,
  heard: Heard,
  patient: boolean,
): Promise<OfficialClient> {
  const client = new ClientV1(info, { capabilities });
  client.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => {
    heard.sampled.push(JSON.stringify(params.messages));
    return sampled('sampled');
  });
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
    heard.elicited.push(params.message);
    return accepted;
  });
  client.setRequestHandler(ListRootsRequestSchema, async () => {
    heard.rootsAsked++;
    return roots;
  });
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.toolsChanged++);
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void heard.updated.push(params.uri),
  );
  client.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void heard.logged.push(String(params.data)),
  );
  const transport = new TransportV1(url, {
    requestInit,
    ...(patient && { reconnectionOptions: everySecond }),
  });
  await client.connect(transport);
  return {
    ...common(client, heard),
    sessionId: () => transport.sessionId,
    call: async (name, args = {}, how = {}) =>
      called(await client.callTool({ name, arguments: args }, undefined, optionsOf(how))),
    end: async () => {
      await transport.terminateSession();
      await client.close();
    },
  };
}

async function connectV2(
  url: URL,
  requestInit: RequestInit,
  heard: Heard,
  mode: 'legacy' | 'auto',
): Promise<OfficialClient> {
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler('sampling/createMessage', async ({ params }) => {
    heard.sampled.push(JSON.stringify(params.messages));
    return sampled('sampled');
  });
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    heard.elicited.push(params.message);
    return accepted;
  });
  client.setRequestHandler('roots/list', async () => {
    heard.rootsAsked++;
    return roots;
  });
  client.setNotificationHandler('notifications/tools/list_changed', () => void heard.toolsChanged++);
  client.setNotificationHandler(
    'notifications/resources/updated',
    ({ params }) => void heard.updated.push(params.uri),
  );
  client.setNotificationHandler(
    'notifications/message',
    ({ params }) => void heard.logged.push(String(params.data)),
  );
  const transport = new TransportV2(url, { requestInit });
  await client.connect(transport);
  return {
    ...common(client, heard),
    sessionId: () => transport.sessionId,
    call: async (name, args = {}, how = {}) =>
      called(await client.callTool({ name, arguments: args }, optionsOf(how))),
    end: async () => {
      await transport.terminateSession();
      await client.close();
    },
  };
}

/** What both generations spell alike. */
function common(
  client: ClientV1 | ClientV2,
  heard: Heard,
): Omit<OfficialClient, 'sessionId' | 'call' | 'end'> {
  return {
    heard,
    serverName: () => client.getServerVersion()?.name,
    ping: () => client.ping(),
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () =>
      (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    read: async (uri) => JSON.stringify((await client.readResource({ uri })).contents),
    subscribe: (uri) => client.subscribeResource({ uri }),
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: async (name, args = {}) =>
      JSON.stringify((await client.getPrompt({ name, arguments: args })).messages),
    complete: async (prompt, argument, value) =>
      (
        await client.complete({
          ref: { type: 'ref/prompt', name: prompt },
          argument: { name: argument, value },
        })
      ).completion.values,
    close: () => client.close(),
  };
}

function optionsOf({ onProgress, signal }: Calling): {
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

function called(result: unknown): Called {
  const { isError, content } = result as { isError?: boolean; content?: { type: string; text?: string }[] };
  return {
    isError: isError === true,
    text: (content ?? []).map(({ text }) => text ?? '').join('\n'),
    types: (content ?? []).map(({ type }) => type),
  };
}
