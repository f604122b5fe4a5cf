import { scan, type Flag, type Started } from './command-line.ts';
import { fetchers, type Fetcher } from './fetchers.ts';

/** What a command line says about the packages that it has fetched and run. Indices are those of the program's arguments. */
export type Fetching = {
  readonly by: string;
  readonly packages: readonly { readonly text: string; readonly at: number }[];
  /** An exact version of a package, as this program takes it. */
  readonly pinned: RegExp;
  readonly example: string;
  /** Flags by which it takes a command for a shell, or loads code of its own accord, where they were given. */
  readonly shells: readonly Flag[];
  readonly loads: readonly Flag[];
  /** Where npm is told to keep what it fetched. */
  readonly cache: string | undefined;
};

/** What a program fetches before it runs it; undefined for a program that fetches nothing. */
export function fetchingOf({ program, args }: Started): Fetching | undefined {
  for (const fetcher of fetchers) {
    if (!fetcher.program.test(program)) continue;
    const rest = afterVerbs(args, fetcher);
    if (rest === undefined) continue;
    return fetchingWith(fetcher, args, rest);
  }
  return undefined;
}

/** How many arguments the verbs take; flags may stand before them. */
function afterVerbs(args: readonly string[], { verbs = [], valued }: Fetcher): number | undefined {
  let from = 0;
  for (const verb of verbs) {
    const at = scan(args.slice(from), valued).words[0];
    if (at === undefined || !verb.test(args[from + at] ?? '')) return undefined;
    from += at + 1;
  }
  return from;
}

function fetchingWith(fetcher: Fetcher, args: readonly string[], from: number): Fetching {
  const { by, pinned, example, names, adds, shell, load, valued } = fetcher;
  // Of the verbs themselves, too: `npm --package=x exec y`.
  const before = scan(args.slice(0, from), valued, true).flags;
  // These two read their flags anywhere before `--`; all others stop at the first word.
  const after = scan(args.slice(from), valued, by === 'npm exec' || by === 'dnx');
  const flags = [...before, ...after.flags.map((flag) => shifted(flag, from))];
  const called = flags.filter(({ name }) => shell?.test(name) === true);
  const texts = (row: RegExp | undefined) =>
    flags.flatMap(({ name, value }) => (row?.test(name) === true && value !== undefined ? [value] : []));
  const named = texts(names);
  const word = after.words[0];
  // With a command for a shell, the words are its own.
  const first =
    named.length > 0 || called.length > 0 || word === undefined || by === 'uv run'
      ? []
      : [{ text: args[from + word] ?? '', at: from + word }];
  const version = by === 'dnx' ? texts(/^--version$/)[0]?.text : undefined;
  const packages = [...named, ...first, ...texts(adds)].map(({ text, at }, index) => ({
    text: index === 0 && version !== undefined ? `${text}@${version}` : text,
    at,
  }));
  const loads = flags.filter(({ name }) => load?.test(name) === true);
  const cache = fetcher.caches === undefined ? undefined : texts(fetcher.caches)[0]?.text;
  return { by, packages, pinned, example, shells: called, loads, cache };
}

function shifted({ name, value, at }: Flag, by: number): Flag {
  return { name, value: value && { text: value.text, at: value.at + by }, at: at + by };
}

/** Name and exact version of a package as npm or pip takes it; each undefined where it cannot be told. */
export function partsOf(by: string, text: string): { name: string | undefined; version: string | undefined } {
  const npm = /^(?<name>(?:@[^@/:]+\/)?[^@/:]+)(?:@(?<version>.+))?$/;
  const python = /^(?<name>[\w.-]+)(?:\[[^\]]*\])?\s*(?:(?:={2,3}|@)\s*(?<version>\S+))?$/;
  const isPython = /^(uvx|uv run|pipx)$/.test(by);
  const found = (isPython ? python : npm).exec(text)?.groups;
  const exact = isPython ? /^\d[\w.+!-]*$/ : /^\d+\.\d+\.\d+(?:[-+][\w.+-]*)?$/;
  const written = found?.['version'];
  return {
    name: found?.['name'],
    version: written !== undefined && exact.test(written) ? written : undefined,
  };
}
