import { usualCare } from '../../src/domain/care.ts';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { realClock } from '../../src/domain/clock.ts';
import type { Call, Target } from '../../src/domain/call.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, Json, JsonObject, JsonText, Message } from '../../src/domain/message.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import { Pass } from '../../src/domain/pass.ts';
import type { Redacted } from '../../src/domain/redacted.ts';
import type { Upcall } from '../../src/domain/upstream.ts';
import type { FleetDeps } from '../../src/fleet/deps.ts';
import { Fleet } from '../../src/fleet/fleet.ts';
import { standardPace, type Pace } from '../../src/fleet/pace.ts';
import { encode, valueOf } from '../../src/protocol/codec.ts';

const servers = path.join(import.meta.dirname, '..', 'fixtures', 'servers');

/** As if the file said `sandbox = "off"` and nothing else about it. */
export const noWall: ServerSpec['wall'] = {
  sandbox: 'off',
  network: false,
  read: [],
  write: [],
  resources: {
    memoryBytesMax: 2 ** 31,
    tmpBytesMax: 2 ** 28,
    openFilesMax: 4096,
    processesMax: 1024,
    cpuMsMax: 86_400_000,
    output: { bytesMax: 2 ** 32, perMs: 60_000 },
  },
};

/** A spec that runs a fixture server on our own node. */
export function specOf(fixture: string, more: Partial<ServerSpec> = {}): ServerSpec {
  return {
    name: 'fx',
    command: process.execPath,
    args: [path.join(servers, `${fixture}.ts`)],
    cwd: servers,
    env: {},
    secrets: {},
    sharing: 'session',
    protocol: 'legacy',
    idleMs: 600_000,
    spare: 0,
    concurrency: 16,
    waitingMax: 16,
    answerWithinMs: 10_000,
    startWithinMs: 10_000,
    childrenMax: 8,
    answerWithinMsMax: 3_600_000,
    care: usualCare,
    lineBytesMax: 1024 * 1024,
    wall: noWall,
    ...more,
  };
}

/** Restarts at once and stops in small steps, so that no test waits for what it does not test. */
export const quickPace: Pace = {
  ...standardPace,
  backoffBaseMs: 20,
  backoffCapMs: 40,
  stopStepMs: 200,
  drainMs: 100,
  stormMs: 50,
  followAgainMs: 50,
};

export type Logged = { readonly level: string; readonly fields: object; readonly message: string };

/** A fleet with everything it said and passed on. */
export function fleetOf(more: Partial<FleetDeps> = {}): {
  fleet: Fleet;
  upcalls: Upcall[];
  logged: Logged[];
  cookie: string;
} {
  const upcalls: Upcall[] = [];
  const logged: Logged[] = [];
  const cookie = `test-cookie-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const fleet = new Fleet({
    clock: realClock,
    random: () => 0,
    cookie,
    log: (level, fields, message) => logged.push({ level, fields, message }),
    clean: (text) => text as Redacted,
    secretsFor: () => Promise.resolve({}),
    onUpcall: (upcall) => upcalls.push(upcall),
    bounds: { depthMax: 64 },
    version: '0.0.0',
    pace: quickPace,
    ...more,
  });
  return { fleet, upcalls, logged, cookie };
}

let calls = 0;

export type Asked = { readonly pass: Pass; readonly call: Call };

/** A pass as the trail would issue it. */
export function passOf(
  message: Message,
  sessionId = 'A',
  stands: () => boolean = () => true,
  caller = 'tester',
): Asked {
  const principal = { name: caller };
  const method = message.kind === 'reply' ? 'reply' : message.method;
  const target: Target = { kind: 'protocol', method };
  const params =
    message.kind === 'reply' || message.params === undefined ? {} : (valueOf(message.params) as JsonObject);
  const call: Call = {
    id: `call-${++calls}`,
    at: 0,
    remote: '127.0.0.1',
    principal,
    session: { id: sessionId, principal, server: 'fx', era: 'legacy', agreed: undefined },
    server: 'fx',
    target,
    message,
    params,
    userAgent: undefined,
    outlet: { send: () => 'gone' },
    halt: new Halt(),
    mirror: undefined,
    resumes: undefined,
  };
  const permit = { kind: 'allow', rule: 'test', record: [], rates: [], would: undefined } as const;
  const receipt = { kind: 'paid', done: () => undefined, would: undefined } as const;
  const approval = { kind: 'approved', by: 'nobody had to be asked' } as const;
  return {
    call,
    pass: Pass.issue({ call, permit, receipt, approval, ordersVersion: '1', attempt: 1, stands }),
  };
}

export function request(method: string, params?: Json, id: string | number = 1): Message {
  return { kind: 'request', id, method, params: params === undefined ? undefined : encode(params) };
}

export function notice(method: string, params?: Json): Message {
  return { kind: 'notice', method, params: params === undefined ? undefined : encode(params) };
}

export function toolCall(name: string, args: JsonObject = {}, meta?: JsonObject): Message {
  return request('tools/call', { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) });
}

export const clientHello = {
  protocolVersion: '2025-06-18',
  capabilities: { roots: {} },
  clientInfo: { name: 'client', version: '9' },
};

/** Opens a session as a client does. */
export async function openSession(fleet: Fleet, sessionId = 'A'): Promise<JsonObject> {
  const answer = await fleet.forward(passOf(request('initialize', clientHello), sessionId).pass);
  await fleet.forward(passOf(notice('notifications/initialized'), sessionId).pass);
  return resultOf(answer);
}

export async function ask(fleet: Fleet, message: Message, sessionId = 'A'): Promise<JsonObject> {
  return resultOf(await fleet.forward(passOf(message, sessionId).pass));
}

/** The text of a tool's first content. */
export async function callText(fleet: Fleet, message: Message, sessionId = 'A'): Promise<string> {
  const result = await ask(fleet, message, sessionId);
  return (result['content'] as [{ text: string }])[0].text;
}

export function resultOf(answer: Answer | undefined): JsonObject {
  if (answer?.kind !== 'result') throw new Error(`not a result: ${answer?.text}`);
  return valueOf(answer.text) as JsonObject;
}

export function errorOf(answer: Answer | undefined): JsonObject {
  if (answer?.kind !== 'error') throw new Error(`not an error: ${answer?.text}`);
  return valueOf(answer.text) as JsonObject;
}

/** Waits until something is so, and says what was not: a loop without end would keep the children of a failed test alive. */
export async function until(isSo: () => boolean, tries = 3000): Promise<void> {
  for (let i = 0; !isSo(); i++) {
    if (i >= tries) throw new Error(`still not so: ${String(isSo)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Whether a process runs. One that is dead and not yet collected by its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export const json = (text: string): JsonText => text as JsonText;
