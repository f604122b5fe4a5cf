import { Fault } from '../domain/faults.ts';
import type { Json, JsonText } from '../domain/message.ts';
import { risks } from '../domain/orders.ts';
import type { Catalog, MirroredArgument, OfferedTool } from '../domain/upstream.ts';
import { elements, encode, member, object, objectOf, valueOf } from '../protocol/codec.ts';
import { metaKeys, metaOf } from '../protocol/era.ts';
import { mirroredArguments } from '../protocol/mirror.ts';
import { definitionDigest, offeredTool } from '../protocol/tool-definition.ts';
import type { Connection } from './connection.ts';

const pagesMax = 100;
const entriesMax = 10_000;
const nameCharsMax = 1024;
/** Of all entries of one listing: definitions are kept, and a server must not fill the memory with them. */
const listingCharsMax = 32 * 1024 * 1024;

/**
 * Asks a child what it offers, page by page, as far as its `initialize` result says that it has such things. A listing that
 * fails counts as empty and is reported through `failed`: what is not listed cannot be shown, but calls go on.
 */
export async function readCatalog(
  connection: Connection,
  greeting: JsonText,
  /** The `_meta` of each request, where the child speaks the modern era. */
  meta: JsonText | undefined,
  withinMs: number,
  failed: (method: string, why: string) => void,
  /** Told the tools as they were listed, several of one name included, and a catalog of them alone; not told when that failed. */
  listed: (definitions: readonly JsonText[], early: Catalog) => void = () => undefined,
): Promise<Catalog> {
  let tools = toolsIn([]);
  const list = async (capability: string, method: string, key: string): Promise<readonly JsonText[]> => {
    if (member(greeting, ['capabilities', capability]) === undefined) return [];
    try {
      const entries = await allPages(connection, method, key, meta, withinMs);
      if (key === 'tools') {
        tools = toolsIn(entries);
        listed(entries, { ...none, ...whoItIs(greeting), ...tools });
      }
      return entries;
    } catch (reason) {
      failed(method, Fault.from(reason).message);
      return [];
    }
  };
  await list('tools', 'tools/list', 'tools');
  return {
    ...whoItIs(greeting),
    ...tools,
    resources: named(await list('resources', 'resources/list', 'resources'), 'uri'),
    resourceTemplates: named(
      await list('resources', 'resources/templates/list', 'resourceTemplates'),
      'uriTemplate',
    ),
    prompts: named(await list('prompts', 'prompts/list', 'prompts'), 'name'),
  };
}

const none = { resources: [], resourceTemplates: [], prompts: [] } as const;

function toolsIn(definitions: readonly JsonText[]): Pick<Catalog, 'tools' | 'mirrored'> {
  return { tools: offered(definitions), mirrored: mirrored(definitions) };
}

function whoItIs(greeting: JsonText): { serverName: string; serverVersion: string; protocolVersion: string } {
  const { protocolVersion: agreed, ...greeted } = objectOf(greeting);
  // A modern server names itself in `_meta`, and a list of revisions instead of one.
  const serverInfo = greeted['serverInfo'] ?? metaOf(greeted)[metaKeys.server];
  const spoken = greeted['supportedVersions'];
  const protocolVersion = agreed ?? (Array.isArray(spoken) ? spoken.at(-1) : undefined);
  const info =
    typeof serverInfo === 'object' && serverInfo !== null && !Array.isArray(serverInfo) ? serverInfo : {};
  return {
    serverName: short(info['name']),
    serverVersion: short(info['version']),
    protocolVersion: short(protocolVersion),
  };
}

function short(value: Json | undefined): string {
  return typeof value === 'string' ? value.slice(0, 200) : '';
}

async function allPages(
  connection: Connection,
  method: string,
  key: string,
  meta: JsonText | undefined,
  withinMs: number,
): Promise<readonly JsonText[]> {
  const entries: JsonText[] = [];
  const always: [string, JsonText][] = meta === undefined ? [] : [['_meta', meta]];
  let params = meta === undefined ? undefined : object(always);
  let chars = 0;
  for (let page = 0; page < pagesMax && entries.length < entriesMax; page++) {
    const answer = await connection.own(method, params, withinMs);
    // Some servers announce resources and know no templates.
    if (answer.kind === 'error')
      throw new Fault('UPSTREAM_GARBLED', { detail: `answered with the error ${answer.text.slice(0, 200)}` });
    const found = member(answer.text, [key]);
    if (found?.startsWith('[') !== true)
      throw new Fault('UPSTREAM_GARBLED', { detail: `the result has no ${key}` });
    chars += found.length;
    if (chars > listingCharsMax)
      throw new Fault('TOO_LARGE', { detail: `more than ${listingCharsMax} characters` });
    for (const entry of elements(found, entriesMax - entries.length)) entries.push(entry);
    const cursor = member(answer.text, ['nextCursor']);
    // The empty string is a cursor like any other; null is none.
    if (cursor?.startsWith('"') !== true) return entries;
    params = object([['cursor', cursor], ...always]);
  }
  return entries;
}

/** Tool name → the tool: a change of description, schema or hints is a change of the tool. */
function offered(definitions: readonly JsonText[]): ReadonlyMap<string, OfferedTool> {
  const found = new Map<string, OfferedTool>();
  for (const definition of definitions) {
    const name = nameIn(definition, 'name');
    if (name === undefined) continue;
    const tool = offeredTool(definition);
    const first = found.get(name);
    found.set(name, first === undefined ? tool : together(first, tool));
  }
  return found;
}

/** Two tools of one name: neither definition may hide behind the other. */
function together(first: OfferedTool, second: OfferedTool): OfferedTool {
  const admits = gravest(first.admits, second.admits);
  return { ...first, digest: definitionDigest(encode([first.digest, second.digest])), admits };
}

function gravest(a: OfferedTool['admits'], b: OfferedTool['admits']): OfferedTool['admits'] {
  return [a, b].reduce((worst, it) => (rank(it) > rank(worst) ? it : worst), undefined);
}

function rank(risk: OfferedTool['admits']): number {
  return risk === undefined ? -1 : risks.indexOf(risk);
}

function mirrored(definitions: readonly JsonText[]): Catalog['mirrored'] {
  const found = new Map<string, readonly MirroredArgument[]>();
  for (const definition of definitions) {
    if (!definition.includes('"x-mcp-header":')) continue;
    const name = nameIn(definition, 'name');
    const schema = member(definition, ['inputSchema']);
    const declared = schema === undefined ? [] : mirroredArguments(valueOf(schema));
    if (name !== undefined && declared.length > 0) found.set(name, declared);
  }
  return found;
}

function named(entries: readonly JsonText[], key: string): readonly string[] {
  return entries.map((entry) => nameIn(entry, key)).filter((name) => name !== undefined);
}

function nameIn(entry: JsonText, key: string): string | undefined {
  const text = member(entry, [key]);
  if (text?.startsWith('"') !== true) return undefined;
  const name = valueOf(text) as string; // It began with a quote.
  return name.length <= nameCharsMax ? name : undefined;
}
