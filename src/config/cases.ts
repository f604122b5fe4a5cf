import type { Json } from '../domain/message.ts';
import type { CaseText } from '../domain/orders.ts';
import { quote } from './complaint.ts';
import type { Here } from './here.ts';
import type { WrittenCase } from './schema-case.ts';
import type { Path } from './toml.ts';

/** The `[[case]]` tables of one file. */
export function casesOf(written: readonly WrittenCase[], here: Here): readonly CaseText[] {
  const names = new Set<string>();
  return written.flatMap((one, index) => {
    const at = ['case', index];
    const { name, caller, roles, expect, rule } = one;
    if (names.has(name))
      here.complaints.about(
        [...at, 'name'],
        `duplicate: another case is named ${quote(name)}`,
        'a name of its own',
      );
    names.add(name);
    const target = targetOf(one, at, here);
    if (target === undefined) return [];
    const args = one.args === undefined ? undefined : jsonObject(one.args, [...at, 'args'], here);
    if (args !== undefined && target.kind === 'resource')
      here.complaints.aboutKey([...at, 'args'], 'a resource has no arguments', 'no such line');
    const place = here.complaints.lineOf(at);
    return [{ name, caller, roles, target, args, atMs: one.at, expect, rule, place }];
  });
}

function targetOf(written: WrittenCase, at: Path, here: Here): CaseText['target'] | undefined {
  const { tool, resource, prompt, upcall, method } = written;
  const all: (CaseText['target'] | undefined)[] = [
    tool === undefined ? undefined : { kind: 'tool', name: tool },
    resource === undefined ? undefined : { kind: 'resource', uri: resource },
    prompt === undefined ? undefined : { kind: 'prompt', name: prompt },
    upcall === undefined ? undefined : { kind: 'upcall', method: upcall },
    method === undefined ? undefined : { kind: 'method', method },
  ];
  const [target, second] = all.filter((one) => one !== undefined);
  if (target === undefined || second !== undefined)
    here.complaints.about(
      at,
      `case ${quote(written.name)} aims at ${target === undefined ? 'nothing' : 'two things'}`,
      'exactly one of tool, resource, prompt, upcall, method',
    );
  return target;
}

function jsonObject(written: Readonly<Record<string, unknown>>, at: Path, here: Here): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(written).map(([key, value]) => [key, jsonOf(value, [...at, key], here)]),
  );
}

/** A TOML value as the JSON that a client would send. */
function jsonOf(value: unknown, at: Path, here: Here): Json {
  if (Array.isArray(value)) return value.map((item: unknown, index) => jsonOf(item, [...at, index], here));
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'object' && value !== null && !(value instanceof Date))
    return jsonObject(value as Record<string, unknown>, at, here);
  here.complaints.about(
    at,
    'an argument that JSON cannot hold',
    'text, a finite number, true, false, a list or a table',
  );
  return null;
}
