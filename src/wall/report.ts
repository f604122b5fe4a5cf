import { guarantees, type Gap, type Guarantee, type WallReport, type WallSpec } from '../domain/wall.ts';
import type { Inside } from './bubblewrap.ts';
import type { Ability, Host } from './host.ts';

/** What of the wall stands around one server; `noOwnUser`: why it has none, where it could. */
export function reportOf(
  host: Host,
  wall: WallSpec,
  inside: Inside | undefined,
  noOwnUser: Gap | undefined,
  notes: readonly string[],
): WallReport {
  const gaps = inside === undefined ? openGaps(host, wall) : walledGaps(host, noOwnUser);
  const missing = [...gaps, ...limitGaps(host, inside)];
  const lost = new Set(missing.map(({ guarantee }) => guarantee));
  const promised = promisedBy(host, wall);
  const by = inside === undefined ? 'nothing' : host.platform === 'darwin' ? 'sandbox-exec' : 'bubblewrap';
  return {
    by,
    kept: promised.filter((it) => !lost.has(it)),
    missing: missing.filter(({ guarantee }) => promised.includes(guarantee)),
    notes,
  };
}

/** What a server would have behind the whole wall; the network is its owner's to open, and only root has users to give. */
function promisedBy(host: Host, wall: WallSpec): readonly Guarantee[] {
  const all = Object.keys(guarantees) as Guarantee[];
  return all.filter((it) => (it !== 'network' || !wall.network) && (it !== 'user' || host.uid === 0));
}

const byWall: readonly Guarantee[] = ['files', 'processes', 'network', 'privileges', 'user', 'home'];

/** Without a wall. */
function openGaps(host: Host, wall: WallSpec): readonly Gap[] {
  const reason: { readonly why: string; readonly mend: string | undefined } =
    wall.sandbox === 'off' ? { why: 'sandbox = "off"', mend: undefined } : whyNot(host);
  return byWall.map((guarantee) => ({ guarantee, ...reason }));
}

/** Why this machine cannot build any wall. */
export function whyNot({ plain, ownUser }: Host): { readonly why: string; readonly mend: string } {
  const lacks = (it: Ability) => (it.ok ? undefined : { why: it.why, mend: it.mend });
  return lacks(plain) ?? lacks(ownUser) ?? { why: 'it was not tried', mend: 'see docs/sandbox.md' };
}

function walledGaps(host: Host, noOwnUser: Gap | undefined): readonly Gap[] {
  if (host.platform === 'darwin') {
    const why = 'sandbox-exec has no such thing';
    return (['processes', 'privileges'] as const).map((guarantee) => ({ guarantee, why, mend: undefined }));
  }
  return noOwnUser === undefined ? [] : [noOwnUser];
}

function limitGaps(host: Host, inside: Inside | undefined): readonly Gap[] {
  const gaps: Gap[] = [];
  if (host.prlimit === undefined) {
    const [why, mend] =
      host.platform === 'linux'
        ? ['prlimit is not installed', 'apt install util-linux']
        : [`there is no prlimit for ${host.platform}`, undefined];
    for (const guarantee of ['open-files', 'cpu', 'core-dumps'] as const) gaps.push({ guarantee, why, mend });
  }
  if (host.platform !== 'linux') {
    const why = 'there is no /proc to look it up in';
    for (const guarantee of ['memory', 'process-count'] as const)
      gaps.push({ guarantee, why, mend: undefined });
  } else if (!countedByKernel(host, inside)) {
    const why =
      'only looked at once a second; the kernel counts processes for one child behind a wall of Linux 5.14, and never for root';
    gaps.push({ guarantee: 'process-count', why, mend: undefined });
  }
  return gaps;
}

function countedByKernel(host: Host, inside: Inside | undefined): boolean {
  if (inside === undefined || !host.countsInside || host.prlimit === undefined) return false;
  return inside.kind === 'own' || host.uid !== 0;
}
