import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { csvHead, csvLine } from '../../src/audit/export-csv.ts';
import { exportFormats } from '../../src/audit/export-formats.ts';
import { ocsfOf } from '../../src/audit/export-ocsf.ts';
import { ownKinds } from '../../src/audit/outcomes.ts';
import { textOf } from '../../src/audit/query-filter.ts';
import type { Json, JsonObject } from '../../src/domain/message.ts';

const time = '2026-01-02T03:04:05.006Z';
const call: JsonObject = {
  seq: 7,
  kind: 'call',
  time,
  id: 'c-1',
  caller: 'ana',
  session: 'abcdef012345',
  client: { name: 'desk', version: '1' },
  remote: '127.0.0.1',
  server: 'files',
  serverVersion: '2',
  method: 'tools/call',
  target: { kind: 'tool', name: 'write_file' },
  resources: { path: '/srv/a.txt' },
  args: { path: 'hmac:1' },
  decision: { kind: 'confirm', rule: 'writes', orders: 'v7+1', approvedBy: 'ana' },
  outcome: 'answered',
  durationMs: 1.5,
};
const { caller: _caller, session: _session, decision: _decision, ...stranger } = call;
const records: readonly JsonObject[] = [
  call,
  { ...call, outcome: 'refused', error: 'denied', decision: { kind: 'deny', rule: 'no', reason: 'never' } },
  { ...call, outcome: 'awaiting' },
  { ...call, outcome: 'unknown' },
  { ...stranger, outcome: 'failed', error: 'UNAUTHENTICATED', reason: 'no such key' },
  { ...stranger, outcome: 'failed', error: 'BAD_JSON', remote: 'unix:1000' },
  {
    seq: 1,
    kind: 'upcall',
    time,
    id: 'c-1',
    caller: 'ana',
    server: 'files',
    method: 'roots/list',
    asked: true,
  },
  { seq: 2, kind: 'command', time, by: 'ana', command: 'lockdown', args: ['reason=x'], result: 'done' },
  {
    seq: 3,
    kind: 'command',
    time,
    by: 'stranger: x',
    command: '',
    args: [],
    result: 'refused: NOT_PERMITTED',
  },
  { seq: 4, kind: 'sign-ins', time, remote: '203.0.113.9', suppressed: 40, since: time },
  ...Object.keys(ownKinds).map((kind) => ({ seq: 5, kind, time })),
  {},
];

/*
 * What OCSF 1.8.0 requires of each class, and of the objects in it, from its schema (github.com/ocsf/ocsf-schema, tag 1.8.0):
 * `requirement: required`, and the constraint `at_least_one`.
 */
const base = ['activity_id', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'time', 'type_uid'];
const required: ReadonlyMap<Json | undefined, readonly string[]> = new Map([
  [6003, [...base, 'actor', 'api', 'src_endpoint']],
  [3004, [...base, 'entity']],
  [3002, [...base, 'user']],
  [6002, [...base, 'app']],
]);
const categories: ReadonlyMap<Json | undefined, Json> = new Map([
  [6003, 6],
  [6002, 6],
  [3004, 3],
  [3002, 3],
]);
const requiredIn: Readonly<Record<string, readonly string[]>> = {
  metadata: ['product', 'version'],
  api: ['operation'],
};
const oneOf: Readonly<Record<string, readonly string[]>> = {
  product: ['name', 'uid'],
  app: ['name', 'uid'],
  actor: ['process', 'user', 'invoked_by', 'session', 'app_name', 'app_uid'],
  src_endpoint: ['ip', 'uid', 'name', 'hostname', 'instance_uid', 'interface_uid', 'interface_name'],
  user: ['account', 'name', 'uid'],
  entity: ['name', 'uid', 'device', 'group', 'org', 'policy', 'user'],
  service: ['name', 'uid'],
  policy: ['name', 'type', 'uid'],
  firewall_rule: ['name', 'uid'],
  resources: ['name', 'uid'],
  request: ['uid'],
};
/** Attributes of the classes that are numbers from a list. */
const lists: Readonly<Record<string, readonly number[]>> = {
  severity_id: [0, 1, 2, 3, 4, 5, 6, 99],
  status_id: [0, 1, 2, 99],
  action_id: [0, 1, 2, 3, 4, 99],
  disposition_id: [0, 1, 2, 8, 14, 17, 99],
};

function mustBeOcsf(event: JsonObject): void {
  const { class_uid, activity_id, type_uid } = event;
  for (const name of required.get(class_uid) ?? assert.fail(`class ${JSON.stringify(class_uid)}`))
    assert.notEqual(event[name], undefined, `${JSON.stringify(class_uid)} lacks ${name}`);
  assert.equal(event['category_uid'], categories.get(class_uid));
  assert.equal(type_uid, Number(class_uid) * 100 + Number(activity_id));
  assert.ok(Number.isSafeInteger(event['time']));
  for (const [name, allowed] of Object.entries(lists))
    if (event[name] !== undefined)
      assert.ok(allowed.includes(Number(event[name])), `${name} ${JSON.stringify(event[name])}`);
  if (class_uid === 3002) assert.ok(event['service'] !== undefined || event['dst_endpoint'] !== undefined);
  mustHoldObjects(event);
}

function mustHoldObjects(value: Json | undefined, name = ''): void {
  if (Array.isArray(value)) for (const one of value) mustHoldObjects(one, name);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  for (const wanted of requiredIn[name] ?? [])
    assert.notEqual(value[wanted], undefined, `${name} lacks ${wanted}`);
  const choices = oneOf[name];
  if (choices !== undefined)
    assert.ok(
      choices.some((it) => value[it] !== undefined && value[it] !== ''),
      `${name} has none of ${choices.join()}`,
    );
  for (const [key, inner] of Object.entries(value)) mustHoldObjects(inner, key);
}

for (const [at, record] of records.entries()) {
  test(`record ${at} (${textOf(record['kind'])} ${textOf(record['outcome'])}) is an event that OCSF 1.8.0 allows`, () => {
    const event = ocsfOf(record, '1.0.0');
    mustBeOcsf(event);
    assert.deepEqual(JSON.parse(textOf(event['raw_data'])), record);
  });
}

test('whatever a record holds, the event is one that OCSF allows', () => {
  const anything = fc.dictionary(
    fc.constantFrom(
      'kind',
      'time',
      'id',
      'caller',
      'remote',
      'server',
      'method',
      'target',
      'decision',
      'outcome',
      'args',
      'resources',
      'by',
      'command',
    ),
    fc.oneof(
      fc.constantFrom('call', 'upcall', 'command', 'sign-ins', 'refused', ''),
      fc.jsonValue({ maxDepth: 2 }),
    ),
  );
  fc.assert(fc.property(anything, (record) => mustBeOcsf(ocsfOf(record as JsonObject, '1'))));
});

test('what happened is in the event: who, what, whether it was let through, under which rule, by whose yes', () => {
  const event = ocsfOf(call, '1.0.0');
  const { actor, api, src_endpoint, metadata, firewall_rule, policy } = event;
  assert.deepEqual(
    [event['class_uid'], event['status'], event['action_id'], event['disposition_id']],
    [6003, 'Success', 1, 8],
  );
  assert.deepEqual(actor, { user: { name: 'ana' }, session: { uid: 'abcdef012345' }, app_name: 'desk' });
  assert.deepEqual(api, {
    operation: 'write_file',
    service: { name: 'files', version: '2' },
    request: { uid: 'c-1' },
  });
  assert.deepEqual([src_endpoint, firewall_rule], [{ ip: '127.0.0.1' }, { name: 'writes' }]);
  assert.deepEqual((policy as JsonObject)['uid'], 'v7+1');
  assert.deepEqual(
    [(metadata as JsonObject)['correlation_uid'], (metadata as JsonObject)['sequence']],
    ['c-1', 7],
  );
});

const said: readonly (readonly [JsonObject, Json[]])[] = [
  [{ outcome: 'answered' }, ['Success', 1, 8]],
  [{ outcome: 'answered', error: 'tool-error' }, ['Failure', 1, 8]],
  [{ outcome: 'refused', error: 'rate-limited' }, ['Failure', 2, 2]],
  [{ outcome: 'declined', error: 'expired' }, ['Failure', 2, 2]],
  [{ outcome: 'awaiting' }, ['awaiting', 0, 14]],
  [{ outcome: 'unknown' }, ['Unknown', 1, 8]],
  [{ outcome: 'failed', decision: null }, ['Failure', 0, 0]],
  [{ outcome: 'answered', decision: { kind: 'allow', approvedBy: 'policy' } }, ['Success', 1, 1]],
  [{ outcome: 'answered', decision: { kind: 'allow', would: { kind: 'deny' } } }, ['Success', 3, 17]],
];
for (const [more, expected] of said) {
  test(`${JSON.stringify(more)} is ${JSON.stringify(expected)}`, () => {
    const event = ocsfOf({ ...call, ...more }, '1');
    assert.deepEqual([event['status'], event['action_id'], event['disposition_id']], expected);
  });
}

/** RFC 4180, written anew: rows of cells. */
function cellsOf(csv: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') rows.push([]);
    if (end === '') break;
  }
  return rows.slice(0, -1);
}

test('a line of CSV has a cell for each title, and the whole record in the last one', () => {
  const [head, ...rows] = cellsOf(csvHead + records.map((it) => csvLine(it)).join(''));
  assert.equal(rows.length, records.length);
  for (const [at, row] of rows.entries()) {
    assert.equal(row.length, head?.length);
    assert.deepEqual(JSON.parse(row.at(-1) ?? ''), records[at]);
  }
  const cell = (row: number, title: string) => rows[row]?.[head?.indexOf(title) ?? -1];
  assert.deepEqual(
    ['caller', 'target', 'resources', 'args', 'approved_by', 'command_args'].map((it) => cell(0, it)),
    ['ana', 'write_file', '{"path":"/srv/a.txt"}', '{"path":"hmac:1"}', 'ana', ''],
  );
  assert.deepEqual([cell(7, 'args'), cell(7, 'command_args')], ['', '["reason=x"]']);
});

test('no cell of a CSV is a formula, ends its line, or moves a terminal', () => {
  const nasty = [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    ' =1',
    '|x',
    '%x',
    '＝1',
    'a\n=1',
    '"',
    'x\u001b[2J',
  ];
  fc.assert(
    fc.property(fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: 'binary' })), (text) => {
      const row = cellsOf(csvHead + csvLine({ caller: text }))[1] ?? [];
      assert.equal(row.length, cellsOf(csvHead)[0]?.length);
      for (const cell of row) {
        if (!/^-\d+$/.test(cell)) assert.doesNotMatch(cell, /^\s*[=+\-@|%＝＋－＠]/u);
        assert.doesNotMatch(cell, /[\u0000-\u001f\u007f-\u009f\u202e]/);
      }
    }),
  );
});

test('every format writes one line for a record, whatever is in it', () => {
  for (const [name, format] of exportFormats('1')) {
    const line = format.line({ ...call, caller: 'a\nb\u2028c' });
    assert.match(line, /^[^\r\n\u2028]*\r?\n$/, name);
  }
});
