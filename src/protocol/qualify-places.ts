import type { Listing } from '../domain/call.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import { array, elements, encode, member, members, object, valueOf } from './codec.ts';
import { isQualifiable, qualify, qualifyId, qualifyToken, qualifyUri } from './qualify.ts';

/*
 * Where messages name things of their server, and how they read with every such name qualified. Text to text: what is no name
 * stays as it stands, in its place and to the digit.
 */

/** Every element of an array. */
const each = Symbol('each');
type Step = string | typeof each;
type Path = readonly Step[];

/** Where names of one kind stand. */
type Places = { readonly of: (server: string, name: string) => string; readonly at: readonly Path[] };

const related = ['_meta', 'io.modelcontextprotocol/related-task', 'taskId'] as const;

const content = (...start: Path): readonly Path[] => [
  [...start, 'uri'],
  [...start, 'resource', 'uri'],
];

/** In results, by the method that was answered (schema of each revision; for tasks 2025-11-25 and the extension). */
const inResults: ReadonlyMap<string, readonly Places[]> = new Map<string, readonly Places[]>([
  ['resources/read', [uris(['contents', each, 'uri'])]],
  ['prompts/get', [uris(...content('messages', each, 'content'))]],
  ['tools/call', [uris(...content('content', each)), ids(['task', 'taskId'], related)]],
  ['tasks/get', [ids(['taskId'], related), uris(...content('result', 'content', each))]],
  ['tasks/result', [uris(...content('content', each)), ids(related)]],
  ['tasks/cancel', [ids(['taskId'])]],
]);

/** In the result of a call that goes on as a task (tasks extension of 2026-07-28). */
const begun: Places = ids(['taskId']);

/** In errors, whatever was asked for: `-32002` and `-32602` name the resource, `-32042` what the user should visit. */
const inErrors: readonly Places[] = [
  uris(['data', 'uri']),
  ids(['data', 'elicitations', each, 'elicitationId']),
];

/** In the `params` of what a server says by itself. */
const inParams: ReadonlyMap<string, readonly Places[]> = new Map<string, readonly Places[]>([
  ['notifications/resources/updated', [uris(['uri'])]],
  ['notifications/subscriptions/acknowledged', [uris(['notifications', 'resourceSubscriptions', each])]],
  ['notifications/tasks', [ids(['taskId'])]],
  ['notifications/tasks/status', [ids(['taskId'])]],
  ['notifications/elicitation/complete', [ids(['elicitationId'])]],
  ['elicitation/create', [ids(['elicitationId'])]],
]);

/** In one entry of a listing. */
const inEntries: Readonly<Record<Listing, Places>> = {
  tools: { of: qualify, at: [['name']] },
  prompts: { of: qualify, at: [['name']] },
  resources: uris(['uri']),
  resourceTemplates: uris(['uriTemplate']),
  tasks: ids(['taskId']),
};

/** An answer of a server, as it reads where all servers are shown as one. The same object where it names nothing. */
export function qualifyAnswer(server: string, method: string, answer: Answer): Answer {
  const places = answer.kind === 'error' ? inErrors : (inResults.get(method) ?? []);
  const named = nameAt(server, answer.text, places);
  const text = isTask(named) ? nameAt(server, named, [begun]) : named;
  return text === answer.text ? answer : { ...answer, text };
}

function isTask(text: JsonText): boolean {
  return text.includes('"resultType":"task"') && member(text, ['resultType']) === '"task"';
}

/** The `params` of a server's own message. The token under which it wants to hear of progress is its own too. */
export function qualifyParams(server: string, method: string, params: JsonText): JsonText {
  const text = nameAt(server, params, [...(inParams.get(method) ?? []), ids(related)]);
  return changeAt(text, ['_meta', 'progressToken'], (token) => qualifyToken(server, token));
}

/** One entry of a listing, and what its server calls it; undefined for an entry that cannot be named. */
export function qualifyEntry(
  server: string,
  of: Listing,
  entry: JsonText,
): { readonly name: string; readonly qualified: string; readonly text: JsonText } | undefined {
  const places = inEntries[of];
  const key = places.at[0]?.[0];
  if (typeof key !== 'string' || !entry.startsWith('{')) return undefined;
  const stands = member(entry, [key]);
  const name = stands?.startsWith('"') === true ? (valueOf(stands) as string) : undefined; // It began with a quote.
  if (name === undefined || !isQualifiable(name)) return undefined;
  return { name, qualified: places.of(server, name), text: nameAt(server, entry, [places]) };
}

/** The same text with the string at a path taken apart again; as it stands, where it was never qualified. */
export function withApart(
  text: JsonText,
  path: readonly string[],
  apart: (qualified: string) => string | undefined,
): JsonText {
  return changeAt(text, path, (stands) => {
    const own = stands.startsWith('"') ? apart(valueOf(stands) as string) : undefined; // It began with a quote.
    return own === undefined ? stands : encode(own);
  });
}

/** Where a message that belongs to a task says so. */
export const relatedTask: readonly string[] = related;

function uris(...at: readonly Path[]): Places {
  return { of: qualifyUri, at };
}

function ids(...at: readonly Path[]): Places {
  return { of: qualifyId, at };
}

function nameAt(server: string, text: JsonText, places: readonly Places[]): JsonText {
  let changed = text;
  for (const { of, at } of places)
    for (const path of at) {
      changed = changeAt(changed, path, (stands) =>
        stands.startsWith('"') ? encode(of(server, valueOf(stands) as string)) : stands,
      );
    }
  return changed;
}

/** Changes what stands at a path, wherever the path leads somewhere. */
function changeAt(text: JsonText, path: Path, change: (stands: JsonText) => JsonText): JsonText {
  // Most answers name nothing, and to look for one word is a hundred times quicker than to walk a megabyte of members.
  for (const step of path) if (typeof step === 'string' && !text.includes(`"${step}":`)) return text;
  return walk(text, path, 0, change);
}

function walk(text: JsonText, path: Path, at: number, change: (stands: JsonText) => JsonText): JsonText {
  const step = path[at];
  if (step === undefined) return change(text);
  const start = text.charAt(0);
  if (step === each) {
    if (start !== '[') return text;
    const items = elements(text);
    const changed = items.map((item) => walk(item, path, at + 1, change));
    return changed.every((item, index) => item === items[index]) ? text : array(changed);
  }
  if (start !== '{') return text;
  const entries = members(text);
  const index = entries.findIndex(([key]) => key === step);
  const stands = entries[index]?.[1];
  if (stands === undefined) return text;
  const changed = walk(stands, path, at + 1, change);
  if (changed === stands) return text;
  return object(entries.map(([key, value], place) => [key, place === index ? changed : value]));
}
