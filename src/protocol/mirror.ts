import { isUtf8 } from 'node:buffer';
import type { Json, JsonObject } from '../domain/message.ts';
import type { MirroredArgument } from '../domain/upstream.ts';

/*
 * Modern clients repeat parts of a message in HTTP headers, so that whatever stands between can route without reading the
 * body (2026-07-28 basic/transports/streamable-http, headers). Whoever reads both must find them equal: a proxy that let
 * `Mcp-Name: read` through would otherwise have carried a call of `delete`.
 */

const namedBy: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** The member of `params` that `Mcp-Name` repeats for a method, if any. */
export function nameHeaderOf(method: string, params: JsonObject): string | undefined {
  const key = namedBy.get(method);
  const value = key === undefined ? undefined : params[key];
  return typeof value === 'string' ? value : undefined;
}

/** The name of the first header that is missing or differs from the message; undefined when all agree. */
export function checkMirror(
  method: string,
  params: JsonObject,
  headers: { readonly method: string | undefined; readonly name: string | undefined },
): string | undefined {
  if (headers.method !== method) return 'Mcp-Method';
  const name = nameHeaderOf(method, params);
  if (name === undefined) return headers.name === undefined ? undefined : 'Mcp-Name';
  return headers.name !== undefined && decodeHeader(headers.name) === name ? undefined : 'Mcp-Name';
}

const wrapped = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;

/** What a header value stands for; undefined when it claims to be base64 of UTF-8 and is not, or is not all visible ASCII. */
export function decodeHeader(value: string): string | undefined {
  // Bytes beyond ASCII are one text to those who read UTF-8 and another to those who read Latin-1.
  if (!/^[\t\x20-\x7e]*$/.test(value)) return undefined;
  const said = value.trim();
  if (!said.startsWith('=?base64?') || !said.endsWith('?=')) return said;
  const payload = wrapped.exec(said)?.[1];
  if (payload === undefined || payload.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(payload, 'base64');
  // A reader that is lenient about the last bits, or about UTF-8, would take two spellings for one value.
  return bytes.toString('base64') === payload && isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** A value as it may stand in a header: as it is, or wrapped when it holds anything but plain visible ASCII. */
export function encodeHeader(value: string): string {
  const plain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith('=?base64?');
  return plain ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

const annotationsMax = 64;

/**
 * The arguments that a tool's `inputSchema` marks with `x-mcp-header`: strings, integers and booleans that are reached by
 * `properties` alone. A schema with a mark that breaks the rules marks nothing, as clients drop such a tool.
 */
export function mirroredArguments(schema: Json | undefined): readonly MirroredArgument[] {
  const found: MirroredArgument[] = [];
  const seen = new Set<string>();
  const look = (node: Json | undefined, path: readonly string[]): boolean => {
    if (!isObject(node)) return true;
    const mark = node['x-mcp-header'];
    if (mark !== undefined) {
      const fits =
        path.length > 0 &&
        typeof mark === 'string' &&
        /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(mark) &&
        (node['type'] === 'string' || node['type'] === 'integer' || node['type'] === 'boolean') &&
        !seen.has(mark.toLowerCase()) &&
        found.length < annotationsMax;
      if (!fits) return false;
      seen.add(mark.toLowerCase());
      found.push({ header: mark.toLowerCase(), path });
    }
    const { properties } = node;
    if (!isObject(properties)) return true;
    return Object.keys(properties).every((key) => look(properties[key], [...path, key]));
  };
  return look(schema, []) ? found : [];
}

/**
 * The name of the first `Mcp-Param-*` header that does not say what the arguments say; undefined when all agree. An argument
 * that is absent or null has no header.
 */
export function checkArguments(
  declared: readonly MirroredArgument[],
  mirror: ReadonlyMap<string, string>,
  params: JsonObject,
): string | undefined {
  for (const { header, path } of declared) {
    const value = at(params['arguments'], path);
    const said = mirror.get(header);
    const agrees = hasHeader(value) ? said !== undefined && same(said, value) : said === undefined;
    if (!agrees) return `Mcp-Param-${header}`;
  }
  return undefined;
}

/** An integer beyond 2^53 is another one to the next reader, so that no header can vouch for it; clients send none. */
function hasHeader(value: Json | undefined): value is Json {
  if (value === undefined || value === null) return false;
  return (
    typeof value !== 'number' ||
    (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))
  );
}

function same(said: string, value: Json): boolean {
  const text = decodeHeader(said);
  if (text === undefined) return false;
  if (typeof value === 'string') return text === value;
  if (typeof value === 'boolean' || (typeof value === 'number' && !Number.isInteger(value)))
    return text === String(value);
  // 42 and 42.0 are one number (JSON Schema, integer).
  return typeof value === 'number' && /^-?(?:0|[1-9]\d*)(?:\.0+)?$/.test(text) && Number(text) === value;
}

function at(value: Json | undefined, path: readonly string[]): Json | undefined {
  let found = value;
  for (const key of path) {
    if (!isObject(found) || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
