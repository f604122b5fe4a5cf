import type { Call, Target } from '../../src/domain/call.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, Json, Message } from '../../src/domain/message.ts';
import type { Orders, Pattern, RedactText, Returns, ServerOrders } from '../../src/domain/orders.ts';
import { encode, objectOf } from '../../src/protocol/codec.ts';
import type { FitsSchema, Outward } from '../../src/redact/outward.ts';
import { Redactor } from '../../src/redact/redact.ts';

export const place = { file: 'servers/one.toml', line: 1 };

/** A [[redact]] that asks for nothing but what is said. */
export function rule(more: Partial<RedactText>): RedactText {
  return {
    name: 'privacy',
    what: [],
    patterns: [],
    fields: [],
    tools: undefined,
    direction: 'out',
    action: 'redact',
    place,
    ...more,
  };
}

export function pattern(text: string): Pattern {
  const [head = '', tail] = text.split('*');
  return {
    text,
    test: (value) => (tail === undefined ? value === text : value.startsWith(head) && value.endsWith(tail)),
  };
}

/** Orders with one server, `one`. */
export function ordersWith(redact: readonly RedactText[], returns: Record<string, Returns> = {}): Orders {
  const tools = Object.entries(returns).map(([name, it]) => ({
    text: { name, returns: it },
    pattern: pattern(name),
    args: [],
  }));
  // Only what the redactor reads of a server.
  const server = { redact, tools } as unknown as ServerOrders;
  return { servers: new Map([['one', server]]) } as unknown as Orders;
}

export function callOf(target: Target, message: Message): Call {
  const params = message.kind === 'reply' ? {} : objectOf(message.params);
  // Only what the redactor reads of a call.
  return { id: 'c1', server: 'one', target, message, params, halt: new Halt() } as unknown as Call;
}

export function toolCall(name: string, args: Json = {}): Call {
  const params = encode({ name, arguments: args });
  return callOf({ kind: 'tool', name }, { kind: 'request', id: 1, method: 'tools/call', params });
}

export function result(value: object): Answer {
  return { kind: 'result', text: encode(value) };
}

export const key = Buffer.alloc(32, 7);

export function redactorWith(fits?: FitsSchema): Redactor {
  return fits === undefined ? new Redactor({ key, pattern }) : new Redactor({ key, pattern, fits });
}

/** The result a caller is given, or what it is told instead. */
export function given(outward: Outward): Json {
  return outward.kind === 'clean' ? (JSON.parse(outward.answer.text) as Json) : outward.why.reason;
}
