import type { Target } from '../domain/call.ts';
import type { Json, JsonObject } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';

/** A call as the journal remembers it. */
export type Recorded = {
  readonly id: string;
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: number;
  readonly caller: string;
  readonly server: string;
  readonly target: Target;
  /** As the journal names it. */
  readonly targetName: string;
  /** Whether that name was too long for the journal, so that nobody knows the whole of it any more. */
  readonly cut: boolean;
  /** What was decided then, and by which rule. */
  readonly was: { readonly kind: string; readonly rule: string };
  /** What `decide` looks at; undefined where the journal kept only sizes. Secrets in it are redacted. */
  readonly args: JsonObject | undefined;
  /** The arguments that the rule's `record` names, by path. */
  readonly noted: readonly string[];
  /** Whether it went out. */
  readonly sent: boolean;
};

/** `not-a-call`: a line about something else. */
export type Reading = Recorded | 'not-a-call' | 'unreadable';

/**
 * Reads one line of the journal. A call that went out has an intent and an outcome: only the intent counts, so nothing is
 * counted twice and nothing has to be remembered.
 */
export function readRecorded(line: string): Reading {
  let record: Json;
  try {
    record = readJson(line);
  } catch {
    return 'unreadable';
  }
  if (!isObject(record)) return 'unreadable';
  const { kind } = record;
  const upcall = kind === 'upcall';
  const sent = kind === 'decision';
  if (!upcall && !sent && !(kind === 'outcome' && record['committed'] !== true)) return 'not-a-call';
  // Another try of the same call is the same call.
  if (typeof record['attempt'] === 'number' && record['attempt'] > 1) return 'not-a-call';
  const { decision, caller, server, method, time } = record;
  const target = upcall ? { kind: 'upcall', name: method ?? null } : record['target'];
  if (!isObject(decision) || !isObject(target)) return 'not-a-call';
  const name = target['name'];
  const atMs = Date.parse(textOf(time));
  if (typeof caller !== 'string' || typeof server !== 'string' || typeof name !== 'string')
    return 'not-a-call';
  if (Number.isNaN(atMs)) return 'unreadable';
  const aim = targetOf(textOf(target['kind']), name);
  if (aim === undefined) return 'not-a-call';
  const resources = record['resources'];
  return {
    id: textOf(record['id']),
    atMs,
    caller,
    server,
    target: aim,
    targetName: name,
    cut: /…\[\d+ characters, sha256 [0-9a-f]+\]$/.test(name),
    was: { kind: textOf(decision['kind']), rule: textOf(decision['rule']) },
    args: argsIn(aim, record['params'], record['argBytes']),
    noted: isObject(resources) ? Object.keys(resources).filter((key) => key !== 'uri') : [],
    sent: sent || (upcall && record['asked'] === true),
  };
}

/** The reverse of how the journal writes a target; undefined for what no policy speaks about. */
function targetOf(kind: string, name: string): Target | undefined {
  switch (kind) {
    case 'tool':
    case 'prompt':
      return { kind, name };
    case 'resource':
      return { kind, uri: name };
    case 'task': {
      const end = name.lastIndexOf('#');
      return { kind, id: name.slice(end + 1), tool: end < 0 ? undefined : name.slice(0, end) };
    }
    case 'subscription':
      return { kind, uris: name === '' ? [] : name.split(' ') };
    case 'completion':
      // The journal does not say which; a prompt whose name looks like a URI is taken for one.
      return { kind, of: name.includes(':') ? { kind: 'resource', uri: name } : { kind: 'prompt', name } };
    case 'upcall':
    case 'unknown':
      return { kind, method: name };
    default:
      // Listings and the conversation itself follow from everything else.
      return undefined;
  }
}

/** As in the life of a call: a tool and a prompt have `arguments`, everything else its whole parameters. */
function argsIn(target: Target, params: Json | undefined, bytes: Json | undefined): JsonObject | undefined {
  if (target.kind === 'task') return undefined;
  // What a resource is read by is its address, and that is known.
  if (target.kind === 'resource') return isObject(params) ? params : { uri: target.uri };
  // Nothing was sent, so nothing had to be kept.
  if (params === undefined && bytes === 0) return {};
  if (!isObject(params)) return undefined;
  if (target.kind !== 'tool' && target.kind !== 'prompt') return params;
  const args = params['arguments'];
  return isObject(args) ? args : {};
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
