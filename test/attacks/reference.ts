/** The policy that every attack here tries to get around, a daemon that enforces it, and an ear at its child's stdin. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../src/control/client.ts';
import type { Json } from '../../src/domain/message.ts';
import { TestDaemon, until, type DaemonOptions, type TestSession } from '../support/daemon.ts';
import {
  canonicalOutput,
  oracle,
  readTree,
  writeTree,
  at as memberAt,
  type Node,
  type SeenCall,
} from '../support/oracle.ts';
import { exchange, postText, type RawReply } from '../support/raw-http.ts';

/** `mcpd-own/reference-policy.json`, carried here so that attacks which need no test data need none. */
export const reference = {
  tools: {
    allow: ['read_file', 'list_dir', 'echo', 'slow'],
    confirm: ['write_file'],
    deny: ['delete_file'],
  },
  resources: { allow: ['file:///ok.txt', 'file:///pub/**'], deny: ['file:///secret.txt'] },
  prompts: { allow: ['hello'], deny: ['danger'] },
} as const;

/** The same as a server file. The child writes down every byte it is told. */
export function referenceToml(sharing: 'session' | 'all' = 'session', more = ''): string {
  const list = (names: readonly string[]) => JSON.stringify(names);
  const { tools, resources, prompts } = reference;
  return `
command = "$NODE"
args = ["$FIXTURES/answers.ts"]
sharing = "${sharing}"
${more}
[env]
FX_RAW = "$DIR/fx.raw"

[[rule]]
name = "allow"
verdict = "allow"
tools = ${list(tools.allow)}
resources = ${list(resources.allow)}
prompts = ${list(prompts.allow)}
record = ["path", "text"]

[[rule]]
name = "confirm"
verdict = "confirm"
tools = ${list(tools.confirm)}

[[rule]]
name = "deny"
verdict = "deny"
tools = ${list(tools.deny)}
resources = ${list(resources.deny)}
prompts = ${list(prompts.deny)}
`;
}

export function startReference(
  sharing: 'session' | 'all' = 'session',
  options: Partial<DaemonOptions> = {},
): Promise<TestDaemon> {
  return TestDaemon.start({ servers: { fx: referenceToml(sharing) }, ...options });
}

/** What mcpd itself tells a child, and what the policy lets a caller tell it without a yes. */
export function permitted({ method, target }: SeenCall): boolean {
  switch (method) {
    case 'tools/call':
      return (reference.tools.allow as readonly string[]).includes(target);
    case 'prompts/get':
      return (reference.prompts.allow as readonly string[]).includes(target);
    case 'completion/complete':
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return target === 'hello' || target === 'file:///ok.txt' || target.startsWith('file:///pub/');
    default:
      return conversation.has(method);
  }
}

const conversation = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'server/discover',
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
]);

/** What the child has heard. */
export class Ear {
  readonly #file: string;

  constructor(daemon: TestDaemon) {
    this.#file = join(daemon.dir, 'fx.raw');
  }

  bytes(): Buffer {
    return existsSync(this.#file) ? readFileSync(this.#file) : Buffer.alloc(0);
  }

  /** Where the child's ear stands now. */
  get mark(): number {
    return this.bytes().length;
  }

  /** The messages heard since then that came from a caller: mcpd's own greetings, pings and listings are left out. */
  since(mark: number): Heard[] {
    return this.bytes()
      .subarray(mark)
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map(heard)
      .filter(({ method }) => !conversation.has(method));
  }

  /** Nobody, however carelessly it reads, sees a denied call in these bytes; and there is one way to read them. */
  assertClean(also: (call: SeenCall) => boolean = () => false, depthMax = 66): void {
    const bytes = this.bytes();
    assert.deepEqual(
      oracle(bytes, (call) => permitted(call) || also(call)),
      [],
      'a denied call was seen',
    );
    assert.deepEqual(canonicalOutput(bytes, { lineBytesMax: 4 * 1024 * 1024 + 1024, depthMax }), []);
  }
}

export type Heard = { readonly line: string; readonly method: string; readonly params: string };

function heard(line: string): Heard {
  const tree = readTree(line);
  const method = memberAt(tree, 'method');
  const params = memberAt(tree, 'params');
  return {
    line,
    method: method?.kind === 'string' ? method.value : '(none)',
    params: params === undefined ? '' : writeTree(params),
  };
}

/** The text of a message's `params` in the one way the oracle writes it. Undefined when the message is no JSON. */
export function paramsOf(raw: Buffer): string | undefined {
  const params: Node | undefined = memberAt(readTree(raw.toString('utf8')), 'params');
  return params === undefined ? undefined : writeTree(params);
}

/** A POST of exactly these bytes, in a session or without one. */
export async function postBytes(
  daemon: TestDaemon,
  body: Buffer | string,
  headers: Readonly<Record<string, string>>,
  server = 'fx',
): Promise<RawReply> {
  const { replies } = await exchange(
    daemon.port,
    postText(`/servers/${server}/mcp`, daemon.port, { Connection: 'close', ...headers }, body),
  );
  assert.equal(replies.length, 1, 'one request has one response');
  return replies[0] as RawReply;
}

export function headersOf(session: TestSession): Record<string, string> {
  return { Authorization: `Bearer ${session.key}`, 'Mcp-Session-Id': session.id };
}

/** The JSON-RPC error code of a response, or undefined. */
export function errorCode(reply: { readonly body: string }): number | undefined {
  if (reply.body === '') return undefined;
  return (JSON.parse(reply.body) as { error?: { code: number } }).error?.code;
}

/** The daemon still runs and serves. */
export async function assertServes(daemon: TestDaemon): Promise<void> {
  assert.equal(daemon.child?.exitCode, null, daemon.output.slice(-2000));
  const session = await daemon.session('fx');
  assert.equal(await session.text('read_file', { path: '/ok.txt' }), 'content of /ok.txt');
  await fetch(`${daemon.url}/servers/fx/mcp`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${session.key}`, 'mcp-session-id': session.id },
  });
}

/** What `mcpd ctl` does, without the cost of a process for each command. */
export async function order(
  daemon: TestDaemon,
  command: string,
  args: Readonly<Record<string, Json>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  return ask(join(daemon.state, 'control', 'mcpd.sock'), command, args, { operator: 'attacker' });
}

/** The id of the one call that waits for a yes. */
export async function question(daemon: TestDaemon): Promise<string> {
  let id: string | undefined;
  await until('a call waits for a yes', async () => {
    const { approvals } = (await order(daemon, 'approvals')) as { approvals: { id: string }[] };
    assert.ok(approvals.length <= 1);
    id = approvals[0]?.id;
    return id !== undefined;
  });
  return id ?? '';
}
