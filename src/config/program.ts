import { resolve } from 'node:path';
import type { FetchedPackage, PackagePin, ServerSpec } from '../domain/orders.ts';
import type { Complaints } from './complain.ts';
import { startedBy } from './command-line.ts';
import { resolveCommand } from './command.ts';
import { doubtsAbout } from './doubts.ts';
import { fetchingOf, partsOf, type Fetching } from './fetching.ts';
import type { WrittenServer } from './schema-server.ts';

/** What is run, and what is known of it before it runs. All of it from the server's file; nothing a child says changes it. */
export type Program = Pick<ServerSpec, 'command' | 'sha256' | 'fetched'>;

type Place = { readonly folder: string; readonly execPath: string };

export function programOf(written: WrittenServer, place: Place, complaints: Complaints): Program {
  const command = commandOf(written, place, complaints);
  const fetched = fetchedBy(written, resolve(place.folder, written.cwd), complaints);
  return {
    command,
    ...(written.sha256 !== undefined && { sha256: written.sha256 }),
    ...(fetched !== undefined && { fetched }),
  };
}

function commandOf(
  { command, args }: WrittenServer,
  { folder, execPath }: Place,
  complaints: Complaints,
): string {
  const resolved = resolveCommand(command, folder, execPath);
  if (!resolved.ok) {
    complaints.about(['command'], resolved.what, resolved.expected);
    return command;
  }
  for (const { what, mend } of resolved.strangers)
    complaints.about(['command'], what, `others to be kept out: type ${mend}`, 'warning');
  for (const { at, what, expected } of doubtsAbout(command, args)) {
    complaints.about(at === 'command' ? ['command'] : ['args', at], what, expected, 'warning');
  }
  return resolved.command;
}

/** What npm keeps under a folder of its own for each set of packages, so that it can be looked at. */
const looksInside: ReadonlySet<string> = new Set(['npx', 'npm exec']);

function fetchedBy(written: WrittenServer, cwd: string, complaints: Complaints): FetchedPackage | undefined {
  const fetching = startedBy(written.command, written.args).map(fetchingOf).find(Boolean);
  const first = fetching?.packages[0];
  const pin = pinOf(written);
  if (fetching === undefined || first === undefined) {
    if (pin !== undefined)
      complaints.aboutKey(
        ['package'],
        'this command fetches no package',
        'npx, uvx or their like; for a program of your own: sha256 = "…"',
      );
    return undefined;
  }
  const { name, version } = partsOf(fetching.by, first.text);
  if (pin !== undefined) fits(pin, fetching, { name, version, text: first.text }, complaints);
  return {
    by: fetching.by,
    specs: fetching.packages.map(({ text }) => text),
    name,
    version,
    cache: cacheOf(written, fetching, cwd),
    pin,
  };
}

function pinOf({ package: written }: WrittenServer): PackagePin | undefined {
  if (written === undefined) return undefined;
  return { version: written.version, integrity: written.integrity, tree: written.tree };
}

/** Whether what is pinned is what is asked for, and can be looked at. */
function fits(
  pin: PackagePin,
  { by, packages, shells }: Fetching,
  first: { readonly name: string | undefined; readonly version: string | undefined; readonly text: string },
  complaints: Complaints,
): void {
  const { name, version, text } = first;
  const inside = looksInside.has(by);
  if (version !== pin.version)
    complaints.about(
      ['package', 'version'],
      `args ask for ${version === undefined ? 'a version that floats' : `version ${version}`}`,
      'the same exact version in both places',
    );
  // npx uses what is installed, without asking the registry again, only for a version in exactly this form.
  else if (inside && (text !== `${String(name)}@${pin.version}` || packages.length > 1 || shells.length > 0))
    complaints.aboutKey(
      ['package'],
      'what npx would run cannot be told from these args',
      `one package, written ${String(name)}@${pin.version}, and no command for a shell`,
    );
  for (const key of ['integrity', 'tree'] as const)
    if (!inside && pin[key] !== undefined)
      complaints.aboutKey(
        ['package', key],
        `mcpd cannot look at what ${by} has installed`,
        'version alone; or a program that was installed before, with sha256 = "…"',
      );
}

function cacheOf(written: WrittenServer, { cache }: Fetching, cwd: string): string | undefined {
  // npm takes the name of the variable in either case, and a flag before a variable.
  const variable = Object.entries({ ...written.env, ...written.paths }).find(([name]) =>
    /^npm_config_cache$/i.test(name),
  );
  const told = cache ?? variable?.[1];
  return told === undefined || told === '' ? undefined : resolve(cwd, told);
}
