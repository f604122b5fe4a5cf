import type { ServerFile } from '../domain/orders.ts';
import { readReference, referenceForms, reservedSchemes } from '../domain/secret-reference.ts';
import { nearestTo, quote } from './complaint.ts';
import type { Complaint } from './complaint.ts';
import { inReach } from './in-reach.ts';
import type { DaemonFile } from './schema.ts';
import { exactly, type PlaceOf } from './exactly.ts';
import type { Place } from './toml.ts';

/** Of one file; nobody reads more, and each is searched for in the file. */
const complaintsMax = 100;

/** Names that one file uses and another one should give a meaning to: servers in profiles, roles and webhooks in rules. */
export function knownNames(
  daemon: DaemonFile,
  servers: readonly ServerFile[],
  placeOf: PlaceOf,
): Complaint[] {
  return [
    ...profiles(daemon, servers, placeOf),
    ...secretCommands(daemon, servers, placeOf),
    ...inReach(daemon, servers, placeOf),
    ...servers.flatMap((server) => inServer(server, daemon, placeOf)),
  ];
}

/** Most likely a typing error, and the profile would show less than it should. */
function profiles(
  { file, profiles: all }: DaemonFile,
  servers: readonly ServerFile[],
  placeOf: PlaceOf,
): Complaint[] {
  const known = new Set(servers.map(({ spec }) => spec.name));
  return all.flatMap(([profile, names]) =>
    names
      .filter((name) => !known.has(name))
      .map((name) => ({
        severity: 'warning',
        file,
        ...placeOf(file, ['profiles', profile]),
        what: `profile ${quote(profile)} names ${quote(name)}, and there is no such server`,
        expected: `a file servers/${name}.toml`,
      })),
  );
}

/** The scheme is not repeated: what was pasted in the place of a reference may be the secret itself. */
function secretCommands(
  { file, webhooks, secrets }: DaemonFile,
  servers: readonly ServerFile[],
  placeOf: PlaceOf,
): Complaint[] {
  const known = secrets.commands.map(({ name }) => name);
  const uses = [
    ...webhooks.map(({ name, secret }) => ({ file, path: ['webhooks', name, 'secret'], reference: secret })),
    ...servers.flatMap((server) =>
      Object.entries(server.spec.secrets).map(([variable, { reference }]) => ({
        file: server.file,
        path: ['secrets', variable],
        reference,
      })),
    ),
  ];
  return uses.flatMap(({ file: at, path, reference }) => {
    const read = readReference(reference);
    if (read?.kind !== 'command' || known.includes(read.command)) return [];
    const nearest = nearestTo(read.command, [...known, ...reservedSchemes]);
    return [
      {
        severity: 'error' as const,
        file: at,
        ...placeOf(at, path),
        what: `the value of ${quote(path[1] ?? '')} names a provider of secrets that is not there`,
        expected: referenceForms,
        ...(nearest !== undefined && { nearest }),
      },
    ];
  });
}

function inServer(server: ServerFile, daemon: DaemonFile, placeOf: PlaceOf): Complaint[] {
  const roles = daemon.roles.map(([name]) => name);
  const webhooks = daemon.webhooks.map(({ name }) => name);
  const rules = new Set(server.rules.map(({ name }) => name));
  const complaints: Complaint[] = [];
  const unknown = (
    noun: string,
    name: string,
    known: readonly string[],
    at: Place & { readonly file: string },
  ) => {
    const nearest = nearestTo(name, known);
    complaints.push({
      severity: 'error',
      ...at,
      what: `no ${noun} is called ${quote(name)}`,
      expected:
        noun === 'role'
          ? `a line ${name} = ["CALLER"] under [roles] in mcpd.toml`
          : `[webhooks.${name}] in mcpd.toml`,
      ...(nearest !== undefined && { nearest }),
    });
  };
  for (const rule of server.rules) {
    const at = (key: string) => exactly(placeOf, rule.place, 'rule', [key]);
    for (const role of rule.roles ?? []) if (!roles.includes(role)) unknown('role', role, roles, at('roles'));
    for (const channel of rule.asking.channels)
      if (channel.kind === 'webhook' && !webhooks.includes(channel.name))
        unknown('webhook', channel.name, webhooks, at('ask'));
  }
  for (const pilot of server.contract.pilots) {
    const role = pilot.startsWith('role:') ? pilot.slice('role:'.length) : undefined;
    if (role !== undefined && !roles.includes(role))
      unknown('role', role, roles, { file: server.file, ...placeOf(server.file, ['pilots']) });
  }
  for (const one of server.cases) {
    if (complaints.length >= complaintsMax) break;
    const at = (key: string) => exactly(placeOf, one.place, 'case', [key]);
    for (const role of one.roles) if (!roles.includes(role)) unknown('role', role, roles, at('roles'));
    if (one.rule === undefined || /^(?:built-in|switch|grant):/.test(one.rule)) continue;
    if (rules.has(one.rule)) continue;
    const nearest = nearestTo(one.rule, [...rules]);
    complaints.push({
      severity: 'error',
      ...at('rule'),
      what: `case ${quote(one.name)} names ${quote(one.rule)}, and there is no such rule`,
      expected: 'the name of a rule of this file',
      ...(nearest !== undefined && { nearest }),
    });
  }
  return complaints;
}
