/**
 * A daemon whose tools are each asked about in another way, official clients with a user who thinks before answering, and
 * one face for all of it: a call that is held, and whoever can let it go.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask, type Answer } from '../../src/control/client.ts';
import type { Json } from '../../src/domain/message.ts';
import { Chat } from '../confirm/chat.ts';
import { asking, type Asked, type ClientKind, type Filled } from '../confirm/official.ts';
import { rule, serving, TestDaemon, until, type WaitingQuestion } from './daemon.ts';

export const yes: Filled = { action: 'accept', content: { approve: true } };
export const no: Filled = { action: 'decline' };

/** What a call came to; a call never throws here. */
export type End = { readonly went: boolean; readonly text: string };

/** A call that somebody must agree to. */
export type Held = {
  readonly end: Promise<End>;
  /** Whether `end` is known. */
  readonly isOver: () => boolean;
  /** Whoever is asked says yes. Gives whether that was still worth something; undefined: they are not told. */
  readonly yes: () => Promise<boolean | undefined>;
  /** Undefined where nobody can say no: a model that does not want a call simply does not repeat it. */
  readonly no: (() => Promise<boolean | undefined>) | undefined;
  readonly cancel: () => void;
  /** Under which the question is answered, where somebody else than the caller is asked. */
  readonly id?: string;
};

/** One way to be asked. */
export type Way = {
  readonly name: string;
  readonly tool: string;
  readonly asks: string;
  /** Whether the call waits for the answer, or is made again with it. */
  readonly waits: (kind: ClientKind) => boolean;
  readonly hold: (house: House, guest: Guest, mark: string, tool?: string) => Promise<Held>;
  /** Who said yes, as the record has it. */
  readonly approvedBy: string;
};

const always = () => true;

export const ways: readonly Way[] = [
  {
    name: 'the caller’s own user',
    tool: 'by_user',
    asks: 'ask = "caller"',
    waits: (kind) => kind !== 'v2, modern era',
    approvedBy: 'caller:tester',
    hold: async (_house, guest, mark, tool = 'by_user') => {
      const call = guest.begin(tool, mark);
      const form = await guest.form(mark, call);
      const says = (filled: Filled) => async () => void form.fill(filled);
      return { ...call, yes: says(yes), no: says(no) };
    },
  },
  {
    name: 'the operator',
    tool: 'by_operator',
    asks: 'ask = "operator"',
    waits: always,
    approvedBy: 'olivia',
    hold: async (house, guest, mark, tool = 'by_operator') => {
      const call = guest.begin(tool, mark);
      const { id } = await house.question(mark, call);
      return {
        ...call,
        id,
        yes: () => house.says('approve', id),
        no: () => house.says('deny', id),
      };
    },
  },
  {
    name: 'a chat',
    tool: 'by_chat',
    asks: 'ask = "webhook:chat"',
    waits: always,
    approvedBy: 'webhook:chat/bob',
    hold: async (house, guest, mark, tool = 'by_chat') => {
      const call = guest.begin(tool, mark);
      const id = await house.askedInChat(mark, call);
      return { ...call, id, yes: () => house.bobSays('approve', id), no: () => house.bobSays('deny', id) };
    },
  },
  {
    name: 'two different people',
    tool: 'by_two',
    asks: 'ask = ["operator", "webhook:chat"]\napprovals = 2',
    waits: always,
    approvedBy: 'olivia, webhook:chat/bob',
    // One of them has said yes already, which is when it becomes delicate.
    hold: async (house, guest, mark, tool = 'by_two') => {
      const call = guest.begin(tool, mark);
      const id = await house.askedInChat(mark, call);
      const first = await house.order('approve', { id });
      assert.equal(first['still'], 1);
      return { ...call, id, yes: () => house.bobSays('approve', id), no: () => house.bobSays('deny', id) };
    },
  },
  {
    name: 'a ticket',
    tool: 'by_ticket',
    asks: 'ask = "ticket"',
    waits: () => false,
    approvedBy: 'ticket:tester',
    hold: async (_house, guest, mark, tool = 'by_ticket') => {
      const mcpd_ticket = await guest.ticket(tool, mark);
      const second = Promise.withResolvers<End>();
      let underWay = 0;
      let over = false;
      return {
        end: second.promise,
        isOver: () => over,
        yes: async () => {
          underWay++;
          const end = await guest.call(tool, mark, { mcpd_ticket });
          underWay--;
          // Of several that come with it at once, the one that went is what it came to.
          if (end.went || underWay === 0) {
            over = true;
            second.resolve(end);
          }
          return undefined;
        },
        no: undefined,
        cancel: () => undefined,
      };
    },
  },
];

export const wayNamed = (name: string): Way => {
  const way = ways.find((it) => it.name === name);
  assert.ok(way !== undefined, name);
  return way;
};

/** The same tools with a second to answer in. */
export const hasty = ({ tool }: Way): string => `hasty_${tool}`;

const tools = ways.flatMap((way) => [way.tool, hasty(way)]);
export const serverFile = (more = ''): string =>
  serving('answers', `[env]\nFX_RAW = "$DIR/raw.log"\nFX_TOOLS = "${[...tools, 'for_a_while'].join(',')}"`) +
  rule('allow', ['echo']) +
  ways
    .map(
      (way) =>
        rule('confirm', [way.tool], `${way.asks}\nanswer_within = "20s"`) +
        rule('confirm', [hasty(way)], `${way.asks}\nanswer_within = "1s"`),
    )
    .join('') +
  rule(
    'confirm',
    ['for_a_while'],
    'ask = ["operator", "webhook:chat"]\nlease_max = "10m"\nlease_same = ["path", "deep.er"]',
  ) +
  more;

/** The daemon, the chat system it asks, and its operator, whose name is Olivia. */
export class House {
  readonly daemon: TestDaemon;
  readonly chat: Chat;
  /** Olivia's own operator token. */
  readonly #token: string;
  readonly #guests: Guest[] = [];

  private constructor(daemon: TestDaemon, chat: Chat, token: string) {
    this.daemon = daemon;
    this.chat = chat;
    this.#token = token;
  }

  /** `top`: keys of the server file, such as how its children are shared. */
  static async open(top = ''): Promise<House> {
    const chat = await Chat.open();
    try {
      const daemon = await TestDaemon.start({
        servers: { fx: `${top}\n${serverFile()}` },
        daemon: `[webhooks.chat]\nurl = "${chat.url}"\nsecret = "file:$DIR/chat.secret"\n`,
        prepare: ({ dir }) => writeFileSync(join(dir, 'chat.secret'), chat.key, { mode: 0o600 }),
      });
      const added = await daemon.mcpd(['operator', 'add', 'olivia', '--role', 'operator', '--json']);
      return new House(daemon, chat, (JSON.parse(added.stdout) as { token: string }).token);
    } catch (reason) {
      chat.close();
      throw reason;
    }
  }

  /** All guests go home. */
  async empty(): Promise<void> {
    await Promise.all(this.#guests.splice(0).map((guest) => guest.close()));
  }

  async close(): Promise<void> {
    await this.empty();
    await this.daemon[Symbol.asyncDispose]();
    this.chat.close();
  }

  /** An official client that comes in by `/servers/fx/mcp`, or by the one address of all servers. */
  async guest(kind: ClientKind, door: Door = 'its own address', key = this.daemon.key): Promise<Guest> {
    const guest = await Guest.open(this.daemon, kind, door, key);
    this.#guests.push(guest);
    return guest;
  }

  /** What the operator types, without the time that starting a process takes. It must be done. */
  async order(command: string, args: Readonly<Record<string, Json>> = {}): Promise<Record<string, unknown>> {
    const reply = await this.#ask(command, args);
    assert.equal(reply.ok, true, `${command}: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** What the operator says to a question, and whether that was still worth something. */
  async says(verdict: 'approve' | 'deny', id: string): Promise<boolean> {
    const reply = await this.#ask(verdict, { id });
    return reply.ok && reply['changed'] === true;
  }

  #ask(command: string, args: Readonly<Record<string, Json>>): Promise<Answer> {
    return ask(join(this.daemon.state, 'control', 'mcpd.sock'), command, args, {
      token: this.#token,
    });
  }

  /** What Bob says in the chat, likewise. */
  async bobSays(verdict: 'approve' | 'deny', id: string): Promise<boolean> {
    return (await this.chat.answer(this.daemon, { id, verdict, by: 'bob' })) === 200;
  }

  async approvals(): Promise<WaitingQuestion[]> {
    return (await this.order('approvals'))['approvals'] as WaitingQuestion[];
  }

  async question(mark: string, call: Pick<Held, 'end' | 'isOver'>): Promise<WaitingQuestion> {
    let found: WaitingQuestion | undefined;
    await asked(call, `the operator about ${mark}`, async () => {
      found = (await this.approvals()).find(({ argsText }) => argsText.includes(mark));
      return found !== undefined;
    });
    return found as WaitingQuestion; // Or it threw.
  }

  async askedInChat(mark: string, call: Pick<Held, 'end' | 'isOver'>): Promise<string> {
    const found = () => this.chat.asked.find((it) => it.arguments.includes(mark));
    await asked(call, `the chat about ${mark}`, () => found() !== undefined);
    return found()?.id ?? '';
  }

  /** Whether a text reached a server, and how often. */
  timesSent(mark: string): number {
    return this.daemon.raw().split(mark).length - 1;
  }

  /** The same for a call that went, or the test fails with what it came to. */
  sentNow(mark: string, { went, text }: End): Record<string, unknown> {
    assert.ok(went, text);
    return this.sent(mark);
  }

  /** The `params` of the one message that reached a server with a text in it. */
  sent(mark: string): Record<string, unknown> {
    const lines = this.daemon
      .raw()
      .split('\n')
      .filter((line) => line.includes(mark));
    assert.equal(lines.length, 1);
    return (JSON.parse(lines[0] ?? '') as { params: Record<string, unknown> }).params;
  }
}

/** A call that ends before anybody was asked fails the test with its own words. */
async function asked(
  { end, isOver }: Pick<Held, 'end' | 'isOver'>,
  whom: string,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  await until(`somebody asks ${whom}`, async () => {
    if (await isSo()) return true;
    if (isOver()) throw new Error(`nobody asked ${whom}: ${(await end).text}`);
    return false;
  });
}

export type Door = 'its own address' | 'the address of all servers';
export const doors: readonly Door[] = ['its own address', 'the address of all servers'];

type Form = { readonly message: string; readonly fill: (filled: Filled) => void };

/** An official client whose user has not made up their mind. */
export class Guest {
  readonly kind: ClientKind;
  readonly forms: Form[] = [];
  readonly #prefix: string;
  #client!: Asked;

  private constructor(kind: ClientKind, prefix: string) {
    this.kind = kind;
    this.#prefix = prefix;
  }

  static async open(daemon: TestDaemon, kind: ClientKind, door: Door, key: string): Promise<Guest> {
    const own = door === 'its own address';
    const guest = new Guest(kind, own ? '' : 'fx__');
    const url = `${daemon.url}${own ? '/servers/fx' : ''}/mcp`;
    guest.#client = await asking(kind, url, key, (message) => guest.#show(message));
    return guest;
  }

  begin(
    tool: string,
    mark: string,
    more: Record<string, unknown> = {},
    onProgress?: (progress: number) => void,
  ): Pick<Held, 'end' | 'isOver' | 'cancel'> {
    const stop = new AbortController();
    let over = false;
    const how = { signal: stop.signal, ...(onProgress === undefined ? {} : { onProgress }) };
    const end = this.#client.call(this.#prefix + tool, { path: mark, ...more }, how).then(
      ({ text }) => ({ went: text === `called ${tool}`, text }),
      (reason: unknown) => ({ went: false, text: String(reason) }),
    );
    void end.then(() => (over = true));
    return { end, isOver: () => over, cancel: () => stop.abort() };
  }

  call(tool: string, mark: string, more: Record<string, unknown> = {}): Promise<End> {
    return this.begin(tool, mark, more).end;
  }

  async echo(text: string): Promise<string> {
    return (await this.#client.call(`${this.#prefix}echo`, { text })).text;
  }

  async form(mark: string, call: Pick<Held, 'end' | 'isOver'>): Promise<Form> {
    const found = () => this.forms.find(({ message }) => message.includes(mark));
    await asked(call, `the user about ${mark}`, () => found() !== undefined);
    return found() as Form; // Or it threw.
  }

  /** Makes a call the first time. */
  async ticket(tool: string, mark: string, more: Record<string, unknown> = {}): Promise<string> {
    const { text } = await this.call(tool, mark, more);
    const [ticket] = /mcpd-ticket-[0-9a-f]{32}/.exec(text) ?? [];
    assert.ok(ticket !== undefined, `a ticket in: ${text}`);
    return ticket;
  }

  /** Whoever still has a form before them closes it. */
  async close(): Promise<void> {
    for (const { fill } of this.forms) fill(no);
    await this.#client.close().catch(() => undefined);
  }

  /** Asked about the same call anew, which is what happens to a yes that was worth nothing, the user has had enough. */
  #show(message: string): Promise<Filled> {
    const { promise, resolve } = Promise.withResolvers<Filled>();
    const path = pathIn(message);
    if (this.forms.some((form) => pathIn(form.message) === path)) resolve(no);
    this.forms.push({ message, fill: resolve });
    return promise;
  }
}

function pathIn(message: string): string | undefined {
  return /"path" = "([^"]+)"/.exec(message)?.[1];
}
