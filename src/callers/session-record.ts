import type { Agreed, Principal } from '../domain/caller.ts';
import type { JsonText } from '../domain/message.ts';
import type { Pattern, Risk } from '../domain/orders.ts';
import { readJson } from '../domain/read-json.ts';
import { canonical, valueOf } from '../protocol/codec.ts';
import type { CompilePattern } from './key-ring.ts';

/** What has to be known of a session so that it can go on after a restart. Never its id. */
export type SessionRecord = {
  readonly server: string;
  /** Digest of how the server was started then: another program knows nothing of this session. */
  readonly launch: string;
  /** Each credential that was used in it, the one that opened it first. All have the same name. */
  readonly shown: readonly [Principal, ...Principal[]];
  /** The client's `initialize` params, as its child was given them. */
  readonly hello: JsonText;
  readonly agreed: Agreed;
  /** Digest of what the child offered; see `offersOf` in `session-memory.ts`. */
  readonly offers: string;
  /** Whether the client has said `notifications/initialized`. */
  readonly introduced: boolean;
  /** The params of its last `logging/setLevel`. */
  readonly level: JsonText | undefined;
  /** Resources that it follows. */
  readonly uris: readonly string[];
  /** Wall clock, milliseconds since 1970. */
  readonly openedAt: number;
  /** Version of the orders under which it was opened. */
  readonly orders: string;
};

/** A record beyond this is not kept, and its session not resumed. */
export const recordCharsMax = 64 * 1024;
export const helloCharsMax = 16 * 1024;
export const urisMax = 256;
export const uriCharsMax = 32 * 1024;
const depthMax = 64;
const shownMax = 16;
const format = 1;
const risks: ReadonlySet<unknown> = new Set<Risk>(['read', 'write', 'destructive']);

/** Undefined where it would be too long. */
export function writeRecord(record: SessionRecord): string | undefined {
  const { shown, ...rest } = record;
  const text = JSON.stringify({
    format,
    caller: shown[0].name,
    ...rest,
    shown: shown.map(({ via, roles, reach }) => ({
      via,
      roles,
      servers: textsOf(reach?.servers),
      tools: textsOf(reach?.tools),
      risks: reach?.risks,
    })),
  });
  return text.length <= recordCharsMax ? text : undefined;
}

/**
 * The record, or undefined for anything that we would not have written: strict, because a misspelt `reach` would be a
 * credential that opens everything.
 */
export function readRecord(text: string, compile: CompilePattern): SessionRecord | undefined {
  try {
    if (text.length > recordCharsMax) return undefined;
    const it: unknown = readJson(text);
    return isObject(it) ? recordIn(it, compile) : undefined;
  } catch {
    // No JSON, or params that are none: whoever changed the file must not get more than "no such session".
    return undefined;
  }
}

function recordIn(it: Written, compile: CompilePattern): SessionRecord | undefined {
  const { caller, server, launch, offers, introduced, openedAt, orders } = it;
  if (it['format'] !== format || Object.keys(it).some((key) => !members.has(key))) return undefined;
  const shown = isText(caller) ? shownIn(it['shown'], caller, compile) : undefined;
  const hello = textIn(it['hello'], helloCharsMax);
  const level = it['level'] === undefined ? undefined : textIn(it['level'], 1024);
  const agreed = agreedIn(it['agreed']);
  const uris = it['uris'];
  if (shown === undefined || hello === undefined || agreed === undefined) return undefined;
  if (level === undefined && it['level'] !== undefined) return undefined;
  if (!isText(server) || !isText(launch) || !isText(offers) || !isText(orders)) return undefined;
  if (typeof introduced !== 'boolean' || !Number.isSafeInteger(openedAt)) return undefined;
  if (!isTexts(uris) || uris.length > urisMax) return undefined;
  const plain = { server, launch, offers, orders, introduced, uris };
  return { ...plain, shown, hello, level, agreed, openedAt: openedAt as number };
}

type Written = Readonly<Record<string, unknown>>;

const members: ReadonlySet<string> = new Set([
  ...['format', 'caller', 'shown', 'server', 'launch', 'hello', 'agreed', 'offers', 'introduced'],
  ...['level', 'uris', 'openedAt', 'orders'],
]);
const shownMembers: ReadonlySet<string> = new Set(['via', 'roles', 'servers', 'tools', 'risks']);

function shownIn(
  value: unknown,
  name: string,
  compile: CompilePattern,
): readonly [Principal, ...Principal[]] | undefined {
  if (!Array.isArray(value) || value.length > shownMax) return undefined;
  const shown = value.map((it: unknown) => (isObject(it) ? principalIn(it, name, compile) : undefined));
  const [first, ...others] = shown;
  if (first === undefined || others.includes(undefined)) return undefined;
  return [first, ...others.filter((it) => it !== undefined)];
}

function principalIn(it: Written, name: string, compile: CompilePattern): Principal | undefined {
  const { via, roles } = it;
  if (Object.keys(it).some((key) => !shownMembers.has(key))) return undefined;
  if ((via !== undefined && !isText(via)) || (roles !== undefined && !isTexts(roles))) return undefined;
  const [servers, tools] = [patternsIn(it['servers'], compile), patternsIn(it['tools'], compile)];
  const bounds = it['risks'];
  if (servers === 'bad' || tools === 'bad') return undefined;
  if (bounds !== undefined && !(isTexts(bounds) && bounds.every((risk) => risks.has(risk)))) return undefined;
  const isBounded = servers !== undefined || tools !== undefined || bounds !== undefined;
  const reach = {
    ...(servers === undefined ? {} : { servers }),
    ...(tools === undefined ? {} : { tools }),
    ...(bounds === undefined ? {} : { risks: bounds as readonly Risk[] }), // Looked at one by one just now.
  };
  return Object.freeze({
    name,
    ...(via === undefined ? {} : { via }),
    ...(roles === undefined ? {} : { roles }),
    ...(isBounded ? { reach } : {}),
  });
}

function patternsIn(value: unknown, compile: CompilePattern): readonly Pattern[] | undefined | 'bad' {
  if (value === undefined) return undefined;
  if (!isTexts(value)) return 'bad';
  const patterns: Pattern[] = [];
  for (const text of value) {
    const compiled = compile(text);
    if (!compiled.ok) return 'bad';
    patterns.push(compiled.pattern);
  }
  return patterns;
}

function agreedIn(value: unknown): Agreed | undefined {
  if (!isObject(value)) return undefined;
  const { protocolVersion, client, clientCapabilities } = value;
  if (!isText(protocolVersion) || !isTexts(clientCapabilities) || !isObject(client)) return undefined;
  const { name, version } = client;
  if (typeof name !== 'string' || typeof version !== 'string') return undefined;
  return { protocolVersion, client: { name, version }, clientCapabilities };
}

/** The params of a request: an object, in the one form in which it was written. */
function textIn(value: unknown, charsMax: number): JsonText | undefined {
  if (typeof value !== 'string' || value.length > charsMax) return undefined;
  const text = canonical(value, { bytesMax: 4 * charsMax, depthMax });
  const means: unknown = valueOf(text);
  return text === value && isObject(means) ? text : undefined;
}

function textsOf(patterns: readonly Pattern[] | undefined): readonly string[] | undefined {
  return patterns?.map(({ text }) => text);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((it) => typeof it === 'string');
}

function isObject(value: unknown): value is Written {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
