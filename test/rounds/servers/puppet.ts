/**
 * A server that does what the arguments of a call tell it, step by step, in the era that PUPPET_ERA names: `legacy` (it knows
 * no `server/discover`), `modern` (it knows no `initialize`), or `dual`. Every line that it is told goes to FX_RAW.
 *
 * Steps: `{send}` writes a message, `{raw}` any text; in both `$ID` stands for the id of the call, `$TOKEN` for its progress
 * token, `$LISTEN` for the id of the last subscription. `{ask}` sends a request, `{replies: n}` waits until n of them were
 * answered, `{cancelled}` until the call was, `{file}` until there is a file of that name. `{wait}` waits for so many milliseconds, `{exit}` ends the process.
 * `{result}` and `{error}` answer the call; without one of them it is answered with what the server has heard of it.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

type Json = Record<string, unknown>;
type Heard = { readonly replies: Json[]; cancelled: boolean; changed: () => void };

const era = process.env['PUPPET_ERA'] ?? 'legacy';
const rawLog = process.env['FX_RAW'] ?? '';
const version = 'io.modelcontextprotocol/protocolVersion';

const capabilities = {
  tools: { listChanged: true },
  prompts: {},
  resources: { subscribe: true, listChanged: true },
  logging: {},
  ...(JSON.parse(process.env['PUPPET_CAPABILITIES'] ?? '{}') as Json),
};
const tools = JSON.parse(
  process.env['PUPPET_TOOLS'] ?? '[{"name":"play","inputSchema":{"type":"object"}}]',
) as Json[];
const supported = JSON.parse(process.env['PUPPET_VERSIONS'] ?? '["2026-07-28"]') as unknown;
const scope = process.env['PUPPET_SCOPE'] ?? 'public';

const calls = new Map<unknown, Heard>();
const questions = new Map<unknown, Heard>();
let lastQuestion = 0;
let lastListen: unknown = 0;

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}
const send = (message: Json): void => write(JSON.stringify({ jsonrpc: '2.0', ...message }));
const complete = (result: Json): Json => ({ resultType: 'complete', ...result });

async function play(id: unknown, params: Json): Promise<void> {
  const {
    arguments: args = {},
    requestState,
    inputResponses,
    _meta = {},
  } = params as { arguments?: Json; requestState?: string; inputResponses?: Json; _meta?: Json };
  // A call in rounds of the modern era says in its state which of its rounds this is.
  const rounds = args['rounds'] as Json[][] | undefined;
  const steps =
    rounds === undefined ? ((args['steps'] ?? []) as Json[]) : (rounds[Number(requestState ?? 0)] ?? []);
  const heard: Heard = { replies: [], cancelled: false, changed: () => undefined };
  calls.set(id, heard);
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise<void>((resolve) => (heard.changed = resolve));
  };
  const fill = (text: string): string =>
    text
      .replaceAll('"$ID"', JSON.stringify(id))
      .replaceAll('$ID', String(id))
      .replaceAll('"$TOKEN"', JSON.stringify(_meta['progressToken'] ?? null))
      .replaceAll('"$LISTEN"', JSON.stringify(lastListen));
  let answered = false;
  const answer = (message: Json): void => {
    answered = true;
    write(fill(JSON.stringify({ jsonrpc: '2.0', id, ...message })));
  };
  for (const step of steps) {
    if ('send' in step) write(fill(JSON.stringify({ jsonrpc: '2.0', ...(step['send'] as Json) })));
    if ('raw' in step) write(fill(step['raw'] as string));
    if ('ask' in step) {
      const asked = (step['as'] as string | undefined) ?? `c-${++lastQuestion}`;
      questions.set(asked, heard);
      send({ id: asked, ...(step['ask'] as Json) });
    }
    if ('replies' in step) await until(() => heard.replies.length >= Number(step['replies']));
    if ('cancelled' in step) await until(() => heard.cancelled);
    if ('file' in step) while (!existsSync(step['file'] as string)) await sleep(2);
    if ('wait' in step) await sleep(Number(step['wait']));
    if ('result' in step) answer({ result: step['result'] });
    if ('error' in step) answer({ error: step['error'] });
    if ('exit' in step) process.exit(Number(step['exit']));
  }
  calls.delete(id);
  const text = JSON.stringify({
    pid: process.pid,
    replies: heard.replies,
    inputResponses,
    requestState,
    cancelled: heard.cancelled,
    meta: _meta,
  });
  if (!answered) answer({ result: complete({ content: [{ type: 'text', text }] }) });
}

function answerTo(id: unknown, method: string, params: Json): Promise<void> | void {
  const isModern = ((params['_meta'] ?? {}) as Json)[version] !== undefined;
  const unknown = () => send({ id, error: { code: -32601, message: 'Method not found' } });
  if (era === 'legacy' ? method === 'server/discover' : era === 'modern' && !isModern) return unknown();
  switch (method) {
    case 'initialize':
      return send({
        id,
        result: {
          protocolVersion: process.env['PUPPET_REVISION'] ?? '2025-11-25',
          capabilities,
          serverInfo: { name: 'puppet', version: '1' },
        },
      });
    case 'server/discover':
      return send({
        id,
        result: complete({
          supportedVersions: supported,
          capabilities,
          ttlMs: 60_000,
          cacheScope: scope,
          _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'puppet', version: '1' } },
        }),
      });
    case 'ping':
    case 'logging/setLevel':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return send({ id, result: {} });
    case 'tools/list':
      return send({ id, result: complete({ tools, ttlMs: 60_000, cacheScope: scope }) });
    case 'prompts/list':
      return send({ id, result: complete({ prompts: [], ttlMs: 60_000, cacheScope: scope }) });
    case 'resources/list':
      return send({ id, result: complete({ resources: [], ttlMs: 60_000, cacheScope: scope }) });
    case 'resources/templates/list':
      return send({ id, result: complete({ resourceTemplates: [], ttlMs: 60_000, cacheScope: scope }) });
    case 'resources/read':
      return send({
        id,
        result: complete({
          contents: [{ uri: params['uri'], text: 'text' }],
          ttlMs: 60_000,
          cacheScope: scope,
        }),
      });
    case 'tools/call':
    case 'prompts/get':
      return play(id, params);
    case 'tasks/get':
      return send({
        id,
        result: complete({ taskId: params['taskId'], status: 'completed', result: { content: [] } }),
      });
    case 'subscriptions/listen': {
      lastListen = id;
      const _meta = { 'io.modelcontextprotocol/subscriptionId': id };
      return send({
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: params['notifications'], _meta },
      });
    }
    default:
      return unknown();
  }
}

function hear(line: string): void {
  const message = JSON.parse(line) as Json;
  const { id, method } = message;
  const params = (message['params'] ?? {}) as Json;
  if (typeof method === 'string' && id !== undefined) void answerTo(id, method, params);
  else if (method === 'notifications/cancelled') {
    const heard = calls.get(params['requestId']);
    if (heard === undefined) return;
    heard.cancelled = true;
    heard.changed();
  } else if (method === undefined) {
    const heard = questions.get(id);
    heard?.replies.push(message);
    heard?.changed();
  }
}

let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  if (rawLog !== '') appendFileSync(rawLog, chunk);
  rest += chunk.toString('utf8');
  const lines = rest.split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) hear(line);
});
process.stdin.on('end', () => process.exit(0));
