import { basename } from 'node:path';

/** One program of a command line and what it is given. */
export type Started = {
  /** Its name without the folder. */
  readonly program: string;
  readonly args: readonly string[];
  /** Index of the first of `args` in the whole command line; the program itself stands one before. */
  readonly from: number;
};

/** Flags and words of a command line, by index, as far as flags may stand. */
export type Scanned = {
  readonly flags: readonly Flag[];
  /** Words that are neither flags nor their values. */
  readonly words: readonly number[];
};
export type Flag = {
  /** `--package`, `-p`. */
  readonly name: string;
  /** Where the value stands, in the flag itself or in the next argument; undefined where there is none. */
  readonly value: { readonly at: number; readonly text: string } | undefined;
  readonly at: number;
};

/**
 * Reads arguments up to the first word (or up to `--`, where `onwards`). `valued`: whether a flag that has no `=` takes the
 * next argument as its value.
 */
export function scan(args: readonly string[], valued: (flag: string) => boolean, onwards = false): Scanned {
  const flags: Flag[] = [];
  const words: number[] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--') break;
    if (!arg.startsWith('-') || arg === '-') {
      words.push(at);
      if (!onwards) return { flags, words };
      continue;
    }
    const equals = arg.indexOf('=');
    const next = args[at + 1];
    if (equals > 0)
      flags.push({ name: arg.slice(0, equals), value: { at, text: arg.slice(equals + 1) }, at });
    else if (valued(arg) && next !== undefined)
      flags.push({ name: arg, value: { at: ++at, text: next }, at: at - 1 });
    else flags.push({ name: arg, value: undefined, at });
  }
  // After `--` comes nothing but words, and the first of them is the program.
  for (at += 1; at < args.length; at++) words.push(at);
  return { flags, words };
}

/** Programs that only run another one: which of their flags take a value, and how many words come before the program. */
const wrappers: readonly { readonly program: RegExp; readonly valued: RegExp; readonly skips: number }[] = [
  { program: /^env$/, valued: /^(-u|--unset|-C|--chdir|-S|--split-string)$/, skips: 0 },
  { program: /^nice$/, valued: /^(-n|--adjustment)$/, skips: 0 },
  { program: /^ionice$/, valued: /^(-c|-n|--class|--classdata)$/, skips: 0 },
  { program: /^(nohup|setsid|dumb-init|tini|busybox|toybox|exec)$/, valued: /^$/, skips: 0 },
  { program: /^stdbuf$/, valued: /^(-[ioe]|--(input|output|error))$/, skips: 0 },
  { program: /^timeout$/, valued: /^(-k|-s|--kill-after|--signal)$/, skips: 1 },
  { program: /^flock$/, valued: /^(-w|-E|--timeout|--conflict-exit-code)$/, skips: 1 },
  { program: /^(sudo|doas)$/, valued: /^(-[ugUCDhpRrTt]|--(user|group|chdir|host|prompt))$/, skips: 0 },
  {
    program: /^xvfb-run$/,
    valued: /^(-[efnpsw]|--(server-args|server-num|auth-file|error-file))$/,
    skips: 0,
  },
  { program: /^(corepack|volta)$/, valued: /^$/, skips: 0 },
];

/** The program of a command line, and behind wrappers such as `env` the ones they start, outermost first. */
export function startedBy(command: string, args: readonly string[]): readonly Started[] {
  const found: Started[] = [{ program: basename(command), args, from: 0 }];
  // Each wrapper eats at least one argument; the bound is for the reader.
  for (let depth = 0; depth < 16; depth++) {
    const outer = found.at(-1) as Started;
    const wrapper = wrappers.find((row) => row.program.test(outer.program));
    if (wrapper === undefined) break;
    let at = scan(outer.args, (flag) => wrapper.valued.test(flag)).words[0] ?? outer.args.length;
    if (outer.program === 'env' || outer.program === 'sudo')
      while (/^[A-Za-z_]\w*=/.test(outer.args[at] ?? '')) at++;
    // `volta run npx …` and the like.
    if (outer.program === 'volta' && outer.args[at] === 'run') at++;
    at += wrapper.skips;
    const program = outer.args[at];
    if (program === undefined) break;
    found.push({ program: basename(program), args: outer.args.slice(at + 1), from: outer.from + at + 1 });
  }
  return found;
}
