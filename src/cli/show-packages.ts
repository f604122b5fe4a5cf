import type { PackageReport } from '../packages/package-store.ts';
import { text } from './words.ts';

export type PinnedPackage = {
  readonly server: string;
  readonly changed: boolean;
  readonly name: string;
  readonly version: string;
  readonly integrity: string | null;
};

/** For `mcpd ctl status`: a line for each server that runs something else than what was looked at. */
export function showDrifts(packages: readonly PackageReport[] = []): string[] {
  return packages.flatMap(({ server, installed, was }) => {
    if (was === null) return [];
    const now = installed === null ? 'something that cannot be told' : named(installed);
    const before = installed?.version === was.version ? `other contents of ${was.version}` : was.version;
    return [
      `package of ${text(server)} is now ${now}, and was ${text(before)}: mcpd ctl pin-package ${text(server)}`,
    ];
  });
}

/** The answer to `mcpd ctl pin-package`. */
export function showPinnedPackage({ server, changed, name, version, integrity }: PinnedPackage): string {
  const what = named({ name, version });
  const head = changed
    ? `${what} is what ${text(server)} should run.`
    : `${what} is what ${text(server)} should run already.`;
  if (integrity === null) return head;
  const line = `package = { version = ${JSON.stringify(version)}, integrity = ${JSON.stringify(integrity)} }`;
  return `${head}\nTo have anything else refused, write in its file:\n  ${text(line)}`;
}

function named({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${text(name)} ${text(version)}`;
}
