import type { Listing } from '../domain/call.ts';

/** The revisions that begin with `initialize`, oldest first. */
export type Revision = '2024-11-05' | '2025-03-26' | '2025-06-18' | '2025-11-25';

/** Who may say it: a client to a server, a server to a client, or either. */
export type Direction = 'to-server' | 'to-client' | 'both';

/** What a method aims at when a client says it, and where in `params` the name of that thing stands. */
export type Aim =
  | { readonly kind: 'tool'; readonly at: 'name' }
  | { readonly kind: 'prompt'; readonly at: 'name' }
  | { readonly kind: 'resource'; readonly at: 'uri' }
  | { readonly kind: 'completion'; readonly at: 'ref' }
  | { readonly kind: 'listing'; readonly of: Listing }
  | { readonly kind: 'protocol' }
  /** Only servers say it. */
  | { readonly kind: 'upcall' };

export type Method = {
  readonly direction: Direction;
  readonly form: 'request' | 'notice';
  readonly aim: Aim;
  readonly revisions: readonly Revision[];
};

const every: readonly Revision[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
const from2025June: readonly Revision[] = ['2025-06-18', '2025-11-25'];
const from2025November: readonly Revision[] = ['2025-11-25'];

const tool: Aim = { kind: 'tool', at: 'name' };
const prompt: Aim = { kind: 'prompt', at: 'name' };
const resource: Aim = { kind: 'resource', at: 'uri' };
const completion: Aim = { kind: 'completion', at: 'ref' };
const protocol: Aim = { kind: 'protocol' };
const upcall: Aim = { kind: 'upcall' };
const listing = (of: Listing): Aim => ({ kind: 'listing', of });

/**
 * Every method we carry (schema.ts of each revision). What is not here is unknown, and nothing allows it; `tasks/*` is
 * left out on purpose. A Map, because the key comes from outside and an object literal has an entry for `constructor`.
 */
export const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['initialize', row('to-server', 'request', protocol, every)],
  ['ping', row('both', 'request', protocol, every)],
  ['logging/setLevel', row('to-server', 'request', protocol, every)],
  ['tools/list', row('to-server', 'request', listing('tools'), every)],
  ['tools/call', row('to-server', 'request', tool, every)],
  ['resources/list', row('to-server', 'request', listing('resources'), every)],
  ['resources/templates/list', row('to-server', 'request', listing('resourceTemplates'), every)],
  ['resources/read', row('to-server', 'request', resource, every)],
  ['resources/subscribe', row('to-server', 'request', resource, every)],
  ['resources/unsubscribe', row('to-server', 'request', resource, every)],
  ['prompts/list', row('to-server', 'request', listing('prompts'), every)],
  ['prompts/get', row('to-server', 'request', prompt, every)],
  ['completion/complete', row('to-server', 'request', completion, every)],
  ['sampling/createMessage', row('to-client', 'request', upcall, every)],
  ['roots/list', row('to-client', 'request', upcall, every)],
  ['elicitation/create', row('to-client', 'request', upcall, from2025June)],
  ['notifications/initialized', row('to-server', 'notice', protocol, every)],
  ['notifications/roots/list_changed', row('to-server', 'notice', protocol, every)],
  ['notifications/cancelled', row('both', 'notice', protocol, every)],
  ['notifications/progress', row('both', 'notice', protocol, every)],
  ['notifications/message', row('to-client', 'notice', upcall, every)],
  ['notifications/resources/updated', row('to-client', 'notice', upcall, every)],
  ['notifications/resources/list_changed', row('to-client', 'notice', upcall, every)],
  ['notifications/tools/list_changed', row('to-client', 'notice', upcall, every)],
  ['notifications/prompts/list_changed', row('to-client', 'notice', upcall, every)],
  ['notifications/elicitation/complete', row('to-client', 'notice', upcall, from2025November)],
]);

/** What a client may say; undefined for what we do not know and for what only servers say. */
export function methodToServer(name: string): Method | undefined {
  const found = methods.get(name);
  return found === undefined || found.direction === 'to-client' ? undefined : found;
}

/** What a server may say; undefined for what we do not know and for what only clients say. */
export function methodToClient(name: string): Method | undefined {
  const found = methods.get(name);
  return found === undefined || found.direction === 'to-server' ? undefined : found;
}

function row(direction: Direction, form: Method['form'], aim: Aim, revisions: readonly Revision[]): Method {
  return { direction, form, aim, revisions };
}
