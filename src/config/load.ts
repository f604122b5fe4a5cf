import { dirname, resolve } from 'node:path';
import type { ServerFile } from '../domain/orders.ts';
import { Complaints } from './complain.ts';
import { quote } from './complaint.ts';
import type { Complaint } from './complaint.ts';
import { daemonFile } from './daemon-file.ts';
import { decode, digestOf, readPolicies } from './read.ts';
import type { PolicyBytes } from './read.ts';
import { salvage } from './salvage.ts';
import { daemonShape, ruleShape, serverShape } from './schema.ts';
import type { DaemonFile } from './schema.ts';
import { serverFile } from './server-file.ts';
import type { Environment } from './state-dir.ts';
import { Places, readToml } from './toml.ts';

/** A whole set of policy files that fit together, or everything that is wrong with it. */
export type Loaded =
  | {
      readonly ok: true;
      readonly daemon: DaemonFile;
      /** By name. */
      readonly servers: readonly ServerFile[];
      /** Names these bytes: 12 hexadecimal characters of their SHA-256. */
      readonly digest: string;
      readonly files: readonly string[];
      readonly warnings: readonly Complaint[];
      /** Places a complaint that was found later, by somebody who knows only the file and the name of the rule. */
      readonly complainAt: (file: string, rule: string | undefined, what: string) => Complaint;
    }
  | { readonly ok: false; readonly complaints: readonly Complaint[] };

const rulesMax = 1000;

/** Reads, parses and checks every policy file below a folder. One read decides; nothing is half loaded. */
export function loadPolicies(dir: string, env: Environment, execPath: string = process.execPath): Loaded {
  const { files, complaints: unread } = readPolicies(dir);
  const all: Complaint[] = [...unread];
  const places = new Map<string, Places>();
  const servers: ServerFile[] = [];
  let daemon: DaemonFile | undefined;

  for (const read of files) {
    const document = parse(read, all);
    if (document === undefined) continue;
    places.set(read.file, document.places);
    const complaints = new Complaints(read.file, document.places);
    const folder = resolve(dirname(read.file));
    if (read.server === undefined) {
      // An empty file is what a full disk leaves behind, so it is not taken for "all defaults".
      if (isEmpty(document.value)) complaints.about([], 'the file says nothing', 'at least [listen]');
      const written =
        complaints.check(daemonShape, document.value) ?? salvage(daemonShape, document.value, {});
      if (written !== undefined) daemon = daemonFile(written, { file: read.file, folder, env }, complaints);
    } else {
      const written =
        complaints.check(serverShape, document.value) ??
        salvage(serverShape, document.value, { command: () => execPath, rule: placeholders });
      const place = { name: read.server, file: read.file, folder, execPath };
      if (written !== undefined) servers.push(serverFile(written, place, complaints));
    }
    all.push(...complaints.all.toSorted((a, b) => a.line - b.line || a.column - b.column));
  }

  const rules = servers.reduce((sum, server) => sum + server.rules.length, 0);
  if (rules > rulesMax) {
    const what = `${String(rules)} rules in all files together`;
    all.push({
      severity: 'error',
      file: dir,
      line: 1,
      column: 1,
      what,
      expected: `at most ${String(rulesMax)}`,
    });
  }
  if (daemon !== undefined) all.push(...strangers(daemon, servers, places));
  if (daemon === undefined || all.some(({ severity }) => severity === 'error')) {
    return { ok: false, complaints: all.filter(({ severity }) => severity === 'error') };
  }
  return {
    ok: true,
    daemon,
    servers,
    digest: digestOf(files),
    files: files.map(({ file }) => file),
    warnings: all,
    complainAt: (file, rule, what) => {
      const index =
        servers.find((server) => server.file === file)?.rules.findIndex(({ name }) => name === rule) ?? -1;
      const { line, column } = (places.get(file) ?? new Places()).valueOf(index < 0 ? [] : ['rule', index]);
      const about = rule === undefined ? what : `rule ${quote(rule)}: ${what}`;
      return { severity: 'error', file, line, column, what: about, expected: '' };
    },
  };
}

/** Servers that a profile names and that are not there: most likely a typing error, and the profile would show less than it should. */
function strangers(
  { file, profiles }: DaemonFile,
  servers: readonly ServerFile[],
  places: ReadonlyMap<string, Places>,
): Complaint[] {
  const known = new Set(servers.map(({ spec }) => spec.name));
  return profiles.flatMap(([profile, names]) =>
    names
      .filter((name) => !known.has(name))
      .map((name) => ({
        severity: 'warning',
        file,
        ...(places.get(file) ?? new Places()).valueOf(['profiles', profile]),
        what: `profile ${quote(profile)} names ${quote(name)}, and there is no such server`,
        expected: `a file servers/${name}.toml`,
      })),
  );
}

/** The rules of a file in their places, with something harmless where one cannot be read. */
function placeholders(written: unknown): readonly unknown[] {
  if (!Array.isArray(written)) return [];
  return written
    .slice(0, rulesMax)
    .map((rule: unknown, at) =>
      ruleShape.safeParse(rule).success
        ? rule
        : { name: `unreadable rule ${String(at)}`, verdict: 'deny', tools: ['*'] },
    );
}

function parse(read: PolicyBytes, complaints: Complaint[]): { value: unknown; places: Places } | undefined {
  const text = decode(read);
  if (typeof text !== 'string') {
    complaints.push(text);
    return undefined;
  }
  const parsed = readToml(text);
  if (parsed.ok) return parsed.document;
  complaints.push(...parsed.slips.map((slip) => ({ severity: 'error' as const, file: read.file, ...slip })));
  return undefined;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
