import { hash } from 'node:crypto';
import type { Sight } from './listing.ts';
import type { Pin, ServerPins } from './lock.ts';
import type { Sights } from './sights.ts';

/** A tool as it is to be pinned. */
export type Wanted = { readonly tool: string; readonly sight: Sight };
/** A tool that is left as it is, and why. */
export type Left = { readonly tool: string; readonly because: string };
export type Refusal = { readonly kind: 'unseen' | 'ambiguous' | 'differs'; readonly why: string };

/** What to pin when somebody asks for one tool. `digest`: of what they saw. */
export function chooseOne(
  sights: Sights,
  server: string,
  tool: string,
  digest: string | undefined,
): Wanted | Refusal {
  const seen = sights.of(tool);
  if (seen.length === 0) return { kind: 'unseen', why: `no listing of ${server} shows a tool ${tool}` };
  if (seen.some(({ twice }) => twice)) return { kind: 'ambiguous', why: twiceListed };
  const shown = new Set(seen.map((it) => it.digest));
  if (digest === undefined && shown.size > 1)
    return { kind: 'ambiguous', why: `${server} shows ${tool} in ${shown.size} versions` };
  const sight = seen.find((it) => digest === undefined || it.digest === digest);
  // What they saw is not there any more: something else may have taken its place while they read.
  if (sight === undefined) return { kind: 'differs', why: `${tool} is not shown with the digest ${digest}` };
  return { tool, sight };
}

/** What to pin when somebody asks for everything, and what they have to ask for by name. */
export function chooseAll(
  sights: Sights,
  pins: ServerPins,
): { readonly wanted: readonly Wanted[]; readonly left: readonly Left[] } {
  const wanted: Wanted[] = [];
  const left: Left[] = [];
  for (const tool of sights.names()) {
    const because = obstacle(pins, sights, tool);
    const [sight] = sights.of(tool);
    if (because !== undefined) left.push({ tool, because });
    else if (sight !== undefined && !isPinnedBySomebody(pins.tools.get(tool), sight))
      wanted.push({ tool, sight });
  }
  return { wanted, left };
}

/** What the first listing pins: everything about which there can be no doubt. */
export function chooseFirst(sights: Sights, pins: ServerPins): readonly Wanted[] {
  const fresh: Wanted[] = [];
  for (const tool of sights.names()) {
    if (pins.tools.has(tool) || obstacle(pins, sights, tool) !== undefined) continue;
    const [sight] = sights.of(tool);
    if (sight !== undefined) fresh.push({ tool, sight });
  }
  return fresh;
}

/** One digest for all that a server shows, so that an operator can pin what they saw and nothing that came since. */
export function digestOfAll(sights: Sights): string | undefined {
  const names = [...sights.names()].sort();
  if (names.length === 0) return undefined;
  const rows = names.map((tool) => [tool, [...new Set(sights.of(tool).map(({ digest }) => digest))].sort()]);
  return hash('sha256', JSON.stringify(rows));
}

const twiceListed = 'the server lists several tools of this name, and nobody can tell which one would run';

/** Why a tool cannot be pinned together with all others. */
function obstacle(pins: ServerPins, sights: Sights, tool: string): string | undefined {
  const seen = sights.of(tool);
  if (seen.some(({ twice }) => twice)) return twiceListed;
  if (new Set(seen.map(({ digest }) => digest)).size > 1) return 'it is shown in several versions';
  const [sight] = seen;
  const pin = pins.tools.get(tool);
  if (pin?.how === 'tool' && pin.digest === sight?.digest) return undefined;
  if ((sight?.hidden.length ?? 0) > 0)
    return 'its definition holds characters that nobody sees: pin it by name';
  return sights.looksLikeAnother(tool)
    ? 'another tool of the server has a name that looks the same: pin it by name'
    : undefined;
}

function isPinnedBySomebody(pin: Pin | undefined, sight: Sight): boolean {
  return pin !== undefined && pin.how !== 'first' && pin.digest === sight.digest;
}
