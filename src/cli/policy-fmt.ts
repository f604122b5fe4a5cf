import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { printable } from '../domain/printable.ts';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { policiesDir } from './place.ts';
import { replaceFile } from './policy-write.ts';
import { finishReport, typed } from './policy-tell.ts';
import { plural } from './words.ts';

type Options = { readonly policies?: string; readonly json?: true; readonly check?: true };

/** What became of one file. `unformatted`: it would have been written, were it not for `--check`. */
type Formatted = {
  readonly file: string;
  readonly state: 'unchanged' | 'formatted' | 'unformatted' | 'invalid';
  /** For an invalid file: why, with its line. */
  readonly why?: string;
};

/** `mcpd policy fmt`: one way to lay out a policy file. */
export function addPolicyFmt(policy: Command, io: Io, finish: Finish): void {
  leaf(policy, 'fmt')
    .argument('[file...]', 'TOML files (default: every .toml of the policy folder)')
    .option('--check', 'write nothing; exit code 1 when a file is not formatted')
    .summary('lay out policy files in one way')
    .description(
      'Lays out policy files: spaces, blank lines, long lists. Comments and meaning stay as they are. A file that is not ' +
        'valid TOML is left alone, and it is said why. Files are replaced whole and keep their mode.',
    )
    .addHelpText(
      'after',
      examples(['mcpd policy fmt', 'mcpd policy fmt --check', 'mcpd policy fmt policies/servers/files.toml']),
    )
    .action(async (files: readonly string[], options: Options) => {
      finishReport(io, finish, await fmt(files, options, io), options.json === true);
    });
}

async function fmt(wanted: readonly string[], options: Options, io: Io): Promise<Told> {
  const files =
    wanted.length > 0 ? wanted.map((file) => resolve(file)) : filesIn(policiesDir(options.policies, io.env));
  const done: Formatted[] = [];
  for (const file of files) done.push(await format(file, options.check === true));
  const those = (state: Formatted['state']) => done.filter((it) => it.state === state);
  const [invalid, unformatted] = [those('invalid'), those('unformatted')];
  const changed = those('formatted').length;
  const text = done
    .filter(({ state }) => state !== 'unchanged')
    .map(({ file, state, why }) =>
      printable(why ?? `${file}: ${state === 'formatted' ? 'formatted' : 'not formatted'}`),
    );
  const parts = { command: 'policy fmt', files: done };
  const wrong = (code: string, says: string, hint: string): Told => ({
    reply: { ok: false, error: { code, says, hint }, ...parts },
    text: text.join('\n'),
  });
  if (invalid.length > 0)
    return wrong(
      'CONFIG_INVALID',
      `${plural(invalid.length, 'file')} left alone`,
      `mend them, then type: ${typed('policy fmt', io.env)}`,
    );
  if (unformatted.length > 0)
    return wrong(
      'NOT_FORMATTED',
      `${plural(unformatted.length, 'file')} not formatted`,
      typed('policy fmt', io.env),
    );
  return {
    reply: { ok: true, ...parts },
    text: [...text, `${plural(done.length, 'file')} looked at, ${changed} changed`].join('\n'),
  };
}

async function format(file: string, check: boolean): Promise<Formatted> {
  const read = readText(file);
  if (!read.ok) return { file, state: 'invalid', why: `${file}: ${read.why}` };
  const { formatPolicy } = await import('../config/format.ts');
  const text = laidOut(formatPolicy, read.text);
  if (text === undefined) return { file, state: 'invalid', why: await whyInvalid(file, read.text) };
  if (text === read.text) return { file, state: 'unchanged' };
  if (check) return { file, state: 'unformatted' };
  const why = replaceFile(file, read.text, text);
  return why === undefined
    ? { file, state: 'formatted' }
    : { file, state: 'invalid', why: `${file}: ${why}` };
}

/** A formatter that would change what a file says throws; the file is left alone like one that is not valid. */
function laidOut(formatted: (text: string) => string | undefined, text: string): string | undefined {
  try {
    return formatted(text);
  } catch {
    return undefined;
  }
}

const bytesMax = 1024 * 1024;

function readText(file: string): { ok: true; text: string } | { ok: false; why: string } {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > bytesMax) return { ok: false, why: 'larger than 1 MiB' };
    // A byte order mark stays in the text, so that taking it away counts as a change.
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (reason) {
    const code = (reason as NodeJS.ErrnoException).code;
    return {
      ok: false,
      why:
        code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
          ? 'not valid UTF-8'
          : `cannot be read (${code ?? 'unknown'})`,
    };
  }
}

async function whyInvalid(file: string, text: string): Promise<string> {
  const { readToml } = await import('../config/toml.ts');
  const { printComplaint } = await import('../config/complaint.ts');
  const read = readToml(text);
  const slip = read.ok ? undefined : read.slips[0];
  if (slip === undefined) return `${file}: cannot be laid out without a change of its meaning`;
  return printComplaint({ severity: 'error', file, ...slip });
}

/** mcpd.toml, servers/*.toml and base/*.toml. */
function filesIn(dir: string): readonly string[] {
  const inFolder = (folder: string) => {
    try {
      return readdirSync(folder)
        .filter((name) => name.endsWith('.toml') && !name.startsWith('.'))
        .toSorted()
        .map((name) => join(folder, name));
    } catch {
      // A folder that is not there holds nothing to lay out.
      return [];
    }
  };
  const files = [dir, join(dir, 'servers'), join(dir, 'base')].flatMap(inFolder);
  return files.length > 0 ? files : [join(dir, 'mcpd.toml')];
}
