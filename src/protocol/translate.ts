import type { Answer, JsonText } from '../domain/message.ts';
import { encode, member, members, object, objectOf, valueOf, withoutMember } from './codec.ts';
import { metaKeys, modernRevisions } from './era.ts';

/*
 * What one era calls this, the other calls that (2026-07-28 changelog). Pure: text to text, and what is not translated stays
 * as it stands, to the digit.
 */

const ofRequest: ReadonlySet<string> = new Set([
  metaKeys.version,
  metaKeys.capabilities,
  metaKeys.client,
  metaKeys.logLevel,
]);
const ofRounds: ReadonlySet<string> = new Set(['inputResponses', 'requestState']);

/**
 * A modern request's `params` for a child of the legacy era, which knew all this since `initialize`. `task` would make it a
 * task of 2025-11-25, which nobody could fetch.
 */
export function paramsForLegacy(params: JsonText | undefined): JsonText | undefined {
  if (params === undefined) return undefined;
  const kept: [string, JsonText][] = [];
  for (const [key, text] of members(params)) {
    if (key === 'task' || ofRounds.has(key)) continue;
    if (key !== '_meta' || !text.startsWith('{')) {
      kept.push([key, text]);
      continue;
    }
    const meta = members(text).filter(([name]) => !ofRequest.has(name));
    if (meta.length > 0) kept.push([key, object(meta)]);
  }
  return object(kept);
}

const cacheable: ReadonlySet<string> = new Set([
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

/**
 * A legacy child's answer for a modern client: the result says its type and who answered; what may be cached may not be,
 * because the child said nothing about it.
 */
export function answerForModern(method: string, answer: Answer, serverInfo: JsonText | undefined): Answer {
  if (answer.kind === 'error') return answer;
  const entries = members(answer.text);
  const has = (key: string) => entries.some(([name]) => name === key);
  if (!has('resultType')) entries.push(['resultType', encode('complete')]);
  if (cacheable.has(method)) {
    if (!has('ttlMs')) entries.push(['ttlMs', encode(0)]);
    if (!has('cacheScope')) entries.push(['cacheScope', encode('private')]);
  }
  if (serverInfo !== undefined) {
    const at = entries.findIndex(([name]) => name === '_meta');
    const meta = at < 0 ? undefined : entries[at]?.[1];
    const named = meta?.startsWith('{') === true ? members(meta) : [];
    if (!named.some(([name]) => name === metaKeys.server)) named.push([metaKeys.server, serverInfo]);
    if (at < 0) entries.push(['_meta', object(named)]);
    else entries[at] = ['_meta', object(named)];
  }
  return { kind: 'result', text: object(entries) };
}

/** The answer to `server/discover`, from what a legacy child said to `initialize`. Its tasks have no modern form. */
export function discoveryOf(greeting: JsonText): JsonText {
  const offered = member(greeting, ['capabilities']);
  const capabilities = offered?.startsWith('{') === true ? members(offered) : [];
  const entries: [string, JsonText][] = [
    ['resultType', encode('complete')],
    ['supportedVersions', encode([...modernRevisions])],
    ['capabilities', object(capabilities.filter(([name]) => name !== 'tasks'))],
  ];
  const instructions = member(greeting, ['instructions']);
  if (instructions?.startsWith('"') === true) entries.push(['instructions', instructions]);
  entries.push(['ttlMs', encode(0)], ['cacheScope', encode('private')]);
  const serverInfo = member(greeting, ['serverInfo']);
  if (serverInfo?.startsWith('{') === true) entries.push(['_meta', object([[metaKeys.server, serverInfo]])]);
  return object(entries);
}

/** A legacy child's question as a modern client is asked it. `elicitationId` belongs to a notification that cannot cross. */
export function questionForModern(method: string, params: JsonText | undefined): JsonText {
  const asked: [string, JsonText][] = [['method', encode(method)]];
  if (params !== undefined)
    asked.push(['params', object(members(params).filter(([name]) => name !== 'elicitationId'))]);
  return object(asked);
}

/** A modern child's question as a legacy client is asked it. In 2025-11-25 a page that is shown must have an `elicitationId`. */
export function questionForLegacy(
  method: string,
  params: JsonText | undefined,
  id: string,
): JsonText | undefined {
  if (method !== 'elicitation/create' || params === undefined) return params;
  const entries = members(params);
  const names = entries.map(([name]) => name);
  if (!names.includes('url') || names.includes('elicitationId')) return params;
  return object([...entries, ['elicitationId', encode(id)]]);
}

/** The client's capabilities that mean the same in 2025-11-25, for `initialize`. */
export function capabilitiesForLegacy(capabilities: JsonText | undefined): JsonText {
  if (capabilities?.startsWith('{') !== true) return object([]);
  const known = new Set(['elicitation', 'sampling', 'roots', 'experimental']);
  const kept = members(capabilities).filter(([name]) => known.has(name));
  // A modern client has no way to say that its roots have changed, so its child is not told to expect it.
  return object(
    kept.map(([name, text]): [string, JsonText] =>
      name === 'roots' && text.startsWith('{') ? [name, withoutMember(text, 'listChanged')] : [name, text],
    ),
  );
}

/** The `resources.subscribe` and `listChanged` flags of an `initialize` or `server/discover` result. */
export function newsOf(greeting: JsonText): {
  readonly tools: boolean;
  readonly prompts: boolean;
  readonly resources: boolean;
  readonly subscribe: boolean;
} {
  const { capabilities } = objectOf(greeting);
  const flag = (of: string, name: string): boolean => {
    if (typeof capabilities !== 'object' || capabilities === null || Array.isArray(capabilities))
      return false;
    const it = Object.hasOwn(capabilities, of) ? capabilities[of] : undefined;
    return typeof it === 'object' && it !== null && !Array.isArray(it) && it[name] === true;
  };
  return {
    tools: flag('tools', 'listChanged'),
    prompts: flag('prompts', 'listChanged'),
    resources: flag('resources', 'listChanged'),
    subscribe: flag('resources', 'subscribe'),
  };
}

/** Whether a `server/discover` result names a revision that we speak. */
export function speaksModern(result: JsonText): boolean {
  const versions = member(result, ['supportedVersions']);
  if (versions?.startsWith('[') !== true) return false;
  const spoken = valueOf(versions);
  return Array.isArray(spoken) && modernRevisions.some((it) => spoken.includes(it));
}

/** What a legacy client said in `initialize` and `logging/setLevel`, and each request says again for a modern child. */
export type ClientFacts = {
  readonly client: JsonText | undefined;
  readonly capabilities: JsonText | undefined;
  readonly logLevel: string | undefined;
};

/** Capabilities of a client that mean nothing, or something else, in 2026-07-28. */
const ofLegacyClient: ReadonlySet<string> = new Set(['tasks', 'extensions']);

/** The members of `_meta` that a modern request must have. */
export function metaForModern({ client, capabilities, logLevel }: ClientFacts): [string, JsonText][] {
  const can = capabilities?.startsWith('{') === true ? members(capabilities) : [];
  const meta: [string, JsonText][] = [
    [metaKeys.version, encode(modernRevisions[0] ?? '')],
    [metaKeys.capabilities, object(can.filter(([name]) => !ofLegacyClient.has(name)))],
  ];
  if (client?.startsWith('{') === true) meta.push([metaKeys.client, client]);
  if (logLevel !== undefined) meta.push([metaKeys.logLevel, encode(logLevel)]);
  return meta;
}

/** A legacy request's `params` for a modern child. It knows no tasks of 2025-11-25, so it is not asked for one. */
export function paramsForModern(
  params: JsonText | undefined,
  facts: ClientFacts,
  round: readonly (readonly [string, JsonText])[] = [],
): JsonText {
  const entries: [string, JsonText][] = [];
  let own: [string, JsonText][] = [];
  for (const [key, text] of params === undefined ? [] : members(params)) {
    if (key === 'task' || ofRounds.has(key)) continue;
    if (key === '_meta' && text.startsWith('{')) own = members(text).filter(([name]) => !ofRequest.has(name));
    else entries.push([key, text]);
  }
  entries.push(...round.map(([key, text]): [string, JsonText] => [key, text]));
  entries.push(['_meta', object([...own, ...metaForModern(facts)])]);
  return object(entries);
}

const ofModernResult: ReadonlySet<string> = new Set(['resultType', 'ttlMs', 'cacheScope']);

/** A modern child's answer for a legacy client, which has no use for what only the modern era means. */
export function answerForLegacy(answer: Answer): Answer {
  if (answer.kind === 'error') return answer;
  const entries = members(answer.text).flatMap(([key, text]): [string, JsonText][] => {
    if (ofModernResult.has(key)) return [];
    if (key !== '_meta' || !text.startsWith('{')) return [[key, text]];
    const meta = members(text).filter(([name]) => name !== metaKeys.server);
    return meta.length === 0 ? [] : [[key, object(meta)]];
  });
  return { kind: 'result', text: object(entries) };
}

/** The answer to `initialize`, from what a modern child said to `server/discover`. */
export function greetingOf(discovery: JsonText, protocolVersion: string, serverName: string): JsonText {
  const offered = member(discovery, ['capabilities']);
  const capabilities = offered?.startsWith('{') === true ? members(offered) : [];
  const serverInfo = member(discovery, ['_meta', metaKeys.server]);
  const entries: [string, JsonText][] = [
    ['protocolVersion', encode(protocolVersion)],
    // Extensions belong to the modern era; a legacy client would use their names without their rules.
    ['capabilities', object(capabilities.filter(([name]) => name !== 'extensions'))],
    [
      'serverInfo',
      serverInfo?.startsWith('{') === true ? serverInfo : encode({ name: serverName, version: '0' }),
    ],
  ];
  const instructions = member(discovery, ['instructions']);
  if (instructions?.startsWith('"') === true) entries.push(['instructions', instructions]);
  return object(entries);
}

/** A notification from a subscription, as a legacy client knows it. */
export function newsForLegacy(params: JsonText | undefined): JsonText | undefined {
  if (params === undefined) return undefined;
  const entries = members(params).flatMap(([key, text]): [string, JsonText][] => {
    if (key !== '_meta' || !text.startsWith('{')) return [[key, text]];
    const meta = members(text).filter(([name]) => name !== metaKeys.subscription);
    return meta.length === 0 ? [] : [[key, object(meta)]];
  });
  return entries.length === 0 ? undefined : object(entries);
}
