import type { JsonObject } from '../domain/message.ts';
import { ocsfOutcome, type OcsfOutcome } from './export-ocsf-outcome.ts';
import { ownKinds } from './outcomes.ts';
import { differs, objectAt, resourcesOf, textOf, timeOf } from './query-filter.ts';

/*
 * Records as events of the Open Cybersecurity Schema Framework 1.8.0 (schema.ocsf.io/1.8.0):
 *
 *   calls and questions of servers     API Activity, 6003         failed sign-ins     Authentication, 3002
 *   commands of the operator           Entity Management, 3004    the journal itself  Application Lifecycle, 6002
 *
 * `metadata.correlation_uid` is the correlation id, `metadata.sequence` the number of the record, and `raw_data` the record itself.
 */
const schemaVersion = '1.8.0';

const classes = {
  call: { category_uid: 6, class_uid: 6003 },
  signIn: { category_uid: 3, class_uid: 3002 },
  command: { category_uid: 3, class_uid: 3004 },
  own: { category_uid: 6, class_uid: 6002 },
} as const;

const severity = { informational: 1, low: 2, medium: 3, high: 4 } as const;
/** An activity that the class has no number for; then its name says what it is. */
const other = 99;
const product = { name: 'mcpd', vendor_name: 'mcpd' } as const;

type Activity = { readonly activity_id: number; readonly activity_name: string };

/** One record as an event. `version`: of mcpd. */
export function ocsfOf(record: JsonObject, version: string): JsonObject {
  const { kind } = record;
  if (kind === 'call' && isFailedSignIn(record)) return signInEvent(record, version);
  if (kind === 'sign-ins') return signInsEvent(record, version);
  if (kind === 'call' || kind === 'upcall') return callEvent(record, version);
  if (kind === 'command') return commandEvent(record, version);
  return ownEvent(record, version);
}

/** As the trail has it: somebody unknown is told nothing else. */
function isFailedSignIn(record: JsonObject): boolean {
  const error = record['error'];
  return error === 'UNAUTHENTICATED' || (error === 'TOO_MANY' && record['caller'] === undefined);
}

function callEvent(record: JsonObject, version: string): JsonObject {
  const isUpcall = record['kind'] === 'upcall';
  const target = objectAt(record, 'target');
  const [server, method] = [textOf(record['server']), textOf(record['method']) || '(none)'];
  const tool = target['kind'] === 'tool' ? textOf(target['name']) : '';
  const outcome = ocsfOutcome(record);
  const resources = [
    ...(target['name'] === undefined ? [] : [{ name: textOf(target['name']), type: textOf(target['kind']) }]),
    ...resourcesOf(record).map((name) => ({ name, type: 'resource' })),
  ].filter(({ name }) => name !== '');
  return {
    ...event(record, version, classes.call, activityOf(method), severityOf(outcome)),
    ...outcome,
    // It is the server that asks, and the caller whom it asks.
    actor: isUpcall ? { app_name: server || '(unknown)' } : actorOf(record),
    api: {
      operation: tool === '' ? method : tool,
      ...(server === '' ? {} : { service: serviceOf(record) }),
      ...(textOf(record['id']) === '' ? {} : { request: { uid: textOf(record['id']) } }),
      ...(textOf(record['error']) === '' ? {} : { response: { error: textOf(record['error']) } }),
    },
    src_endpoint: isUpcall ? { name: server || '(unknown)' } : endpointOf(record),
    resources,
    ...ruleOf(record),
    message: `${isUpcall ? server : whoOf(record)}: ${method} ${server}${tool === '' ? '' : `/${tool}`}: ${outcome.status}`,
  };
}

function signInEvent(record: JsonObject, version: string): JsonObject {
  return {
    ...event(record, version, classes.signIn, { activity_id: 1, activity_name: 'Logon' }, severity.low),
    status_id: 2,
    status: 'Failure',
    status_code: textOf(record['error']),
    ...(record['reason'] === undefined ? {} : { status_detail: textOf(record['reason']) }),
    user: { name: whoOf(record) },
    service: { name: 'mcpd' },
    src_endpoint: endpointOf(record),
    is_remote: true,
    message: `a sign-in from ${textOf(record['remote'])} failed`,
  };
}

/** Those that have no record of their own: one event that stands for many. */
function signInsEvent(record: JsonObject, version: string): JsonObject {
  const count = typeof record['suppressed'] === 'number' ? record['suppressed'] : 1;
  const since = Date.parse(textOf(record['since']));
  const first = signInEvent({ ...record, error: 'UNAUTHENTICATED' }, version);
  const times = Number.isNaN(since) ? {} : { start_time: since, end_time: epoch(record) };
  return {
    ...first,
    ...times,
    severity_id: severity.medium,
    count,
    raw_data: JSON.stringify(record),
    message: `${count} more sign-ins from ${textOf(record['remote'])} failed`,
  };
}

function commandEvent(record: JsonObject, version: string): JsonObject {
  const command = textOf(record['command']);
  const result = textOf(record['result']);
  const args = Array.isArray(record['args']) ? record['args'].map(textOf) : [];
  const [status_id, status] = result.startsWith('refused') ? [2, 'Failure'] : [1, 'Success'];
  const done = result === 'begun' ? { status_id: 0, status: 'Unknown' } : { status_id, status };
  return {
    ...event(record, version, classes.command, commandActivity(command), severity.low),
    ...done,
    ...(result === '' ? {} : { status_detail: result }),
    actor: { user: { name: textOf(record['by']) || '(unknown)' } },
    entity: { name: args.join(' ') || command || '(none)', type: 'mcpd', type_id: other },
    message: `${textOf(record['by'])}: mcpd ${[command, ...args].join(' ')}: ${result}`,
  };
}

function ownEvent(record: JsonObject, version: string): JsonObject {
  const kind = textOf(record['kind']) || '(none)';
  const care = new Map<string, string>(Object.entries(ownKinds)).get(kind);
  const severities = new Map<string | undefined, number>([
    ['usual', severity.informational],
    ['alarm', severity.high],
  ]);
  const activity = kind === 'started' ? { activity_id: 3, activity_name: 'Start' } : named(kind);
  return {
    ...event(record, version, classes.own, activity, severities.get(care) ?? severity.medium),
    app: { ...product, version },
    message: `the journal: ${kind}`,
  };
}

/** What every event has. `type_uid` is the class and the activity in one number. */
function event(
  record: JsonObject,
  version: string,
  where: { readonly category_uid: number; readonly class_uid: number },
  activity: Activity,
  severity_id: number,
): JsonObject {
  const { seq, id } = record;
  return {
    ...where,
    ...activity,
    type_uid: where.class_uid * 100 + activity.activity_id,
    severity_id,
    time: epoch(record),
    metadata: {
      version: schemaVersion,
      product: { ...product, version },
      profiles: ['security_control'],
      log_name: 'audit',
      event_code: textOf(record['kind']),
      ...(typeof seq === 'number' ? { sequence: seq, uid: String(seq) } : {}),
      ...(typeof id !== 'string' ? {} : { correlation_uid: id }),
    },
    raw_data: JSON.stringify(record),
  };
}

function epoch(record: JsonObject): number {
  const time = timeOf(record);
  return Number.isNaN(time) ? 0 : time;
}

function activityOf(method: string): Activity {
  if (/^(resources|prompts|completion)\/|\/(list|read|get)$/.test(method))
    return { activity_id: 2, activity_name: 'Read' };
  // What a tool does, its name does not say.
  return named(method);
}

function commandActivity(command: string): Activity {
  const found = commandActivities.find(([pattern]) => pattern.test(command));
  return found === undefined ? named(command) : { activity_id: found[1], activity_name: found[2] };
}

const commandActivities: readonly (readonly [RegExp, number, string])[] = [
  [/^(disable|lockdown)/, 9, 'Disable'],
  [/^(enable|unlock)/, 8, 'Enable'],
  [/(^|-)(add|grant)\b/, 1, 'Create'],
  [/(^|-)(remove|revoke|forget)\b/, 4, 'Delete'],
  [/^(status|list|show|approvals|pins|secrets|operators|packages|grants)/, 2, 'Read'],
];

function named(activity_name: string): Activity {
  return { activity_id: other, activity_name };
}

function severityOf({ status_id }: OcsfOutcome): number {
  return status_id === 2 ? severity.low : severity.informational;
}

function whoOf(record: JsonObject): string {
  return textOf(record['caller']) || '(unknown)';
}

function actorOf(record: JsonObject): JsonObject {
  const client = textOf(objectAt(record, 'client')['name']) || textOf(record['userAgent']);
  return {
    user: { name: whoOf(record) },
    ...(record['session'] === undefined ? {} : { session: { uid: textOf(record['session']) } }),
    ...(client === '' ? {} : { app_name: client }),
  };
}

function serviceOf(record: JsonObject): JsonObject {
  const version = textOf(record['serverVersion']);
  return { name: textOf(record['server']), ...(version === '' ? {} : { version }) };
}

/** Over a Unix socket the peer is a user and has no address. */
function endpointOf(record: JsonObject): JsonObject {
  const remote = textOf(record['remote']) || '(unknown)';
  return /^[0-9a-f:.]+$/i.test(remote) && /[.:]/.test(remote) ? { ip: remote } : { name: remote };
}

function ruleOf(record: JsonObject): JsonObject {
  const decision = objectAt(record, 'decision');
  const rule = textOf(objectAt(record, 'refusedBy')['rule']) || textOf(decision['rule']);
  const orders = textOf(decision['orders']);
  return {
    ...(rule === '' ? {} : { firewall_rule: { name: rule } }),
    ...(orders === '' ? {} : { policy: { name: 'mcpd policy', uid: orders, version: orders } }),
    ...(differs(record) ? { is_alert: true } : {}),
  };
}
