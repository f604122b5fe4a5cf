/** Modern requests as they stand on the wire, for what the official client hides. */
import { readEvents, type TestDaemon } from '../support/daemon.ts';

export type Wire = {
  readonly status: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  /** What came before the answer on an event stream. */
  readonly events: readonly Record<string, unknown>[];
};

export type Saying = {
  readonly capabilities?: object;
  readonly client?: object;
  readonly key?: string;
  readonly meta?: object;
};

const version = '2026-07-28';
/** Which parameter of a method is repeated in `Mcp-Name`. */
const named: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);
let lastId = 0;

export async function say(
  daemon: TestDaemon,
  server: string,
  method: string,
  params: Record<string, unknown> = {},
  { capabilities = {}, client = { name: 'raw', version: '1' }, key = daemon.key, meta = {} }: Saying = {},
): Promise<Wire> {
  const name = params[named.get(method) ?? ''];
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    'io.modelcontextprotocol/clientInfo': client,
    ...meta,
  };
  const response = await fetch(`${daemon.url}/servers/${server}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': version,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++lastId, method, params: { ...params, _meta } }),
    signal: AbortSignal.timeout(60_000),
  });
  const messages: Record<string, unknown>[] = [];
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true)
    await readEvents(response, (message) => messages.push(message));
  else messages.push((await response.json()) as Record<string, unknown>);
  const last = messages.pop() ?? {};
  return { status: response.status, ...(last as Pick<Wire, 'result' | 'error'>), events: messages };
}

/** The text of a tool's first content. */
export function textIn({ result, error }: Wire): string {
  const [first] = (result?.['content'] ?? []) as readonly { readonly text?: string }[];
  return first?.text ?? JSON.stringify(error ?? result);
}
