import type { JsonText } from '../domain/message.ts';
import type { Contract } from '../domain/orders.ts';
import { differences, type Change } from './difference.ts';
import type { Hidden } from './hidden.ts';
import { pinThatCounts, states, type Standing, type State } from './judge.ts';
import type { Sight } from './listing.ts';
import type { ServerPins } from './lock.ts';
import type { Sights } from './sights.ts';

/** What is pinned of one server, and what is held back. Plain data, secrets taken out; null where there is nothing. */
export type PinReport = {
  readonly server: string;
  readonly mode: Contract['pins'];
  /** Whether the first whole listing was seen: what comes later is new. */
  readonly sealed: boolean;
  /** Of all that the server shows now; for `mcpd ctl pin SERVER --digest`. */
  readonly digest: string | null;
  /** How many tools stand how. */
  readonly counts: Readonly<Partial<Record<State, number>>>;
  /** Those in quarantine first. */
  readonly tools: readonly ToolReport[];
  /** Tools for which there was no room in the answer. */
  readonly more: number;
};

export type ToolReport = {
  readonly tool: string;
  readonly state: State;
  /** Why it is in quarantine; null while it is free. */
  readonly because: string | null;
  readonly pinned: {
    readonly digest: string;
    /** ISO 8601. */
    readonly at: string;
    readonly by: string | null;
    readonly how: 'first' | 'server' | 'tool';
  } | null;
  /** What is shown now; several where callers are shown something else than mcpd, or each other. */
  readonly shown: readonly { readonly digest: string; readonly to: 'mcpd' | 'callers' | 'all' }[];
  readonly hidden: readonly Hidden[];
  /** From the pinned definition to the one that is shown; null where it was not gone into, or one of them was not kept. */
  readonly changes: readonly Change[] | null;
  readonly moreChanges: number;
};

export type ReportBounds = {
  readonly toolsMax: number;
  /** Tools in quarantine of which the changes are told. */
  readonly detailsMax: number;
  readonly changesMax: number;
  readonly charsMax: number;
};

export type Reported = {
  readonly server: string;
  readonly mode: Contract['pins'];
  readonly pins: () => ServerPins;
  readonly sights: Sights;
  readonly of: (tool: string) => Standing;
  readonly clean: (definition: JsonText) => string;
  /** The one tool that is asked about. */
  readonly tool: string | undefined;
  readonly bounds: ReportBounds;
  readonly digest: string | undefined;
};

export function reportOf(it: Reported): PinReport {
  const { server, mode, sights, bounds } = it;
  const names = new Set([...sights.names(), ...it.pins().tools.keys()]);
  const rows = [...names]
    .filter((name) => it.tool === undefined || it.tool === name)
    .map((tool) => ({ tool, standing: it.of(tool) }))
    .sort((a, b) => order(a.standing) - order(b.standing));
  const counts: Partial<Record<State, number>> = {};
  for (const { standing } of rows) counts[standing.state] = (counts[standing.state] ?? 0) + 1;
  return {
    server,
    mode,
    sealed: it.pins().sealed,
    digest: it.digest ?? null,
    counts,
    tools: rows
      .slice(0, bounds.toolsMax)
      .map(({ tool, standing }, at) => toolReport(it, tool, standing, at < bounds.detailsMax)),
    more: Math.max(0, rows.length - bounds.toolsMax),
  };
}

const order = ({ state }: Standing): number => states.indexOf(state);

function toolReport(it: Reported, tool: string, { state, because }: Standing, inDetail: boolean): ToolReport {
  const { sights, mode } = it;
  const pins = it.pins();
  const pin = pins.tools.get(tool);
  const seen = sights.of(tool);
  const told = inDetail && because !== undefined ? changesOf(it, tool, seen) : undefined;
  return {
    tool,
    state,
    because: because ?? null,
    pinned:
      pin === undefined || pinThatCounts(mode === 'off' ? 'first' : mode, pins, tool) === undefined
        ? null
        : {
            digest: pin.digest,
            at: new Date(pin.at).toISOString(),
            by: pin.by === '' ? null : pin.by,
            how: pin.how,
          },
    shown: shownTo(sights, tool),
    hidden: inDetail ? seen.flatMap(({ hidden }) => hidden).slice(0, 16) : [],
    changes: told?.changes ?? null,
    moreChanges: told?.more ?? 0,
  };
}

function shownTo(sights: Sights, tool: string): ToolReport['shown'] {
  const mine = sights.own(tool)?.digest;
  const theirs = [...(sights.elsewhere(tool)?.values() ?? [])].map(({ digest }) => digest);
  // Callers are remembered only where they are shown something else.
  const first =
    mine === undefined ? [] : [{ digest: mine, to: theirs.length === 0 ? 'all' : 'mcpd' } as const];
  const others = new Set(theirs.filter((digest) => digest !== mine));
  return [...first, ...[...others].slice(0, 8).map((digest) => ({ digest, to: 'callers' }) as const)];
}

/** Both sides without the secrets: the pinned one was kept that way. */
function changesOf({ pins, mode, clean, bounds }: Reported, tool: string, seen: readonly Sight[]) {
  const pin = pinThatCounts(mode, pins(), tool);
  const other = seen.find(({ digest }) => digest !== pin?.digest);
  if (other?.definition === undefined) return undefined;
  if (pin !== undefined && pin.definition === undefined) return undefined;
  const { changesMax, charsMax } = bounds;
  // Both were canonical before the secrets were taken out, and that keeps them so.
  return differences(pin?.definition as JsonText | undefined, clean(other.definition) as JsonText, {
    changesMax,
    charsMax,
  });
}
