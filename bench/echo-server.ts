// The child behind every target: a stdio MCP server with two tools that do the same, written to never be the bottleneck. It uses no SDK,
// answers in the order it was asked, writes once per chunk it reads, and builds each payload once.
import { payloadOnTheWire } from './payload.ts';

type Asked = {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: {
    readonly protocolVersion?: string;
    readonly arguments?: { readonly token?: string; readonly bytes?: number };
  };
};

const bytesMax = 16 * 1024 * 1024;
const lineCharsMax = 1024 * 1024;
// Below this, one joined string is cheaper to write than several buffers.
const joinedBytesMax = 16 * 1024;

const tools = JSON.stringify({
  tools: ['echo', 'note'].map((name) => ({
    name,
    description: 'Answers with the token it was sent, a space, and so many bytes of text.',
    inputSchema: {
      type: 'object',
      properties: { token: { type: 'string' }, bytes: { type: 'integer', minimum: 0, maximum: bytesMax } },
      required: ['token', 'bytes'],
    },
    annotations: { readOnlyHint: name === 'echo' },
  })),
});

const small = new Map<number, string>();
const large = new Map<number, Buffer>();
let unread = '';
let ready = '';

process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = (unread + chunk).split('\n');
  unread = lines.pop() ?? '';
  if (unread.length > lineCharsMax) process.exit(1);
  process.stdout.cork();
  for (const line of lines) if (line !== '') answer(JSON.parse(line) as Asked);
  flush();
  process.stdout.uncork();
});
process.stdin.on('end', () => process.exit(0));

function answer({ id, method, params }: Asked): void {
  if (id === undefined || method === undefined) return;
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},`;
  if (method === 'tools/call')
    return echo(head, params?.arguments?.token ?? '', params?.arguments?.bytes ?? 0);
  ready +=
    head +
    (plainAnswers.get(method)?.(params) ?? '"error":{"code":-32601,"message":"Unknown method"}') +
    '}\n';
}

const plainAnswers = new Map<string, (params: Asked['params']) => string>([
  ['tools/list', () => `"result":${tools}`],
  ['ping', () => '"result":{}'],
  [
    'initialize',
    (params) =>
      `"result":${JSON.stringify({
        protocolVersion: params?.protocolVersion ?? '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'echo', version: '1.0.0' },
      })}`,
  ],
]);

function echo(head: string, token: string, asked: number): void {
  const bytes = Math.min(Math.max(0, Math.trunc(asked)), bytesMax);
  ready += `${head}"result":{"content":[{"type":"text","text":"${JSON.stringify(token).slice(1, -1)} `;
  if (bytes <= joinedBytesMax) ready += kept(small, bytes, payloadOnTheWire);
  else {
    flush();
    process.stdout.write(kept(large, bytes, (size) => Buffer.from(payloadOnTheWire(size), 'latin1')));
  }
  ready += '"}]}}\n';
}

/** Remembers one value for each of a few sizes. */
function kept<T>(known: Map<number, T>, bytes: number, make: (bytes: number) => T): T {
  const found = known.get(bytes) ?? make(bytes);
  if (known.size < 8) known.set(bytes, found);
  return found;
}

function flush(): void {
  if (ready === '') return;
  process.stdout.write(ready);
  ready = '';
}
