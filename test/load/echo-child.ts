// A child that many sessions share and that makes it hard for whoever stands between to keep them apart: it answers in
// another order than it was asked, reports progress, logs what belongs to one caller, and answers calls that were cancelled.

type Arguments = { readonly nonce: string; readonly notes?: number; readonly log?: boolean };
type Request = {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: Arguments;
    readonly _meta?: { readonly progressToken?: number | string };
    readonly requestId?: number | string;
    readonly protocolVersion?: string;
  };
};

const result = (id: Request['id'], body: object): string =>
  JSON.stringify({ jsonrpc: '2.0', id, result: body });
const notice = (method: string, params: object): string => JSON.stringify({ jsonrpc: '2.0', method, params });
const echo = (id: Request['id'], nonce: string): string =>
  result(id, { content: [{ type: 'text', text: nonce }] });

/** Calls of `hold`, which are answered when they were cancelled and somebody else has been answered after that. */
const held = new Map<
  number | string,
  { readonly nonce: string; readonly token: number | string | undefined }
>();
let overdue: string[] = [];
/** Calls of `wait`, which are answered when somebody calls `release`. */
const waiting = new Map<number | string, string>();

/** The lines that one request leads to; their order is kept. */
function linesFor({ id, method, params }: Request): string[] {
  switch (method) {
    case 'initialize':
      return [
        result(id, {
          protocolVersion: params?.protocolVersion ?? '2025-11-25',
          capabilities: { tools: {}, logging: {} },
          serverInfo: { name: 'echo', version: '1' },
        }),
      ];
    case 'ping':
      return [result(id, {})];
    case 'tools/list':
      return [
        result(id, {
          tools: ['echo', 'hold', 'wait', 'release'].map((name) => ({
            name,
            inputSchema: { type: 'object' },
          })),
        }),
      ];
    case 'tools/call':
      return call(id ?? 0, params);
    case 'notifications/cancelled':
      cancelled(params?.requestId);
      return [];
    default:
      return id === undefined
        ? []
        : [JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } })];
  }
}

function call(id: number | string, params: Request['params']): string[] {
  const { nonce = '', notes = 0, log = false } = params?.arguments ?? {};
  const token = params?._meta?.progressToken;
  const lines: string[] = [];
  for (let progress = 1; progress <= notes; progress++)
    lines.push(notice('notifications/progress', { progressToken: token, progress, message: nonce }));
  if (log) lines.push(notice('notifications/message', { level: 'info', data: nonce }));
  if (params?.name === 'hold') held.set(id, { nonce, token });
  else if (params?.name === 'wait') waiting.set(id, nonce);
  else lines.push(echo(id, nonce));
  if (params?.name === 'release') {
    for (const [other, theirs] of waiting) lines.push(echo(other, theirs));
    waiting.clear();
  }
  return lines;
}

/** What no client waits for any more comes all the same, a moment later. */
function cancelled(id: number | string | undefined): void {
  const call = id === undefined ? undefined : held.get(id);
  if (id === undefined || call === undefined) return;
  held.delete(id);
  const { nonce, token } = call;
  overdue.push(notice('notifications/progress', { progressToken: token, progress: 99, message: nonce }));
  overdue.push(echo(id, nonce));
}

/** The same disorder in each run (xorshift, 32 bits). */
let seed = 0x9e3779b9;
function below(bound: number): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % bound;
}

function shuffle(items: string[][]): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = below(at + 1);
    [items[at], items[other]] = [items[other] ?? [], items[at] ?? []];
  }
}

let rest = '';
process.stdin.setEncoding('utf8').on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  const late = overdue;
  overdue = [];
  const answers = lines.map((line) => linesFor(JSON.parse(line) as Request));
  shuffle(answers);
  const said = [...answers.flat(), ...late];
  if (said.length > 0) process.stdout.write(`${said.join('\n')}\n`);
});
process.stdin.on('end', () => process.exit(0));
