import { hash } from 'node:crypto';
import type { JsonText } from '../domain/message.ts';
import { encode, valueOf } from './codec.ts';

/*
 * What a thing of one server is called where all servers are shown as one. Pure, and the same after every restart: a name
 * depends on nothing but the server's name and the thing's own.
 */

/** Clients accept `[A-Za-z0-9_-]{1,64}` as the name of a tool, and some drop the whole list at the first other one. */
export const nameCharsMax = 64;

const separator = '__';
const digits = 8;
const fitting = /^[A-Za-z0-9_-]+$/;
const misfit = /[^A-Za-z0-9_-]/gu;
/** How a cut name ends. A name of a server's own that ends so is cut as well, or it could pass for another one's cut form. */
const cutEnd = /_[0-9a-f]{8}$/;

/** Whether a name can have a qualified one: half of a surrogate pair has no UTF-8, so that two such names would hash alike. */
export function isQualifiable(name: string): boolean {
  return name !== '' && name.isWellFormed();
}

/**
 * The qualified name of a tool or a prompt: `<server>__<name>`, or, where that is too long, holds another character or looks
 * like a cut name, `<server>__<beginning>_<8 hex digits>` of the name's SHA-256. Two names have different forms, except for
 * two cut ones of one server with the same beginning and the same digits; `realName` gives neither of these.
 */
export function qualify(server: string, name: string): string {
  const plain = `${server}${separator}${name}`;
  if (plain.length <= nameCharsMax && fitting.test(name) && !cutEnd.test(name)) return plain;
  const end = `_${hash('sha256', name).slice(0, digits)}`;
  const room = nameCharsMax - server.length - separator.length - end.length;
  return `${server}${separator}${name.replaceAll(misfit, '_').slice(0, room)}${end}`;
}

/** A name taken apart. */
export type Apart = { readonly server: string; readonly rest: string };

/** A server's name holds no underscore, so the first two end it: in `a__b__c` and `a___b` the server is `a`. */
export function takeApart(qualified: string): Apart | undefined {
  return split(qualified, separator);
}

/** Whether the rest of a qualified name is a cut name, which only those who know the server's names can read. */
export function isCut(rest: string): boolean {
  return cutEnd.test(rest);
}

/**
 * The server's own name for a qualified one. Undefined for what `qualify` never gives (so that nothing has two spellings), for
 * a cut name that fits none of the known names, and for one that fits two: a server could call two tools so that the caller
 * reads about one and the other runs.
 */
export function realName({ server, rest }: Apart, known: Iterable<string>): string | undefined {
  const qualified = `${server}${separator}${rest}`;
  if (!isCut(rest)) return rest !== '' && qualify(server, rest) === qualified ? rest : undefined;
  let found: string | undefined;
  for (const name of known) {
    if (name === found || !isQualifiable(name) || qualify(server, name) !== qualified) continue;
    if (found !== undefined) return undefined;
    found = name;
  }
  return found;
}

const schemeStart = 'mcpd.';

/**
 * The qualified form of a resource's URI or URI template: `mcpd.<server>+<uri>`. Still a URI, of a scheme of our own (RFC 3986
 * section 3.1), and what stands in braces in a template stays where it was.
 */
export function qualifyUri(server: string, uri: string): string {
  return `${schemeStart}${server}+${uri}`;
}

export function takeUriApart(uri: string): Apart | undefined {
  return uri.startsWith(schemeStart) ? split(uri.slice(schemeStart.length), '+') : undefined;
}

/** The qualified form of an id that a server gave: of a task, of an elicitation. */
export function qualifyId(server: string, id: string): string {
  return `${server}.${id}`;
}

export function takeIdApart(id: string): Apart | undefined {
  return split(id, '.');
}

/**
 * The qualified form of a server's progress token: always a string, and still two for `1` and `"1"`. What is neither a string
 * nor an integer stays as it stands, and nobody can report progress under it.
 */
export function qualifyToken(server: string, token: JsonText): JsonText {
  if (token.startsWith('"')) return encode(qualifyId(server, `s${valueOf(token) as string}`)); // It began with a quote.
  return integer.test(token) ? encode(qualifyId(server, `n${token}`)) : token;
}

/** The server's own token, as it stood. */
export function takeTokenApart(
  token: string,
): { readonly server: string; readonly token: JsonText } | undefined {
  const apart = takeIdApart(token);
  if (apart === undefined) return undefined;
  const { server, rest } = apart;
  if (rest.startsWith('s')) return { server, token: encode(rest.slice(1)) };
  const number = rest.slice(1);
  return rest.startsWith('n') && integer.test(number) ? { server, token: number as JsonText } : undefined;
}

const integer = /^-?(?:0|[1-9]\d{0,15})$/;

const serverName = /^[a-z0-9-]{1,32}$/;

function split(text: string, at: string): Apart | undefined {
  const end = text.indexOf(at);
  if (end < 0) return undefined;
  const server = text.slice(0, end);
  const rest = text.slice(end + at.length);
  return serverName.test(server) && rest !== '' ? { server, rest } : undefined;
}
