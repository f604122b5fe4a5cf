import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ServerSpec } from '../domain/orders.ts';
import { referenceForms, reservedSchemes } from '../domain/secret-reference.ts';
import type { Complaints } from './complain.ts';
import { quote } from './complaint.ts';
import { careOf } from './care.ts';
import { wallSpec } from './sandbox.ts';
import { loadsCode } from './loads-code.ts';
import { programOf } from './program.ts';
import { secretUse } from './secrets.ts';
import type { WrittenServer } from './schema-server.ts';

export type ServerPlace = {
  readonly name: string;
  /** As shown to a person. */
  readonly file: string;
  /** Absolute; what relative paths in the file start from. */
  readonly folder: string;
  readonly execPath: string;
};

/** How to run the server of one file; whatever does not fit is complained about. */
export function launchOf(written: WrittenServer, place: ServerPlace, complaints: Complaints): ServerSpec {
  const { folder } = place;
  const { sharing } = written;
  const taken = new Map<string, string>();
  return {
    name: place.name,
    ...programOf(written, place, complaints),
    args: written.args,
    cwd: cwdOf(written.cwd, folder, complaints),
    env: {
      ...variables('env', written.env, taken, complaints, (value, path) => literal(value, path, complaints)),
      ...variables('paths', written.paths, taken, complaints, (value) =>
        value === '' ? undefined : resolve(folder, value),
      ),
    },
    secrets: variables('secrets', written.secrets, taken, complaints, (use) => secretUse(use, folder)),
    sharing,
    protocol: written.protocol,
    idleMs: written.idle,
    spare: written.spare,
    concurrency: written.concurrency ?? (sharing === 'all' ? 64 : 32),
    waitingMax: written.waiting_max,
    answerWithinMs: written.answer_within,
    answerWithinMsMax: Math.max(written.answer_within, written.answer_within_max),
    care: careOf(written, complaints),
    startWithinMs: written.start_within,
    childrenMax: written.children_max,
    lineBytesMax: written.line_max,
    wall: wallSpec(written, folder, complaints),
  };
}

function cwdOf(written: string, folder: string, complaints: Complaints): string {
  const cwd = resolve(folder, written);
  // A child started in a folder that is not there fails with a message about the program, which misleads.
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
    complaints.about(
      ['cwd'],
      `no folder at ${cwd}`,
      'an existing folder, counted from the folder of this file',
    );
  }
  return cwd;
}

type Table = 'env' | 'paths' | 'secrets';
const variablesMax = 256;
const expectedIn: Readonly<Record<Table, string>> = {
  env: 'text without NUL, at most 131072 characters',
  paths: 'a path, counted from the folder of this file',
  secrets: referenceForms,
};

/** The variables of one table. `read` gives undefined for a value that is refused; values are never quoted. */
function variables<Written, Meaning>(
  table: Table,
  written: Readonly<Record<string, Written>>,
  taken: Map<string, string>,
  complaints: Complaints,
  read: (value: Written, path: readonly string[]) => Meaning | undefined,
): Readonly<Record<string, Meaning>> {
  const entries = Object.entries(written);
  if (entries.length > variablesMax)
    complaints.aboutKey([table], `${String(entries.length)} variables`, `at most ${String(variablesMax)}`);
  const kept: [string, Meaning][] = [];
  for (const [name, value] of entries.slice(0, variablesMax)) {
    const path = [table, name];
    const other = taken.get(name);
    taken.set(name, table);
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) {
      complaints.aboutKey(path, `bad variable name ${quote(name)}`, 'letters, digits and _, no digit first');
    } else if (other !== undefined) {
      complaints.aboutKey(
        path,
        `duplicate: ${quote(name)} is also in [${other}]`,
        'each variable in one table',
      );
    }
    if (loadsCode(name))
      complaints.aboutKey(
        path,
        `${quote(name)} makes the program run code from elsewhere`,
        'code in the program itself, which can be reviewed',
        undefined,
        'warning',
      );
    const unfit = typeof value === 'string' && (value.includes('\0') || value.length > 131_072);
    const meaning = unfit ? undefined : read(value, path);
    if (meaning === undefined)
      complaints.about(path, `bad value for ${quote(name)} in [${table}]`, expectedIn[table]);
    else kept.push([name, meaning]);
  }
  return Object.fromEntries(kept);
}

/** A literal stays what it is, but must not be what somebody meant for [secrets], a misspelt name and all. */
function literal(value: string, path: readonly string[], complaints: Complaints): string {
  const name = path.at(-1) ?? '';
  const scheme = reservedSchemes.find((it) => value.startsWith(`${it}:`));
  if (scheme !== undefined && !value.startsWith('file://')) {
    complaints.about(
      path,
      `the value of ${quote(name)} looks like a secret reference`,
      'literal text here: move the line to [secrets]',
      // Other programs read texts such as "vault:kv/path" themselves.
      scheme === 'keychain' || scheme === 'file' ? 'error' : 'warning',
    );
  } else if (/(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY)$/i.test(name) && value !== '') {
    complaints.about(
      path,
      `${quote(name)} may be a secret in plain text`,
      'a reference in [secrets]',
      'warning',
    );
  }
  return value;
}
