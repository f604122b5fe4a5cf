import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RuleText, ServerFile } from '../domain/orders.ts';
import { readReference } from '../domain/secret-reference.ts';
import type { Complaints } from './complain.ts';
import { doubtsAbout, resolveCommand } from './command.ts';
import { quote } from './complaint.ts';
import type { WrittenRule, WrittenServer } from './schema.ts';
import { durationExample } from './units.ts';

export type ServerPlace = {
  readonly name: string;
  /** As shown to a person. */
  readonly file: string;
  /** Absolute; what relative paths in the file start from. */
  readonly folder: string;
  readonly execPath: string;
};

/** One server file whose shape is right, turned into what the house works with; whatever does not fit is complained about. */
export function serverFile(written: WrittenServer, place: ServerPlace, complaints: Complaints): ServerFile {
  const { folder } = place;
  const { sharing } = written;
  const taken = new Map<string, string>();
  return {
    file: place.file,
    spec: {
      name: place.name,
      command: commandOf(written, place, complaints),
      args: written.args,
      cwd: cwdOf(written.cwd, folder, complaints),
      env: {
        ...variables('env', written.env, taken, complaints, (value, path) =>
          literal(value, path, complaints),
        ),
        ...variables('paths', written.paths, taken, complaints, (value) =>
          value === '' ? undefined : resolve(folder, value),
        ),
      },
      secrets: variables('secrets', written.secrets, taken, complaints, (value) => reference(value, folder)),
      sharing,
      protocol: written.protocol,
      idleMs: written.idle,
      spare: written.spare,
      concurrency: written.concurrency ?? (sharing === 'all' ? 64 : 32),
      waitingMax: written.waiting_max,
      answerWithinMs: written.answer_within,
      startWithinMs: written.start_within,
      childrenMax: written.children_max,
      lineBytesMax: written.line_max,
    },
    rules: someRules(rulesOf(written.rule, complaints), complaints),
    limits: { perCaller: written.limits.per_caller, perTool: written.limits.per_tool },
    recordPayloads: written.record_payloads,
  };
}

function commandOf(
  { command, args }: WrittenServer,
  { folder, execPath }: ServerPlace,
  complaints: Complaints,
): string {
  const resolved = resolveCommand(command, folder, execPath);
  if (!resolved.ok) {
    complaints.about(['command'], resolved.what, resolved.expected);
    return command;
  }
  for (const { at, what, expected } of doubtsAbout(command, args)) {
    complaints.about(at === 'command' ? ['command'] : ['args', at], what, expected, 'warning');
  }
  return resolved.command;
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
  secrets: '"keychain:NAME" or "file:PATH"',
};

/** The variables of one table. `read` gives undefined for a value that is refused; values are never quoted. */
function variables(
  table: Table,
  written: Readonly<Record<string, string>>,
  taken: Map<string, string>,
  complaints: Complaints,
  read: (value: string, path: readonly string[]) => string | undefined,
): Readonly<Record<string, string>> {
  const entries = Object.entries(written);
  if (entries.length > variablesMax)
    complaints.aboutKey([table], `${String(entries.length)} variables`, `at most ${String(variablesMax)}`);
  const kept: [string, string][] = [];
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
    const meaning = value.includes('\0') || value.length > 131_072 ? undefined : read(value, path);
    if (meaning === undefined)
      complaints.about(path, `bad value for ${quote(name)} in [${table}]`, expectedIn[table]);
    else kept.push([name, meaning]);
  }
  return Object.fromEntries(kept);
}

/** A literal stays what it is, but must not be what somebody meant for [secrets]. */
function literal(value: string, path: readonly string[], complaints: Complaints): string {
  const name = path.at(-1) ?? '';
  if (value.startsWith('keychain:') || (value.startsWith('file:') && !value.startsWith('file://'))) {
    complaints.about(
      path,
      `the value of ${quote(name)} looks like a secret reference`,
      'literal text here: move the line to [secrets]',
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

/** The reference with an absolute path, so that it means the same wherever it is resolved. */
function reference(value: string, folder: string): string | undefined {
  const read = readReference(value);
  if (read === undefined) return undefined;
  return read.kind === 'keychain' ? value : `file:${resolve(folder, read.path)}`;
}

const targets = ['tools', 'resources', 'prompts', 'upcalls', 'methods'] as const;
const answerWithinDefaultMs = 55_000;

/** Without a rule the answer to everything is no: safe, and hardly what somebody meant who wrote the file. */
function someRules(rules: readonly RuleText[], complaints: Complaints): readonly RuleText[] {
  if (rules.length === 0)
    complaints.about(
      [],
      'there is no [[rule]], so nothing may be called',
      'a rule such as those in filesystem.toml',
      'warning',
    );
  return rules;
}

function rulesOf(written: readonly WrittenRule[], complaints: Complaints): readonly RuleText[] {
  const names = new Set<string>();
  return written.map((rule, index) => {
    const at = ['rule', index] as const;
    const { name, verdict } = rule;
    if (names.has(name))
      complaints.about(
        [...at, 'name'],
        `duplicate: another rule is named ${quote(name)}`,
        'a name of its own',
      );
    names.add(name);

    // A rule about nothing would look like protection and never apply.
    if (targets.every((target) => (rule[target]?.length ?? 0) === 0)) {
      complaints.about(at, `rule ${quote(name)} names no target`, `at least one of ${targets.join(', ')}`);
    }
    if (rule.callers?.length === 0) {
      complaints.about(
        [...at, 'callers'],
        'a rule for nobody',
        'at least one caller, or no such line for every caller',
      );
    }
    if (verdict === 'confirm' && (rule.upcalls?.length ?? 0) > 0) {
      complaints.about(
        [...at, 'upcalls'],
        'a message from a server cannot be held for a yes',
        'a rule of its own with "allow" or "deny"',
      );
    }
    for (const key of ['record', 'rate', 'answer_within'] as const) {
      const fits = verdict === 'confirm' || (verdict === 'allow' && key !== 'answer_within');
      if (!fits && rule[key] !== undefined) {
        complaints.aboutKey([...at, key], `"${key}" means nothing with verdict "${verdict}"`, 'no such line');
      }
    }
    const answerWithinMs = rule.answer_within ?? answerWithinDefaultMs;
    if (answerWithinMs >= 600_000) {
      complaints.about(
        [...at, 'answer_within'],
        'bad value for "answer_within"',
        `${durationExample}, less than 10m`,
      );
    }
    return {
      name,
      verdict,
      callers: rule.callers,
      tools: rule.tools ?? [],
      resources: rule.resources ?? [],
      prompts: rule.prompts ?? [],
      upcalls: rule.upcalls ?? [],
      methods: rule.methods ?? [],
      record: rule.record ?? [],
      rate: rule.rate,
      answerWithinMs,
    };
  });
}
