import type { Json, JsonObject } from '../domain/message.ts';

/** Which records are wanted. Every member that is there must fit. */
export type Filter = {
  /** `TOOL`, or `SERVER/TOOL`. */
  readonly tool?: string | undefined;
  readonly caller?: string | undefined;
  readonly correlation?: string | undefined;
  /** An outcome (`refused`), an error (`rate-limited`, `UPSTREAM_TIMEOUT`), or `unknown`: it went out and nothing came back. */
  readonly outcome?: string | undefined;
  readonly server?: string | undefined;
  /** Only what would have gone another way if everything were enforced. */
  readonly would?: boolean | undefined;
  /** Wall clock, milliseconds since 1970: not before this, and before that. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** A rule that decided, that refused afterwards, or that would have decided if it were enforced. */
  readonly rule?: string | undefined;
  /** `call`, `upcall`, `command`, `sign-ins`, or what the journal says of itself. */
  readonly kind?: string | undefined;
  /** As the records have it: 12 hex digits. */
  readonly session?: string | undefined;
  /** One of those who said yes: `ana`, `operator:ana`, `webhook:chat/ana`; or `policy`. */
  readonly approvedBy?: string | undefined;
  /** A command of the operator: `lockdown`. */
  readonly command?: string | undefined;
  /** One of the recorded resources; with `*` at its end, what it begins with. */
  readonly resource?: string | undefined;
  /** Digests of arguments: all must be there. */
  readonly args?: readonly ArgumentWanted[] | undefined;
};

export type ArgumentWanted = { readonly name: string; readonly digest: string };

/** Whether a whole record, a call with its ending, is one that is wanted. Pure, and the only place that says so. */
export function fits(record: JsonObject, filter: Filter): boolean {
  const { correlation, caller, server, kind, session, command } = filter;
  if (correlation !== undefined && !belongsTo(correlation, textOf(record['id']))) return false;
  if (caller !== undefined && record['caller'] !== caller) return false;
  if (server !== undefined && record['server'] !== server) return false;
  if (kind !== undefined && record['kind'] !== kind) return false;
  if (session !== undefined && record['session'] !== session) return false;
  if (command !== undefined && record['command'] !== command) return false;
  if (filter.outcome !== undefined && !endingsOf(record).includes(filter.outcome)) return false;
  if (filter.tool !== undefined && !toolNames(record).includes(filter.tool)) return false;
  if (filter.rule !== undefined && !rulesOf(record).includes(filter.rule)) return false;
  if (filter.approvedBy !== undefined && !approverNames(record).includes(filter.approvedBy)) return false;
  if (filter.would === true && !differs(record)) return false;
  if (filter.resource !== undefined && !hasResource(record, filter.resource)) return false;
  if (filter.args?.every((wanted) => hasArgument(record, wanted)) === false) return false;
  return inTime(record, filter);
}

/** When it was, in milliseconds since 1970; not a number where the record does not say. */
export function timeOf(record: JsonObject): number {
  return Date.parse(textOf(record['time']));
}

function inTime(record: JsonObject, { sinceMs, untilMs }: Filter): boolean {
  if (sinceMs === undefined && untilMs === undefined) return true;
  const time = timeOf(record);
  return time >= (sinceMs ?? -Infinity) && time < (untilMs ?? Infinity);
}

/** A message to all servers at once has a part for each, whose ids begin with its own: `ID/fs`. */
function belongsTo(correlation: string, id: string): boolean {
  return id === correlation || id.startsWith(`${correlation}/`);
}

export function endingsOf(record: JsonObject): readonly string[] {
  return strings(record['outcome'], record['error']);
}

/** What a tool can be asked for by; none for what aims at something else. */
export function toolNames(record: JsonObject): readonly string[] {
  const target = objectAt(record, 'target');
  if (target['kind'] !== 'tool') return [];
  const name = textOf(target['name']);
  return [name, `${textOf(record['server'])}/${name}`];
}

export function rulesOf(record: JsonObject): readonly string[] {
  const decision = objectAt(record, 'decision');
  return strings(
    decision['rule'],
    objectAt(record, 'refusedBy')['rule'],
    objectAt(decision, 'would')['rule'],
  );
}

/** Everything that those who agreed can be asked for by: `webhook:chat/ana` also as `chat/ana` and as `ana`. */
export function approverNames(record: JsonObject): readonly string[] {
  const by = textOf(objectAt(record, 'decision')['approvedBy']);
  if (by === '') return [];
  return by.split(', ').flatMap((whole) => {
    const names = [whole];
    for (const { index } of whole.matchAll(/[:/] ?/g)) names.push(whole.slice(index + 1).trimStart());
    return names;
  });
}

/** Whether enforcing what is only observed would have given another verdict, or a limit would have refused. */
export function differs(record: JsonObject): boolean {
  const decision = objectAt(record, 'decision');
  const { kind, limit } = objectAt(decision, 'would');
  return limit !== undefined || (kind !== undefined && kind !== decision['kind']);
}

/** The resources of a record as text: what `record` in a rule names, and URIs. Numbers and the like as JSON. */
export function resourcesOf(record: JsonObject): readonly string[] {
  const named = Object.values(objectAt(record, 'resources'));
  const target = objectAt(record, 'target');
  // A stream about several resources has them side by side.
  const followed = target['kind'] === 'subscription' ? textOf(target['name']).split(' ') : [];
  return [...named.map((it) => (typeof it === 'string' ? it : JSON.stringify(it))), ...followed];
}

function hasResource(record: JsonObject, wanted: string): boolean {
  const found = resourcesOf(record);
  if (!wanted.endsWith('*')) return found.includes(wanted);
  const beginning = wanted.slice(0, -1);
  return found.some((it) => it.startsWith(beginning));
}

function hasArgument(record: JsonObject, { name, digest }: ArgumentWanted): boolean {
  const args = objectAt(record, 'args');
  return Object.hasOwn(args, name) && args[name] === digest;
}

function strings(...values: readonly (Json | undefined)[]): readonly string[] {
  return values.filter((it) => typeof it === 'string');
}

export function objectAt(record: JsonObject, key: string): JsonObject {
  const value = Object.hasOwn(record, key) ? record[key] : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

export function without(record: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}
