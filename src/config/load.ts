import { dirname, resolve } from 'node:path';
import type { ServerFile } from '../domain/orders.ts';
import { baseFile, type Base } from './base-file.ts';
import { Complaints } from './complain.ts';
import { printComplaint, quote } from './complaint.ts';
import type { Complaint } from './complaint.ts';
import { daemonFile } from './daemon-file.ts';
import { exactly } from './exactly.ts';
import { knownNames } from './known-names.ts';
import { parsed } from './parse.ts';
import { digestOf, readPolicies } from './read.ts';
import { salvage } from './salvage.ts';
import { ruleShape } from './schema-rule.ts';
import { serverShape } from './schema-server.ts';
import type { WrittenServer } from './schema-server.ts';
import { daemonShape } from './schema.ts';
import type { DaemonFile } from './schema.ts';
import { serverFile } from './server-file.ts';
import type { Environment } from './state-dir.ts';
import type { Terms } from './terms.ts';
import { Places, type Path, type Place } from './toml.ts';

/** A whole set of policy files that fit together, or everything that is wrong with it. */
export type Loaded =
  | {
      readonly ok: true;
      readonly daemon: DaemonFile;
      /** By name. */
      readonly servers: readonly ServerFile[];
      /** Names these bytes: 12 hexadecimal characters of their SHA-256. */
      readonly digest: string;
      /** All files that were read, bases last. */
      readonly files: readonly string[];
      /** The files that others extend, and the digests by which they are pinned. */
      readonly bases: readonly { readonly file: string; readonly sha256: string }[];
      readonly warnings: readonly Complaint[];
      /** Where something stands in a file; for something absent, the table it is absent from. */
      readonly placeOf: (file: string, path: Path) => Place;
      /** Places a complaint that was found later, by somebody who knows only the file and the name of the rule. */
      readonly complainAt: (file: string, rule: string | undefined, what: string) => Complaint;
    }
  | { readonly ok: false; readonly complaints: readonly Complaint[] };

export type LoadOptions = {
  /** The program that runs the daemon: bare names are looked up beside it first. */
  readonly execPath?: string;
  /** Names that `[[redact]]` may use; absent: not checked. */
  readonly detectors?: readonly string[];
};

const rulesMax = 1000;

/** Reads, parses and checks every policy file below a folder. One read decides; nothing is half loaded. */
export function loadPolicies(dir: string, env: Environment, options: LoadOptions = {}): Loaded {
  const { execPath = process.execPath, detectors } = options;
  const { files, bases: baseBytes, complaints: unread } = readPolicies(dir);
  const all: Complaint[] = [...unread];
  const places = new Map<string, Places>();
  const servers: ServerFile[] = [];
  let daemon: DaemonFile | undefined;

  const bases = new Map<string, Base>();
  for (const read of baseBytes) {
    const base = baseFile(read, detectors);
    bases.set(read.path, base);
    if (base.places !== undefined) places.set(read.file, base.places);
    all.push(...base.complaints);
  }
  for (const read of files) {
    const document = parsed(read);
    if (!document.ok) {
      all.push(...document.complaints);
      continue;
    }
    places.set(read.file, document.places);
    const complaints = new Complaints(read.file, document.places);
    const folder = resolve(dirname(read.file));
    if (read.server === undefined) {
      // An empty file is what a full disk leaves behind, so it is not taken for "all defaults".
      if (Object.keys(document.value).length === 0)
        complaints.about([], 'the file says nothing', 'at least [listen]');
      const written =
        complaints.check(daemonShape, document.value) ?? salvage(daemonShape, document.value, {});
      if (written !== undefined) daemon = daemonFile(written, { file: read.file, folder, env }, complaints);
    } else {
      const written =
        complaints.check(serverShape, document.value) ??
        salvage(serverShape, document.value, { command: () => execPath, rule: placeholders });
      const place = { name: read.server, file: read.file, folder, execPath };
      const here = { folder, complaints };
      if (written !== undefined) {
        const base = pinned(written, folder, bases, complaints);
        servers.push(serverFile(written, place, base, detectors, here));
      }
    }
    all.push(...complaints.all);
  }

  const rules = servers.reduce((sum, server) => sum + server.rules.length, 0);
  if (rules > rulesMax) {
    const what = `${String(rules)} rules in all files together`;
    const expected = `at most ${String(rulesMax)}`;
    all.push({ severity: 'error', file: dir, line: 1, column: 1, what, expected });
  }
  const placeOf = (file: string, path: Path) => (places.get(file) ?? new Places()).valueOf(path);
  if (daemon !== undefined) {
    const told = new Set<string>();
    // What is wrong with a base is found again by each file that extends it.
    for (const complaint of knownNames(daemon, servers, placeOf)) {
      const text = printComplaint(complaint);
      if (!told.has(text)) all.push(complaint);
      told.add(text);
    }
  }
  const order = new Map([...files, ...baseBytes].map(({ file }, at) => [file, at]));
  // Sorting is stable, so what belongs to no file stays in front, and each file tells its complaints from the top.
  all.sort(
    (a, b) => (order.get(a.file) ?? -1) - (order.get(b.file) ?? -1) || a.line - b.line || a.column - b.column,
  );
  if (daemon === undefined || all.some(({ severity }) => severity === 'error')) {
    return { ok: false, complaints: all.filter(({ severity }) => severity === 'error') };
  }
  return {
    ok: true,
    daemon,
    servers,
    digest: digestOf(files, baseBytes),
    files: [...files, ...baseBytes].map(({ file }) => file),
    bases: [...bases.values()].map(({ file, sha256 }) => ({ file, sha256 })),
    warnings: all,
    placeOf,
    complainAt: (file, rule, what) => {
      const written = servers.find((server) => server.file === file)?.rules.find(({ name }) => name === rule);
      const about = rule === undefined ? what : `rule ${quote(rule)}: ${what}`;
      // The rule may stand in the base that the file extends.
      const place =
        written === undefined ? { file, ...placeOf(file, []) } : exactly(placeOf, written.place, 'rule', []);
      return { severity: 'error', ...place, what: about, expected: '' };
    },
  };
}

/** The terms that a file extends, when the file they stand in is the one that somebody looked at. */
function pinned(
  { extends: extension }: WrittenServer,
  folder: string,
  bases: ReadonlyMap<string, Base>,
  complaints: Complaints,
): Terms | undefined {
  if (extension === undefined) return undefined;
  const base = bases.get(resolve(folder, extension.file));
  if (base === undefined) {
    complaints.about(
      ['extends', 'file'],
      'the base cannot be read',
      'the path of a base file, counted from here',
    );
    return undefined;
  }
  // Whoever changes the base changes what every file allows that extends it; each of those has to agree again.
  if (base.sha256 !== extension.sha256)
    complaints.about(
      ['extends', 'sha256'],
      `${base.file} is another file than the pinned one: its SHA-256 is ${base.sha256}`,
      'this digest here, once somebody has read the base as it is now',
    );
  return base.terms;
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
