// Ignores SIGTERM and the end of its stdin, and so does everything it starts: a child in its group, one that left the group,
// one that left the group with an empty environment, and two grandchildren with an empty environment whose parents are gone,
// one after two seconds and one at once.
import { spawn } from 'node:child_process';

type Json = Record<string, unknown>;

process.on('SIGTERM', () => undefined);
process.on('SIGHUP', () => undefined);
setInterval(() => undefined, 60_000);

const stubborn = "process.on('SIGTERM', () => undefined); setInterval(() => undefined, 60000);";
/** Starts a process of its own, says which, and goes. */
const double = (lingerMs: number): string => `
  const { spawn } = require('node:child_process');
  const child = spawn(process.execPath, ['-e', ${JSON.stringify(stubborn)}], { detached: true, stdio: 'ignore', env: {} });
  process.stdout.write(String(child.pid));
  child.unref();
  setTimeout(() => process.exit(0), ${lingerMs});
`;

function forked(lingerMs: number): Promise<number> {
  const forker = spawn(process.execPath, ['-e', double(lingerMs)], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
    detached: true,
  });
  let told = '';
  forker.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()));
  return new Promise((resolve) => forker.on('close', () => resolve(Number(told))));
}

const inGroup = spawn(process.execPath, ['-e', stubborn], { stdio: 'ignore' });
const outside = spawn(process.execPath, ['-e', stubborn], { stdio: 'ignore', detached: true });
const bare = spawn(process.execPath, ['-e', stubborn], { stdio: 'ignore', detached: true, env: {} });
const pids: (number | undefined)[] = [process.pid, inGroup.pid, outside.pid, bare.pid];

const doubled = Promise.all([forked(2000), forked(0)]);

const send = (message: Json): void => {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
};

async function hear({ id, method }: Json): Promise<void> {
  if (method === 'initialize')
    send({
      id,
      result: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'forks', version: '1.0.0' },
      },
    });
  if (method === 'ping') send({ id, result: {} });
  if (method === 'tools/list') send({ id, result: { tools: [] } });
  if (method !== 'tools/call') return;
  const [slow, quick] = await doubled;
  send({ id, result: { content: [{ type: 'text', text: JSON.stringify([...pids, slow, quick]) }] } });
}

let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  rest += chunk.toString('utf8');
  const lines = rest.split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) void hear(JSON.parse(line) as Json);
});
