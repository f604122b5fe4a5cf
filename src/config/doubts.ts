import { scan, startedBy, type Started } from './command-line.ts';
import { fetchingOf, type Fetching } from './fetching.ts';
import { interpreters, type Interpreter } from './interpreters.ts';
import { loadsCode } from './loads-code.ts';

/** Something about a command line that works but that its owner may want to know. */
export type Doubt = { readonly at: 'command' | number; readonly what: string; readonly expected: string };

const inFile = 'a program in a file, which can be reviewed';

/**
 * Looks for programs hidden in arguments and for packages whose version is decided by somebody else, some other day. A list
 * of flags is no wall: a program that is not on it can do the same.
 */
export function doubtsAbout(command: string, args: readonly string[]): readonly Doubt[] {
  return startedBy(command, args)
    .flatMap((started) =>
      [...wrapped(started), ...interpreted(started), ...fetched(started)].map((doubt) =>
        onWhole(doubt, started.from),
      ),
    )
    .filter(({ at }, index, all) => all.findIndex((other) => other.at === at) === index);
}

/** Where it stands in the whole command line. */
function onWhole({ at, what, expected }: Doubt, from: number): Doubt {
  const whole = at === 'command' ? from - 1 : from + at;
  return { at: whole < 0 ? 'command' : whole, what, expected };
}

/** `env`: a command line in one argument, and variables that load code. */
function wrapped({ program, args }: Started): readonly Doubt[] {
  if (program !== 'env') return [];
  const split = args.findIndex((arg) => /^(-[a-zA-Z]*S|--split-string)/.test(arg));
  const doubts: Doubt[] = [];
  if (split >= 0)
    doubts.push({
      at: split,
      what: 'env makes a command line of its own out of text',
      expected: 'the program as the command, and each argument by itself',
    });
  args.forEach((arg, at) => {
    const [, name = ''] = /^([A-Za-z_]\w*)=/.exec(arg) ?? [];
    if (loadsCode(name))
      doubts.push({
        at,
        what: `"${name}" makes the program run code from elsewhere`,
        expected: 'code in the program itself, which can be reviewed',
      });
  });
  return doubts;
}

function interpreted({ program, args }: Started): readonly Doubt[] {
  if (program === 'deno' && args[0] === 'eval')
    return [{ at: 0, what: 'deno runs code from its arguments', expected: inFile }];
  const row = interpreters.find((it) => it.program.test(program));
  if (row === undefined) return [];
  const { flags, words } = scan(own(args, row), (flag) => row.valued?.test(flag) === true);
  const doubts: Doubt[] = [];
  const code = flags.find(({ name }) => row.code.test(name));
  if (code !== undefined)
    doubts.push({ at: code.at, what: `${program} runs code from its arguments`, expected: inFile });
  for (const { name, at } of flags) {
    if (row.loads?.test(name) === true)
      doubts.push({ at, what: `${program} runs more code than its program`, expected: inFile });
    if (row.debugs?.test(name) === true)
      doubts.push({
        at,
        what: `${program} lets whoever reaches its debugger run code with this server's secrets`,
        expected: 'no debugger',
      });
  }
  const elsewhere = flags.some(({ name }) => row.instead?.test(name) === true);
  const script = words[0] === undefined ? undefined : args[words[0]];
  // What comes in on stdin are the messages of callers.
  if (code === undefined && !elsewhere && (script === undefined || script === '-' || script === '/dev/stdin'))
    doubts.push({
      at: words[0] ?? 'command',
      what: `${program} has no program, and would run the messages of callers as one`,
      expected: inFile,
    });
  return [...doubts, ...installs(program, args)];
}

/** Without what comes after `python -m module`. */
function own(args: readonly string[], { last, valued }: Interpreter): readonly string[] {
  const { flags } = scan(args, (flag) => valued?.test(flag) === true);
  const ends = flags.find(({ name }) => last?.test(name) === true);
  return ends === undefined ? args : args.slice(0, ends.at + 2);
}

/** `python -m pip` and its like. */
function installs(program: string, args: readonly string[]): readonly Doubt[] {
  const module = /^(python|pypy)/.test(program) ? args.findIndex((arg) => /^-[a-zA-Z]*m$/.test(arg)) : -1;
  if (module < 0) return [];
  const name = args[module + 1] ?? '';
  if (/^(pip|ensurepip)$/.test(name))
    return [
      {
        at: module + 1,
        what: `${program} installs packages when the server starts`,
        expected: 'packages that are installed before, at exact versions',
      },
    ];
  if (!/^(uv|pipx)$/.test(name)) return [];
  return fetched({ program: name, args: args.slice(module + 2), from: 0 }).map((doubt) =>
    onWhole(doubt, module + 2),
  );
}

function fetched(started: Started): readonly Doubt[] {
  const { program } = started;
  const fetching = fetchingOf(started);
  if (fetching === undefined) return [];
  const { shells, loads, packages, pinned, example, by } = fetching;
  const doubts: Doubt[] = shells.map(({ at }) => ({
    at,
    what: `${program} gives text from its arguments to a shell`,
    expected: inFile,
  }));
  for (const { at, name } of loads)
    doubts.push({
      at,
      what: `${name} lets something else than the package decide what ${program} runs`,
      expected: `${program} without ${name}`,
    });
  if (packages.length === 0 && shells.length === 0 && by !== 'uv run')
    doubts.push({ at: 'command', what: floats(fetching, program), expected: exact(example) });
  for (const { text, at } of packages)
    if (!pinned.test(text)) doubts.push({ at, what: floats(fetching, program), expected: exact(example) });
  return doubts;
}

function floats({ by }: Fetching, program: string): string {
  return by === 'docker'
    ? `${program} runs whatever image has this tag when the server starts`
    : `${program} fetches whatever version is newest when the server starts`;
}

const exact = (example: string) => `an exact version such as ${example}`;
