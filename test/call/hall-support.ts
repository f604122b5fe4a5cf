/** A hall with scripted servers: real sessions, real policy, real story; nothing but the servers and the clock is made up. */
import type { DataPlane } from '../../src/call/data-plane.ts';
import type { HallPlane } from '../../src/call/hall-plane.ts';
import { handleHall } from '../../src/call/hall.ts';
import { handleUpcall } from '../../src/call/handle-upcall.ts';
import { CallsInFlight } from '../../src/call/in-flight.ts';
import { HallSessions } from '../../src/callers/hall-sessions.ts';
import { SessionStore } from '../../src/callers/sessions.ts';
import { TaskLedger } from '../../src/callers/tasks.ts';
import type { Arrival, Call } from '../../src/domain/call.ts';
import type { Session } from '../../src/domain/caller.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, JsonText, Message, RequestId } from '../../src/domain/message.ts';
import type { Orders, RuleText, Switches } from '../../src/domain/orders.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import { Pass } from '../../src/domain/pass.ts';
import type { UpstreamState } from '../../src/domain/upstream.ts';
import { compile } from '../../src/policy/compile.ts';
import { wordOutcome } from '../../src/protocol/wire-errors.ts';
import { noSwitches, rule, serverFile } from '../policy/support.ts';
import { quiet } from './quiet.ts';

export type Json = Record<string, unknown>;
export const json = (value: unknown): JsonText => JSON.stringify(value) as JsonText;
export const result = (value: unknown): Answer => ({ kind: 'result', text: json(value) });
export const error = (code: number, message = 'no'): Answer => ({
  kind: 'error',
  text: json({ code, message }),
});

/** What a server answers; undefined for what asks for no answer. Never settles: it hangs until it is halted. */
export type Server = (call: Call) => Answer | undefined | Promise<Answer | undefined>;

export const allowAll: readonly RuleText[] = [
  rule('all', 'allow', { tools: ['*'], resources: ['**'], prompts: ['*'], upcalls: ['*'] }),
];

export const capabilities = { tools: {}, prompts: {}, resources: {}, logging: {}, tasks: {} };

/** A server that has what these tables say, and answers any call with the name it was called by. */
export function serving(listed: { tools?: string[]; prompts?: string[]; uris?: string[] } = {}): Server {
  const { tools = [], prompts = [], uris = [] } = listed;
  return ({ message, target, params }) => {
    if (message.kind !== 'request') return undefined;
    switch (message.method) {
      case 'initialize':
        return result({
          protocolVersion: '2025-11-25',
          capabilities,
          serverInfo: { name: 's', version: '1' },
        });
      case 'tools/list':
        return result({ tools: tools.map((name) => ({ name, inputSchema: { type: 'object' } })) });
      case 'prompts/list':
        return result({ prompts: prompts.map((name) => ({ name })) });
      case 'resources/list':
        return result({ resources: uris.map((uri) => ({ uri, name: uri })) });
      case 'resources/read':
        return result({ contents: [{ uri: params['uri'], text: '' }] });
      case 'tools/call':
        return result({ content: [{ type: 'text', text: target.kind === 'tool' ? target.name : '' }] });
      default:
        return result({});
    }
  };
}

/** A server that answers nothing, and only ends when it is halted. */
export const hangs: Server = ({ halt }) =>
  new Promise((_, reject) => halt.listen((reason) => reject(new Fault('CANCELLED', { detail: reason }))));

/** The same server, but for one method. */
export const except =
  (method: string, other: Server, server: Server): Server =>
  (call) =>
    call.message.kind === 'request' && call.message.method === method ? other(call) : server(call);

export type Rules = Readonly<Record<string, readonly RuleText[]>>;

export function ordersOf(rules: Rules, switches: Switches = noSwitches, version = 'v1'): Orders {
  const files = Object.entries(rules).map(([name, its]) => serverFile(name, its));
  const compiled = compile(files, { limits: [], roles: [], webhooks: [] }, { switches, grants: [] }, version);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.complaints));
  return compiled.orders;
}

export const off = { at: 0, by: 'operator', reason: '' };

/** One thing that was written down: which message, for which server, how it ended. */
export type Entry = {
  readonly id: string;
  readonly server: string;
  readonly method: string;
  readonly end: string;
};

export class TestHall {
  readonly servers: Record<string, Server>;
  readonly plane: HallPlane;
  readonly guests: HallSessions;
  readonly sessions: SessionStore;
  readonly inFlight = new CallsInFlight();
  orders: Orders;
  /** Every message that reached a server. */
  readonly reached: Call[] = [];
  /** What was written down, in the order in which it ended. */
  readonly record: Entry[] = [];
  readonly named = new Map<string, string[]>();
  /** Timers that have not gone off: how long they wait, and what then. */
  readonly timers = new Map<object, { readonly ms: number; readonly then: () => void }>();
  journal: 'works' | 'is broken' = 'works';
  readonly states = new Map<string, UpstreamState>();
  #next = 0;

  constructor(servers: Record<string, Server>, rules?: Rules, profiles: Record<string, string[]> = {}) {
    this.servers = servers;
    for (const name of Object.keys(servers)) this.states.set(name, 'ready');
    this.orders = ordersOf(rules ?? Object.fromEntries(Object.keys(servers).map((name) => [name, allowAll])));
    this.sessions = new SessionStore({
      clock: { wallMs: () => 0, steadyMs: () => 0 },
      bounds: { sessionsMax: 100, perCallerMax: 50, idleMs: 1000 },
      onEnd: (session) => {
        this.guests.end(session);
        this.inFlight.haltWhere((call) => call.session.id === session.id, 'session ended');
      },
    });
    this.guests = new HallSessions((session) => this.sessions.end(session));
    this.plane = {
      data: this.#data(),
      guests: this.guests,
      attach: (session, stream) =>
        this.sessions.find(session.principal, session.server, session.id).attach(stream),
      profiles: new Map(Object.entries(profiles)),
      names: (server) => this.named.get(server) ?? [],
      states: () => new Map(this.states),
      partWithinMs: 10_000,
      after: (ms, then) => {
        const timer = { ms, then };
        this.timers.set(timer, timer);
        return () => void this.timers.delete(timer);
      },
      version: '0.0.0',
    };
  }

  /** Lets every timer of at most so many milliseconds go off. */
  ring(ms = 10_000): void {
    for (const [timer, { ms: within, then }] of [...this.timers]) {
      if (within > ms || !this.timers.delete(timer)) continue;
      then();
    }
  }

  /** The names of the calls that reached a server, as that server was told them. */
  reachedBy(method: string): string[] {
    return this.reached
      .filter(({ message }) => message.kind === 'request' && message.method === method)
      .map(
        ({ server, target }) =>
          `${server}/${target.kind === 'tool' || target.kind === 'prompt' ? target.name : target.kind === 'resource' ? target.uri : target.kind}`,
      );
  }

  /** A legacy client, introduced. */
  async client(options: { caller?: string; hall?: string; params?: Json } = {}): Promise<TestGuest> {
    const guest = new TestGuest(this, options.caller ?? 'ann', options.hall ?? '*');
    const params = options.params ?? {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'c', version: '1' },
    };
    const hello = await guest.request('initialize', params);
    if (hello.kind !== 'answered' || hello.opened === undefined)
      throw new Error(JSON.stringify(wordOutcome(hello, '', 'legacy')));
    guest.session = hello.opened;
    guest.greeting = JSON.parse(hello.answer.text) as Json;
    await guest.notify('notifications/initialized');
    return guest;
  }

  /** A modern client. */
  modern(caller = 'ann', hall = '*'): TestGuest {
    return new TestGuest(this, caller, hall, 'modern');
  }

  /** A server says something by itself, to the session in which it was last called. */
  says(server: string, message: Message, settle: (answer: Answer) => void = () => undefined): void {
    const session = this.reached.findLast((call) => call.server === server)?.session;
    if (session === undefined || message.kind === 'reply') throw new Error('nobody to say it to');
    handleUpcall(
      { server, audience: { kind: 'session', sessionId: session.id }, message, callId: undefined, settle },
      this.plane.data,
    );
  }

  nextId(): string {
    return `c-${++this.#next}`;
  }

  #data(): DataPlane {
    const tasks = new TaskLedger();
    return {
      audit: {
        open: (arrival) => {
          if (this.journal === 'is broken') throw new Fault('AUDIT_UNAVAILABLE');
          const { id, server, message } = arrival;
          const method = message.kind === 'reply' ? '(reply)' : message.method;
          let decided = '';
          return {
            identified: () => undefined,
            named: () => undefined,
            found: () => undefined,
            decided: (decision) => (decided = decision.kind),
            commit: async (grounds) => Pass.issue(grounds),
            close: (outcome) => {
              const how = outcome.kind === 'failed' ? outcome.fault.code : outcome.kind;
              this.record.push({ id, server, method, end: `${decided}, ${how}` });
            },
          };
        },
        upcall: () => undefined,
      },
      callers: {
        identify: (credentials) => {
          if (credentials.kind !== 'bearer') throw new Fault('UNAUTHENTICATED');
          return { name: credentials.token };
        },
      },
      sessions: {
        resolve: (...about: Parameters<SessionStore['resolve']>) => this.sessions.resolve(...about),
        agree: (...about: Parameters<SessionStore['agree']>) => this.sessions.agree(...about),
        disown: (...about: Parameters<SessionStore['disown']>) => this.sessions.disown(...about),
        reachedBy: (...about: Parameters<SessionStore['reachedBy']>) => this.sessions.reachedBy(...about),
        standing: (...about: Parameters<SessionStore['standing']>) => this.sessions.standing(...about),
      },
      orders: { current: () => this.orders },
      inFlight: this.inFlight,
      ...quiet,
      tasks,
      rounds: { resume: (call) => call, pause: (_call, answer) => answer },
      fleet: {
        hold: () => undefined,
        mirrored: () => [],
        inputSchema: () => undefined,
        bindingOf: () => '@',
        forward: async (pass) => {
          const call = pass.spend();
          this.reached.push(call);
          const server = this.servers[call.server];
          if (server === undefined) throw new Fault('UPSTREAM_DOWN');
          return server(call);
        },
      },
    };
  }
}

/** One client of the hall. */
export class TestGuest {
  readonly hall: TestHall;
  readonly caller: string;
  readonly place: string;
  readonly era: 'legacy' | 'modern';
  session: Session | undefined;
  greeting: Json = {};
  /** What it heard on the stream of a request. */
  readonly heard: Json[] = [];
  #next = 0;

  constructor(hall: TestHall, caller: string, place: string, era: 'legacy' | 'modern' = 'legacy') {
    this.hall = hall;
    this.caller = caller;
    this.place = place;
    this.era = era;
  }

  arrival(message: Message, halt = new Halt()): Arrival {
    return {
      id: this.hall.nextId(),
      at: 0,
      remote: '127.0.0.1',
      server: this.place,
      credentials: { kind: 'bearer', token: this.caller },
      sessionId: this.session?.id,
      userAgent: undefined,
      message,
      era: this.era,
      mirror: undefined,
      halt,
      outlet: {
        send: (text) => {
          this.heard.push(JSON.parse(text) as Json);
          return 'sent';
        },
      },
    };
  }

  send(message: Message, halt?: Halt): Promise<Outcome> {
    return handleHall(this.arrival(message, halt), this.hall.plane);
  }

  request(
    method: string,
    params?: Json | string,
    id: RequestId = ++this.#next,
    halt?: Halt,
  ): Promise<Outcome> {
    const text =
      typeof params === 'string' ? (params as JsonText) : params === undefined ? undefined : json(params);
    return this.send({ kind: 'request', id, method, params: text }, halt);
  }

  notify(method: string, params?: Json): Promise<Outcome> {
    return this.send({ kind: 'notice', method, params: params === undefined ? undefined : json(params) });
  }

  call(name: string, more: Json = {}): Promise<Outcome> {
    return this.request('tools/call', { name, arguments: {}, ...more });
  }

  /** What a request is answered with on the wire. */
  async said(method: string, params?: Json | string): Promise<Json> {
    return onTheWire(await this.request(method, params), this.era);
  }

  /** Holds the standing stream; gives what is said on it. */
  listen(): Json[] {
    const { session } = this;
    if (session === undefined) throw new Error('no session');
    const said: Json[] = [];
    this.hall.sessions.find(session.principal, session.server, session.id).attach({
      send: (text) => {
        said.push(JSON.parse(text) as Json);
        return 'sent';
      },
      close: () => undefined,
    });
    return said;
  }
}

export function onTheWire(outcome: Outcome, era: 'legacy' | 'modern' = 'legacy'): Json {
  return JSON.parse(wordOutcome(outcome, 'id', era).body) as Json;
}

export function textOf(outcome: Outcome): string {
  return outcome.kind === 'answered' ? outcome.answer.text : outcome.kind;
}

/** Lets everything happen that waits for nothing. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
