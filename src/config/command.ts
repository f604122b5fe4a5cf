import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';

export type Resolved =
  | { readonly ok: true; readonly command: string }
  | { readonly ok: false; readonly what: string; readonly expected: string };

/** Where a bare name is looked up. Fixed, so that no variable of the daemon's environment chooses the program. */
export function searchPath(execPath: string): readonly string[] {
  return [dirname(execPath), '/usr/local/bin', '/usr/bin', '/bin'];
}

/**
 * Turns what a server file names into the absolute path of an existing program: an absolute path as it is, a path with a
 * slash from the file's own folder, a bare name from the fixed search path.
 */
export function resolveCommand(written: string, folder: string, execPath: string): Resolved {
  if (written.includes('/')) {
    const path = isAbsolute(written) ? resolve(written) : resolve(folder, written);
    return check(path) ?? no(`no program at ${path}`, 'an existing program: install it, or correct the path');
  }
  const places = searchPath(execPath);
  for (const place of places) {
    const found = check(join(place, written));
    if (found !== undefined) return found;
  }
  return no(
    `no program "${written}" in ${places.join(':')}`,
    'a program that is installed there, or its absolute path',
  );
}

/** Undefined when there is nothing at that path. */
function check(path: string): Resolved | undefined {
  try {
    const target = realpathSync(path);
    const stat = statSync(target);
    if (!stat.isFile()) return no(`${path} is not a program`, 'an executable file');
    accessSync(target, constants.X_OK);
    // Whoever may write to the program, or put another in its place, decides what runs with this server's secrets.
    for (const { mode, at } of [{ mode: stat.mode, at: target }, folderOf(target), folderOf(path)]) {
      if ((mode & 0o002) !== 0)
        return no(`anyone on this machine may change ${at}`, `others to be kept out: type chmod o-w ${at}`);
    }
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    return code === 'EACCES' ? no(`${path} may not be executed`, 'an executable file') : undefined;
  }
  // The folder is resolved but the program keeps its name: a Python environment and programs such as busybox look at the
  // name they were started by, and behind the link they would be something else.
  return { ok: true, command: join(realpathSync(dirname(path)), basename(path)) };
}

function folderOf(path: string): { mode: number; at: string } {
  const at = dirname(path);
  const { mode } = statSync(at);
  // In a folder such as /tmp the sticky bit keeps others from replacing a file.
  return { at, mode: (mode & 0o1000) === 0 ? mode : 0 };
}

function no(what: string, expected: string): Resolved {
  return { ok: false, what, expected };
}

/** Something about a command line that works but that its owner may want to know. */
export type Doubt = { readonly at: 'command' | number; readonly what: string; readonly expected: string };

/** Flags by which an interpreter takes its program from the command line. */
const inlineCode: readonly { readonly program: RegExp; readonly flag: RegExp }[] = [
  { program: /^(node|bun)$/, flag: /^(-e|-p|-pe|--eval|--print)(=|$)/ },
  { program: /^deno$/, flag: /^eval$/ },
  { program: /^(sh|bash|dash|zsh|ksh|fish)$/, flag: /^-[a-z]*c[a-z]*$/ },
  { program: /^(python|python\d[\d.]*|pypy\d*)$/, flag: /^-[a-zA-Z]*c$/ },
  { program: /^(perl|ruby)$/, flag: /^-[a-zA-Z]*e$/ },
];

/** Programs that fetch a package and run it, and what an exact version of one looks like. */
const fetchers: readonly { readonly program: RegExp; readonly pinned: RegExp; readonly example: string }[] = [
  {
    program: /^(npx|bunx)$/,
    pinned: /^(@[^@/]+\/)?[^@/]+@\d+\.\d+\.\d+[\w.+-]*$|^\.{0,2}\//,
    example: 'package@1.2.3',
  },
  { program: /^(uvx|pipx)$/, pinned: /(==|@)\d[\w.+!-]*$|^\.{0,2}\//, example: 'package==1.2.3' },
];

/** Looks for programs hidden in arguments and for packages whose version is decided by somebody else, some other day. */
export function doubtsAbout(command: string, args: readonly string[]): readonly Doubt[] {
  const program = basename(command);
  const doubts: Doubt[] = [];
  const code = inlineCode.find((row) => row.program.test(program));
  const flag = code === undefined ? -1 : args.findIndex((arg) => code.flag.test(arg));
  if (flag >= 0) {
    doubts.push({
      at: flag,
      what: `${program} runs code from its arguments`,
      expected: 'a program in a file, which can be reviewed',
    });
  }
  const fetcher = fetchers.find((row) => row.program.test(program));
  if (fetcher !== undefined) {
    const at = packageAt(args);
    if (at < 0 || !fetcher.pinned.test(versioned(args[at] ?? ''))) {
      const what = `${program} fetches whatever version is newest when the server starts`;
      doubts.push({
        at: at < 0 ? 'command' : at,
        what,
        expected: `an exact version such as ${fetcher.example}`,
      });
    }
  }
  return doubts;
}

/** The index of the argument that names the package: the value of `--package` or `--from`, or the first that is no flag. */
function packageAt(args: readonly string[]): number {
  const named = args.findIndex((arg) => /^(-p|--package|--from|--spec)(=|$)/.test(arg));
  if (named >= 0) return args[named]?.includes('=') === true ? named : named + 1;
  return args.findIndex((arg) => !arg.startsWith('-') && arg !== 'run');
}

function versioned(arg: string): string {
  return arg.replace(/^--[a-z]+=(?!=)/, '');
}
