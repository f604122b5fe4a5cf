import type { Listing } from '../domain/call.ts';
import type { Era } from '../domain/era.ts';

/** The revisions, oldest first. */
export type Revision = '2024-11-05' | '2025-03-26' | '2025-06-18' | '2025-11-25' | '2026-07-28';

/** Who may say it: a client to a server, a server to a client, or either. */
export type Direction = 'to-server' | 'to-client' | 'both';

/** What a method aims at when a client says it, and where in `params` the name of that thing stands. */
export type Aim =
  | { readonly kind: 'tool'; readonly at: 'name' }
  | { readonly kind: 'prompt'; readonly at: 'name' }
  | { readonly kind: 'resource'; readonly at: 'uri' }
  | { readonly kind: 'completion'; readonly at: 'ref' }
  | { readonly kind: 'listing'; readonly of: Listing }
  | { readonly kind: 'task'; readonly at: 'taskId' }
  | { readonly kind: 'subscription' }
  | { readonly kind: 'protocol' }
  /** Only servers say it. */
  | { readonly kind: 'upcall' };

export type Method = {
  readonly direction: Direction;
  readonly form: 'request' | 'notice';
  readonly aim: Aim;
  readonly revisions: readonly Revision[];
};

const legacy: readonly Revision[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
const modern: readonly Revision[] = ['2026-07-28'];
const every: readonly Revision[] = [...legacy, ...modern];
const from2025June: readonly Revision[] = ['2025-06-18', '2025-11-25', '2026-07-28'];
const november2025: readonly Revision[] = ['2025-11-25'];
const fromNovember2025: readonly Revision[] = ['2025-11-25', '2026-07-28'];

const tool: Aim = { kind: 'tool', at: 'name' };
const prompt: Aim = { kind: 'prompt', at: 'name' };
const resource: Aim = { kind: 'resource', at: 'uri' };
const completion: Aim = { kind: 'completion', at: 'ref' };
const task: Aim = { kind: 'task', at: 'taskId' };
const subscription: Aim = { kind: 'subscription' };
const protocol: Aim = { kind: 'protocol' };
const upcall: Aim = { kind: 'upcall' };
const listing = (of: Listing): Aim => ({ kind: 'listing', of });

/**
 * Every method we carry (schema.ts of each revision; the tasks extension of 2026-07-28). What is not here is unknown, and
 * nothing allows it. In 2026-07-28 a server's requests stand inside its answers, and bear the same names. A Map, because the key comes from outside and an object literal has an entry for `constructor`.
 */
export const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['initialize', row('to-server', 'request', protocol, legacy)],
  ['ping', row('both', 'request', protocol, legacy)],
  ['logging/setLevel', row('to-server', 'request', protocol, legacy)],
  ['tools/list', row('to-server', 'request', listing('tools'), every)],
  ['tools/call', row('to-server', 'request', tool, every)],
  ['resources/list', row('to-server', 'request', listing('resources'), every)],
  ['resources/templates/list', row('to-server', 'request', listing('resourceTemplates'), every)],
  ['resources/read', row('to-server', 'request', resource, every)],
  ['resources/subscribe', row('to-server', 'request', resource, legacy)],
  ['resources/unsubscribe', row('to-server', 'request', resource, legacy)],
  ['prompts/list', row('to-server', 'request', listing('prompts'), every)],
  ['prompts/get', row('to-server', 'request', prompt, every)],
  ['completion/complete', row('to-server', 'request', completion, every)],
  ['server/discover', row('to-server', 'request', protocol, modern)],
  ['subscriptions/listen', row('to-server', 'request', subscription, modern)],
  ['tasks/list', row('to-server', 'request', listing('tasks'), november2025)],
  ['tasks/get', row('to-server', 'request', task, fromNovember2025)],
  ['tasks/result', row('to-server', 'request', task, november2025)],
  ['tasks/update', row('to-server', 'request', task, modern)],
  ['tasks/cancel', row('to-server', 'request', task, fromNovember2025)],
  ['sampling/createMessage', row('to-client', 'request', upcall, every)],
  ['roots/list', row('to-client', 'request', upcall, every)],
  ['elicitation/create', row('to-client', 'request', upcall, from2025June)],
  ['notifications/initialized', row('to-server', 'notice', protocol, legacy)],
  ['notifications/roots/list_changed', row('to-server', 'notice', protocol, legacy)],
  ['notifications/cancelled', row('both', 'notice', protocol, every)],
  ['notifications/progress', row('both', 'notice', protocol, every)],
  ['notifications/message', row('to-client', 'notice', upcall, every)],
  ['notifications/resources/updated', row('to-client', 'notice', upcall, every)],
  ['notifications/resources/list_changed', row('to-client', 'notice', upcall, every)],
  ['notifications/tools/list_changed', row('to-client', 'notice', upcall, every)],
  ['notifications/prompts/list_changed', row('to-client', 'notice', upcall, every)],
  ['notifications/subscriptions/acknowledged', row('to-client', 'notice', upcall, modern)],
  ['notifications/tasks/status', row('to-client', 'notice', upcall, november2025)],
  ['notifications/tasks', row('to-client', 'notice', upcall, modern)],
  ['notifications/elicitation/complete', row('to-client', 'notice', upcall, november2025)],
]);

/** What a client of an era may say; undefined for what that era does not know and for what only servers say. */
export function methodToServer(name: string, era: Era): Method | undefined {
  const found = methods.get(name);
  return found === undefined || found.direction === 'to-client' || !belongs(found, era) ? undefined : found;
}

/** The client capability that a server's question needs; undefined for what no client can be asked. */
export function capabilityFor(method: string): string | undefined {
  return neededFor.get(method);
}

const neededFor: ReadonlyMap<string, string> = new Map([
  ['elicitation/create', 'elicitation'],
  ['sampling/createMessage', 'sampling'],
  ['roots/list', 'roots'],
]);

const plainNames: ReadonlySet<string> = new Set([...methods.keys()].map(plain));

/** Whether some reader could take a name for one of the table: it differs only in case, in dots for slashes, or in blanks. */
export function resemblesMethod(name: string): boolean {
  return plainNames.has(plain(name));
}

function plain(name: string): string {
  return name
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '');
}

function belongs(method: Method, era: Era): boolean {
  const isModern = method.revisions.at(-1) === '2026-07-28';
  return era === 'modern' ? isModern : !isModern || method.revisions.length > 1;
}

/** What a server may say; undefined for what we do not know and for what only clients say. */
export function methodToClient(name: string): Method | undefined {
  const found = methods.get(name);
  return found === undefined || found.direction === 'to-server' ? undefined : found;
}

function row(direction: Direction, form: Method['form'], aim: Aim, revisions: readonly Revision[]): Method {
  return { direction, form, aim, revisions };
}
