// A child with much to say: large answers, and much progress before one.
type Request = {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: Readonly<Record<string, number>>;
    readonly _meta?: { readonly progressToken?: number | string };
  };
};

const say = (message: object): boolean =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

let last = Promise.resolve();

async function taken(isTaken: boolean): Promise<void> {
  if (!isTaken) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

async function call(id: Request['id'], params: Request['params']): Promise<void> {
  const { bytes = 1, times = 1 } = params?.arguments ?? {};
  if (params?.name === 'large') {
    // One after the other: what nobody takes would otherwise pile up here.
    last = last.then(() => taken(say({ id, result: text('x'.repeat(bytes)) })));
    await last;
    return;
  }
  const progressToken = params?._meta?.progressToken;
  const message = 'x'.repeat(bytes);
  for (let progress = 1; progress <= times; progress++) {
    const isTaken = say({ method: 'notifications/progress', params: { progressToken, progress, message } });
    await taken(isTaken);
  }
  say({ id, result: text('done') });
}

function answer({ id, method, params }: Request): void {
  if (method === 'tools/call') void call(id, params);
  else if (method === 'initialize') {
    const serverInfo = { name: 'shouting', version: '1' };
    say({
      id,
      result: { protocolVersion: '2025-11-25', capabilities: { tools: {}, logging: {} }, serverInfo },
    });
  } else if (method === 'tools/list') {
    const tools = ['shout', 'large'].map((name) => ({ name, inputSchema: { type: 'object' } }));
    say({ id, result: { tools } });
  } else if (id !== undefined) say({ id, result: {} });
}

let rest = '';
// Each call that waits listens for itself.
process.stdout.setMaxListeners(0);

process.stdin.on('data', (chunk: Buffer) => {
  const lines = (rest + chunk.toString('utf8')).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) answer(JSON.parse(line) as Request);
});
process.stdin.on('end', () => process.exit(0));
