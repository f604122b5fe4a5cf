// Floods one of its two pipes for as long, or with as much, as a call asks for, and then answers. Pauses when nobody reads.
import { randomBytes } from 'node:crypto';

type Json = Record<string, unknown>;
type Flood = { readonly ms?: number; readonly bytes?: number };

const send = (message: Json): void => {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
};

const note = `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(900) } })}\n`;
const chunks: ReadonlyMap<string, () => string | Buffer> = new Map<string, () => string | Buffer>([
  ['notifications', () => note.repeat(64)],
  ['no-lf', () => 'x'.repeat(65_536)],
  ['random', () => randomBytes(65_536)],
  ['stderr', () => `all is well, thank you for asking ${'x'.repeat(900)}\n`.repeat(64)],
]);

async function flood(kind: string, { ms = Infinity, bytes = Infinity }: Flood): Promise<number> {
  const chunk = chunks.get(kind);
  if (chunk === undefined) return 0;
  const pipe = kind === 'stderr' ? process.stderr : process.stdout;
  const until = performance.now() + ms;
  let written = 0;
  while (written < bytes && performance.now() < until) {
    const next = chunk();
    written += next.length;
    // A pipe that nobody reads keeps us here, and our own stdin unread: that is the pipe's business, not ours.
    const goesOn = pipe.write(next);
    await new Promise<void>((resolve) =>
      goesOn ? setImmediate(resolve) : pipe.once('drain', () => resolve()),
    );
  }
  return written;
}

async function hear({ id, method, params }: Json): Promise<void> {
  if (method === 'initialize')
    return send({
      id,
      result: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {}, logging: {} },
        serverInfo: { name: 'floods', version: '1.0.0' },
      },
    });
  if (method === 'ping') return send({ id, result: {} });
  const { name = '', arguments: args = {} } = (params ?? {}) as { name?: string; arguments?: Flood };
  if (method === 'tools/list')
    return send({
      id,
      result: { tools: [...chunks.keys()].map((it) => ({ name: it, inputSchema: { type: 'object' } })) },
    });
  if (method !== 'tools/call') return;
  const written = await flood(name, args);
  // What came before had no end; this one has.
  if (name === 'no-lf' || name === 'random') process.stdout.write('\n');
  send({ id, result: { content: [{ type: 'text', text: String(written) }] } });
}

process.stdout.on('error', () => process.exit(1));
process.stderr.on('error', () => process.exit(1));
let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  rest += chunk.toString('utf8');
  const lines = rest.split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) void hear(JSON.parse(line) as Json);
});
process.stdin.on('end', () => process.exit(0));
