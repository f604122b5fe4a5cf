// Dies: at once, after a second, or right after the handshake (DIES=at-once | later | after-handshake), unless the file
// MENDED is there. Tells its secret on the way out, as a program does that prints its configuration when it fails.
// DIES=never: `pid` tells its process, and `hang_read` and `hang_write` are never answered. When it
// began is appended to the file BEGINS.
import { appendFileSync, existsSync } from 'node:fs';

type Json = Record<string, unknown>;

const rawLog = process.env['FX_RAW'];
const isMended = existsSync(process.env['MENDED'] ?? '/nowhere');
const dies = isMended ? 'never' : (process.env['DIES'] ?? 'at-once');

const send = (message: Json): void => {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
};

function die(): void {
  process.stderr.write(`cannot go on; my token is ${process.env['TEST_CANARY'] ?? ''}\n`, () =>
    process.exit(3),
  );
}

function hear({ id, method, params }: Json): void {
  if (method === 'initialize')
    send({
      id,
      result: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'dies', version: '1.0.0' },
      },
    });
  if (method === 'ping') send({ id, result: {} });
  if (method === 'notifications/initialized' && dies === 'after-handshake') die();
  if (method === 'tools/list') send({ id, result: { tools: [] } });
  if (method !== 'tools/call') return;
  const { name } = params as { name: string };
  if (name.startsWith('hang')) return;
  const text = name === 'pid' ? String(process.pid) : name;
  send({ id, result: { content: [{ type: 'text', text }] } });
}

const { BEGINS } = process.env;
if (BEGINS !== undefined) appendFileSync(BEGINS, `${Date.now()}\n`);
if (dies === 'at-once') die();
if (dies === 'later') setTimeout(die, 1000);
let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  if (rawLog !== undefined) appendFileSync(rawLog, chunk);
  rest += chunk.toString('utf8');
  const lines = rest.split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) hear(JSON.parse(line) as Json);
});
process.stdin.on('end', () => process.exit(0));
