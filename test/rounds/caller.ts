/** A client of the modern era, as plain as can be, and daemons with puppets behind them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { JsonObject } from '../../src/domain/message.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import { encodeHeader, nameHeaderOf } from '../../src/protocol/mirror.ts';
import { readEvents, readOr, TestDaemon, type DaemonOptions } from '../support/daemon.ts';
import { canonicalOutput, oracle, type SeenCall } from '../support/oracle.ts';

const puppet = join(import.meta.dirname, 'servers', 'puppet.ts');
export type Step = JsonObject;

/** The server file of a puppet: `more` are further keys, `rules` tables. What it is told is in `<name>.raw`. */
export function puppetToml(
  name: string,
  era: 'legacy' | 'modern' | 'dual',
  rules: string,
  more = '',
  env: Readonly<Record<string, string>> = {},
): string {
  const variables = Object.entries(env).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return [
    'command = "$NODE"',
    `args = [${JSON.stringify(puppet)}]`,
    `protocol = "${era === 'dual' ? 'auto' : era}"`,
    more,
    '[env]',
    `FX_RAW = "$DIR/${name}.raw"`,
    `PUPPET_ERA = "${era}"`,
    ...variables,
    rules,
  ].join('\n');
}

export const allowAll = `
[[rule]]
name = "everything"
verdict = "allow"
tools = ["*"]
prompts = ["*"]
resources = ["**"]
upcalls = ["*"]
`;

export type How = {
  readonly capabilities?: JsonObject;
  readonly meta?: JsonObject;
  /** Added to, or in place of, what a proper client sends; undefined leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly id?: string | number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (message: JsonObject) => void;
};

export type Told = {
  readonly status: number;
  readonly headers: Headers;
  readonly result: JsonObject | undefined;
  readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } | undefined;
  /** What came before the answer. */
  readonly events: readonly JsonObject[];
};

export class Caller {
  readonly daemon: TestDaemon;
  readonly key: string;
  readonly server: string;
  #next = 1;

  constructor(daemon: TestDaemon, server: string, key = daemon.key) {
    this.daemon = daemon;
    this.server = server;
    this.key = key;
  }

  at(server: string): Caller {
    return new Caller(this.daemon, server, this.key);
  }

  async send(method: string, params: JsonObject = {}, how: How = {}): Promise<Told> {
    const meta = {
      [metaKeys.version]: '2026-07-28',
      [metaKeys.capabilities]: how.capabilities ?? { elicitation: {}, sampling: {}, roots: {} },
      ...how.meta,
    };
    const body = { jsonrpc: '2.0', id: how.id ?? this.#next++, method, params: { ...params, _meta: meta } };
    const name = nameHeaderOf(method, params);
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${this.key}`,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name === undefined ? {} : { 'mcp-name': encodeHeader(name) }),
    };
    for (const [header, value] of Object.entries(how.headers ?? {}))
      if (value === undefined) delete headers[header];
      else headers[header] = value;
    const response = await fetch(`${this.daemon.url}/servers/${this.server}/mcp`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal: how.signal ?? null,
    });
    const messages: JsonObject[] = [];
    if ((response.headers.get('content-type') ?? '').startsWith('text/event-stream'))
      await readEvents(response, (message) => {
        messages.push(message as JsonObject);
        how.onEvent?.(message as JsonObject);
      });
    else {
      const text = await response.text();
      if (text !== '') messages.push(JSON.parse(text) as JsonObject);
    }
    const answer = (messages.at(-1) ?? {}) as Partial<Pick<Told, 'result' | 'error'>>;
    return {
      status: response.status,
      headers: response.headers,
      result: answer.result,
      error: answer.error,
      events: messages.slice(0, -1),
    };
  }

  /** A call of a puppet's tool. */
  play(steps: readonly Step[], more: JsonObject = {}, how: How = {}): Promise<Told> {
    return this.send('tools/call', { name: 'play', arguments: { steps: [...steps] }, ...more }, how);
  }

  /** The same, of a child of the modern era: what it does in each round. */
  rounds(rounds: readonly (readonly Step[])[], more: JsonObject = {}, how: How = {}): Promise<Told> {
    return this.send(
      'tools/call',
      { name: 'play', arguments: { rounds: rounds.map((it) => [...it]) }, ...more },
      how,
    );
  }
}

/** What a caller sends in the next round: the state that it was given and an answer to every question. */
export function going(told: Told): JsonObject {
  assert.equal(told.result?.['resultType'], 'input_required', JSON.stringify(told.error ?? told.result));
  const asked = Object.keys((told.result['inputRequests'] ?? {}) as JsonObject);
  const state = told.result['requestState'];
  return {
    inputResponses: Object.fromEntries(
      asked.map((key) => [key, { action: 'accept', content: { name: key } }]),
    ),
    ...(state === undefined ? {} : { requestState: state }),
  };
}

/** What a puppet told about a call that it answered in its own words. */
export function playedBy(told: Told): {
  replies: JsonObject[];
  inputResponses?: JsonObject;
  requestState?: string;
  pid: number;
} {
  const content = told.result?.['content'] as [{ text: string }] | undefined;
  assert.ok(content !== undefined && told.result?.['isError'] !== true, JSON.stringify(told));
  return JSON.parse(content[0].text) as ReturnType<typeof playedBy>;
}

/** What a puppet was written, one message each. */
export function heardBy(daemon: TestDaemon, name: string): JsonObject[] {
  return readOr(join(daemon.dir, `${name}.raw`), '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonObject);
}

export const callsOf = (daemon: TestDaemon, name: string): JsonObject[] =>
  heardBy(daemon, name)
    .filter(({ method }) => method === 'tools/call')
    .map(({ params }) => params as JsonObject);

/** There is one way to read what a puppet was written, and nobody, however he reads it, sees a call that `permitted` refuses. */
export function assertClean(daemon: TestDaemon, name: string, permitted: (call: SeenCall) => boolean): void {
  const bytes = Buffer.from(readOr(join(daemon.dir, `${name}.raw`), ''));
  assert.ok(bytes.length > 0, `${name} was told nothing`);
  assert.deepEqual(canonicalOutput(bytes, { lineBytesMax: 8 * 1024 * 1024, depthMax: 66 }), []);
  assert.deepEqual(oracle(bytes, permitted), []);
}

export async function startPuppets(
  servers: Readonly<Record<string, string>>,
  more: Partial<DaemonOptions> = {},
): Promise<{ daemon: TestDaemon; bob: string } & AsyncDisposable> {
  const daemon = await TestDaemon.start({ servers, ...more });
  const bob = await daemon.addKey('bob');
  return { daemon, bob, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

export const elicit = (message: string): Step => ({
  ask: { method: 'elicitation/create', params: { message } },
});
export const form = { method: 'elicitation/create', params: { message: 'who?' } };
export const asks = (inputRequests: unknown, more: object = {}): Step =>
  ({ result: { resultType: 'input_required', inputRequests, ...more } }) as JsonObject;
