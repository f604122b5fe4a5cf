import { stat } from 'node:fs/promises';
import { Fault } from '../domain/faults.ts';
import type { FetchedPackage, PackagePin, ServerSpec } from '../domain/orders.ts';
import type { FileDigests } from './file-digest.ts';
import { askedOf, cacheFolder, lookAt, looksInside, shadowAt, treeFolder, type House } from './look.ts';

/** Rejects with `UPSTREAM_DOWN` unless the program's file has this SHA-256. */
export async function checkProgram(
  { command, name }: ServerSpec,
  wanted: string,
  digests: FileDigests,
): Promise<void> {
  const hint = `look at it: sha256sum ${command}; where that is meant, correct sha256 in the file of ${name}; else put the program back, and type mcpd ctl restart ${name}`;
  const digest = await digests.of(command).catch((reason: unknown) => {
    const why = reason instanceof Error ? reason.message : String(reason);
    throw refused(`${command} cannot be checked: ${why}`, hint, reason);
  });
  if (digest !== wanted)
    throw refused(`${command} is not the program that is pinned: its SHA-256 is ${digest}`, hint);
}

/**
 * Rejects with `UPSTREAM_DOWN` unless what npx would start is installed already and is what the owner pinned: a look after
 * the start would come when its code has run. For programs other than npx there is nothing to look at; which version their
 * file asks for was checked when it was read.
 */
export async function checkPackage(
  spec: ServerSpec,
  fetched: FetchedPackage,
  pin: PackagePin,
  house: House,
): Promise<void> {
  if (!looksInside(fetched)) return;
  const { name } = spec;
  const asked = askedOf(fetched);
  const shadow = await shadowAt(spec, fetched, house);
  if (shadow !== undefined)
    throw refused(
      `${shadow} would decide what is started instead of ${asked}`,
      `give ${name} a cwd of its own, with a package.json that holds {} and no node_modules, and see that ${fetched.name ?? 'the package'} lies in no node_modules above it and is not installed for everybody`,
    );
  const look = await lookAt(spec, fetched, house);
  const install = await installing(spec, fetched, house);
  if (look.kind !== 'found')
    throw refused(
      `the package of ${name} cannot be checked: ${look.why}`,
      `install it without running it, as the user that mcpd runs as: ${install}; then type mcpd ctl restart ${name}`,
    );
  const { installed } = look;
  for (const key of ['version', 'integrity', 'tree'] as const)
    if (pin[key] !== undefined && pin[key] !== installed[key])
      throw refused(
        `${installed.name} is not the package that is pinned: its ${key} is ${String(installed[key])}`,
        `where that is meant, correct package in the file of ${name}; else remove ${treeFolder(spec, fetched, house)}, and type ${install}; then mcpd ctl restart ${name}`,
      );
}

/** What puts it where the child's npx looks, and runs nothing of it. */
async function installing(spec: ServerSpec, fetched: FetchedPackage, house: House): Promise<string> {
  const cache = cacheFolder(spec, fetched, house);
  const install = `npx --yes --ignore-scripts --cache ${cache} --package ${askedOf(fetched)} -- node -e 0`;
  const home = await stat(house.homeOf(spec) ?? '/').catch(() => undefined);
  // A child with a user of its own can neither use what root has put there nor be who puts it: the state is closed to it.
  return home === undefined || home.uid === process.getuid?.()
    ? install
    : `${install} && chown -R ${home.uid}:${home.gid} ${cache}`;
}

function refused(detail: string, hint: string, cause?: unknown): Fault {
  return new Fault('UPSTREAM_DOWN', { detail, hint, cause });
}
