import assert from 'node:assert/strict';
import { Fault } from '../../src/domain/faults.ts';
import type { Answer, JsonObject } from '../../src/domain/message.ts';
import type { Upcall, UpstreamStatus } from '../../src/domain/upstream.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import {
  clientHello,
  fleetOf,
  notice,
  passOf,
  request,
  resultOf,
  specOf,
  toolCall,
  until,
  type Asked,
} from './support.ts';

export type Running = ReturnType<typeof fleetOf>;

/** Fleets that one test file has started; `stopAll` after each test. */
export class Fleets {
  readonly #running: Fleet[] = [];

  start(spec: Parameters<typeof specOf>, more: Parameters<typeof fleetOf>[0] = {}): Running {
    const parts = fleetOf(more);
    this.#running.push(parts.fleet);
    parts.fleet.apply([specOf(...spec)]);
    return parts;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((fleet) => fleet.stop()));
  }
}

/** One client of the server "fx": a session of a caller. */
export class Client {
  readonly fleet: Fleet;
  readonly caller: string;
  readonly session: string;
  readonly #upcalls: readonly Upcall[];

  constructor({ fleet, upcalls }: Running, caller: string, session: string) {
    this.fleet = fleet;
    this.caller = caller;
    this.session = session;
    this.#upcalls = upcalls;
  }

  static async open(running: Running, caller: string, session: string): Promise<Client> {
    const client = new Client(running, caller, session);
    await client.hello();
    return client;
  }

  async hello(): Promise<JsonObject> {
    const greeting = await this.request('initialize', clientHello);
    await this.fleet.forward(this.pass(notice('notifications/initialized')).pass);
    return resultOf(greeting);
  }

  pass(message: Parameters<typeof passOf>[0]): Asked {
    return passOf(message, this.session, undefined, this.caller);
  }

  request(method: string, params: JsonObject = {}): Promise<Answer | undefined> {
    return this.fleet.forward(this.pass(request(method, params)).pass);
  }

  follow(uri: string): Promise<Answer | undefined> {
    return this.request('resources/subscribe', { uri });
  }

  unfollow(uri: string): Promise<Answer | undefined> {
    return this.request('resources/unsubscribe', { uri });
  }

  setLevel(level: string): Promise<Answer | undefined> {
    return this.request('logging/setLevel', { level });
  }

  /** The text of a tool's first content. */
  async call(name: string, args: JsonObject = {}, meta?: JsonObject): Promise<string> {
    const result = resultOf(await this.fleet.forward(this.pass(toolCall(name, args, meta)).pass));
    return (result['content'] as [{ text: string }])[0].text;
  }

  /** What its child was told so far. */
  async told(): Promise<{ pid: number; level: string; told: string[] }> {
    return JSON.parse(await this.call('told')) as { pid: number; level: string; told: string[] };
  }

  /** What reached this session, or one of its calls, in order: the text of the params of each message of this method. */
  heard(method: string): string[] {
    return this.#upcalls
      .filter(({ audience, message }) => {
        const isHere =
          audience.kind === 'everyone' ||
          (audience.kind === 'session' && audience.sessionId === this.session);
        return isHere && message.method === method;
      })
      .map(({ message }) => message.params ?? '');
  }

  news(): string[] {
    return this.heard('notifications/resources/updated').map((it) => (JSON.parse(it) as { uri: string }).uri);
  }

  lines(): string[] {
    return this.heard('notifications/message').map((it) => (JSON.parse(it) as { data: string }).data);
  }

  end(): Promise<void> {
    return this.fleet.endSession(this.session);
  }
}

export const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;

export function statusOf(fleet: Fleet): UpstreamStatus {
  const [status] = fleet.status();
  assert.ok(status !== undefined);
  return status;
}

/** Waits until a child was told exactly this, in any order. */
export async function untilTold(client: Client, expected: readonly string[]): Promise<void> {
  const wanted = [...expected].sort().join('\n');
  let said = '';
  const isSo = () => {
    void client.told().then(
      ({ told }) => (said = [...told].sort().join('\n')),
      () => undefined,
    );
    return said === wanted;
  };
  await until(isSo, 1000).catch(() => assert.equal(said, wanted));
}
