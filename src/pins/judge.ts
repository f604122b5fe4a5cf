import type { Contract } from '../domain/orders.ts';
import type { Pin, ServerPins } from './lock.ts';
import type { Sights } from './sights.ts';

/**
 * How a tool stands. Free: `pinned`; `gone`: pinned, and not offered at the moment; `unpinned`: nothing is pinned here, or
 * nothing is known yet. In quarantine: `new`; `changed`; `collision`: another tool has this name, or one that looks like it;
 * `hidden`: its definition holds what a person does not see; `unlisted`: no listing ever showed it.
 */
export type State = (typeof states)[number];
export const states = [
  'changed',
  'new',
  'collision',
  'hidden',
  'unlisted',
  'pinned',
  'gone',
  'unpinned',
] as const;

export type Standing = {
  readonly state: State;
  /** Why nobody may use it; undefined while it is free. */
  readonly because: string | undefined;
};

const free = {
  pinned: Object.freeze({ state: 'pinned', because: undefined }),
  gone: Object.freeze({ state: 'gone', because: undefined }),
  unpinned: Object.freeze({ state: 'unpinned', because: undefined }),
} as const;
const quarantined = (state: State, because: string): Standing => ({ state, because });

/** Judges one tool. Pure: no clock, no file. */
export function judge(mode: Contract['pins'], pins: ServerPins, sights: Sights, tool: string): Standing {
  if (mode === 'off') return free.unpinned;
  const pin = pinThatCounts(mode, pins, tool);
  // Nearly every call: one listing, as it was pinned.
  const mine = sights.own(tool);
  if (pin !== undefined && mine?.digest === pin.digest && sights.elsewhere(tool) === undefined)
    return pin.how === 'tool' || !sights.looksLikeAnother(tool) ? free.pinned : alike;

  const seen = sights.of(tool);
  if (seen.some(({ twice }) => twice))
    return quarantined('collision', 'the server lists several tools of this name');
  if (pin === undefined) return unpinned(mode, pins, sights, tool);
  if (seen.some(({ digest }) => digest !== pin.digest))
    return quarantined('changed', 'its definition is not the one that was pinned');
  if (pin.how !== 'tool' && sights.looksLikeAnother(tool)) return alike;
  return sights.listed(tool) === false && seen.length === 0 ? free.gone : free.pinned;
}

const alike = Object.freeze(
  quarantined('collision', 'another tool of the server has a name that looks the same'),
);

function unpinned(mode: Contract['pins'], pins: ServerPins, sights: Sights, tool: string): Standing {
  const seen = sights.of(tool);
  if (seen.some(({ hidden }) => hidden.length > 0))
    return quarantined('hidden', 'its definition holds characters that nobody sees');
  if (sights.looksLikeAnother(tool)) return alike;
  if (seen.length > 0) return quarantined('new', 'nobody has pinned it yet');
  // Without a listing nothing is known of any tool, and a server that is slow to list is not thereby silent.
  if (mode === 'first' && !pins.sealed) return free.unpinned;
  return quarantined('unlisted', 'it is pinned nowhere, and no listing shows it');
}

/** In mode `approved` only what an operator pinned counts. */
export function pinThatCounts(mode: Contract['pins'], pins: ServerPins, tool: string): Pin | undefined {
  const pin = pins.tools.get(tool);
  return mode === 'approved' && pin?.how === 'first' ? undefined : pin;
}
