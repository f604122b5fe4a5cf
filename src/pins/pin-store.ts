import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import type { Contract } from '../domain/orders.ts';
import { withPins } from './add.ts';
import {
  chooseAll,
  chooseFirst,
  chooseOne,
  digestOfAll,
  type Left,
  type Refusal,
  type Wanted,
} from './choose.ts';
import { judge, type Standing } from './judge.ts';
import { definitionsIn, listingOf, own, sourceOf, type Listing, type Source } from './listing.ts';
import { emptyPins, type Lock, type Pin, type ServerPins } from './lock.ts';
import { reportOf, type PinReport, type ReportBounds } from './report.ts';
import { Sights } from './sights.ts';

export type PinParts = {
  /** Where pins outlive us. `save` changes all or nothing, durably, or throws. */
  readonly rows: { readonly load: () => Lock; readonly save: (lock: Lock) => void };
  readonly clock: Pick<Clock, 'wallMs'>;
  /** `contract.pins` of a server as the orders have it now. */
  readonly mode: (server: string) => Contract['pins'];
  /** Takes the secrets out of a definition, before it is kept on disk or shown. */
  readonly clean: (definition: JsonText) => string;
  /** Told after a listing of tools that went into quarantine, or came out of it by themselves. Must not throw. */
  readonly told?: (news: PinNews) => void;
};

export type PinNews = {
  readonly server: string;
  readonly quarantined: readonly { readonly tool: string; readonly standing: Standing }[];
  readonly freed: readonly string[];
};

/** What became of the wish to pin something. Only `done` changed anything. */
export type Pinned =
  | {
      readonly kind: 'done' | 'already';
      readonly pinned: readonly { readonly tool: string; readonly digest: string }[];
      /** What was left as it is, and why. */
      readonly left: readonly Left[];
    }
  | Refusal
  | { readonly kind: 'full' | 'not-durable'; readonly why: string };

const nothingSeen = new Sights();

/**
 * Which definitions of tools somebody looked at, and which differ from that (rug pull, CVE-2025-54136; tool poisoning;
 * shadowing). One per daemon.
 */
export class PinStore {
  readonly #parts: PinParts;
  #lock: Lock;
  #unsaved: string | undefined;
  readonly #sights = new Map<string, Sights>();
  /** Server → tools of which it was told that they are in quarantine. */
  readonly #held = new Map<string, Set<string>>();

  private constructor(parts: PinParts, lock: Lock) {
    this.#parts = parts;
    this.#lock = lock;
  }

  /** Throws what `rows.load` throws. */
  static open(parts: PinParts): PinStore {
    return new PinStore(parts, parts.rows.load());
  }

  /** Why something is in force that a restart would forget; undefined when all is on disk. */
  get unsaved(): string | undefined {
    return this.#unsaved;
  }

  /** Tries once more what the disk did not take. True: it has it now. */
  retry(): boolean {
    return this.#unsaved !== undefined && this.#save(this.#lock) === undefined;
  }

  of(server: string, tool: string): Standing {
    const mode = this.#parts.mode(server);
    const sights = this.#sights.get(server) ?? nothingSeen;
    // The mode may have become `first` since the listing came.
    if (mode === 'first' && sights.whole && !this.#pins(server).sealed) this.#settle(server, sights);
    return judge(mode, this.#pins(server), sights, tool);
  }

  /** For `Facts.tool`: why nobody may use a tool; undefined while it is free. */
  quarantine(server: string, tool: string): string | undefined {
    return this.of(server, tool).because;
  }

  /** For `DataPlane.pins.saw`: told every answer to a caller, before it is trimmed. */
  heard(call: Call, answer: Answer): void {
    const found = definitionsIn(call, answer);
    if (found !== undefined) this.saw(call.server, found.definitions, sourceOf(call), found.whole);
  }

  /** Takes in a listing, or a page of one. What differs from its pin is in quarantine when this returns. */
  saw(server: string, definitions: readonly JsonText[], source: Source, whole: boolean): void {
    const sights = this.#sights.get(server) ?? new Sights();
    this.#sights.set(server, sights);
    const listing = listingOf(definitions, whole, (tool) => sights.own(tool));
    sights.saw(listing, source, (tool) => this.#pins(server).tools.get(tool)?.digest);
    if (this.#parts.mode(server) === 'first' && !this.#pins(server).sealed) this.#settle(server, sights);
    else if (this.#unsaved !== undefined) this.#save(this.#lock);
    this.#tell(server, sights, listing, source);
  }

  /** A session is over, and with it the child that may have shown it something else. */
  forgetSession(server: string, sessionId: string): void {
    this.#sights.get(server)?.forget(`session ${sessionId}`);
  }

  /** What is pinned, shown and held back of each server that is known, or of one, or of one tool. */
  report(bounds: ReportBounds, server?: string, tool?: string): readonly PinReport[] {
    const { mode, clean } = this.#parts;
    return [...new Set([...this.#lock.keys(), ...this.#sights.keys()])]
      .filter((name) => server === undefined || name === server)
      .map((name) => {
        const sights = this.#sights.get(name) ?? nothingSeen;
        return reportOf({
          server: name,
          mode: mode(name),
          of: (it) => this.of(name, it),
          pins: () => this.#pins(name),
          sights,
          digest: digestOfAll(sights),
          clean,
          tool,
          bounds,
        });
      });
  }

  /** How many tools of all servers are shown and held back. */
  heldBack(): number {
    let count = 0;
    for (const [server, sights] of this.#sights)
      for (const tool of sights.names()) if (this.quarantine(server, tool) !== undefined) count++;
    return count;
  }

  /**
   * Pins one tool as it is shown now, in force once that is on disk. `digest`: what the operator saw; when that is not what
   * is shown now, nothing is pinned.
   */
  pinTool(server: string, tool: string, by: string, digest: string | undefined): Pinned {
    const sights = this.#sights.get(server) ?? nothingSeen;
    const chosen = chooseOne(sights, server, tool, digest);
    if ('kind' in chosen) return chosen;
    const before = this.#pins(server).tools.get(tool);
    const isPinned = before?.how === 'tool' && before.digest === chosen.sight.digest;
    if (isPinned && this.quarantine(server, tool) === undefined)
      return { kind: 'already', pinned: [rowOf(chosen)], left: [] };
    return this.#pin(server, sights, [chosen], 'tool', by, []);
  }

  /**
   * Pins everything that a server shows now. Collisions, and what holds hidden characters, have to be pinned by name.
   * `digest`: of the whole listing, as the report has it.
   */
  pinServer(server: string, by: string, digest: string | undefined): Pinned {
    const sights = this.#sights.get(server) ?? nothingSeen;
    const shown = digestOfAll(sights);
    if (shown === undefined) return { kind: 'unseen', why: `no listing of ${server} shows any tool` };
    if (digest !== undefined && digest !== shown)
      return { kind: 'differs', why: `what ${server} lists does not have the digest ${digest}` };
    const pins = this.#pins(server);
    const { wanted, left } = chooseAll(sights, pins);
    if (wanted.length === 0 && (pins.sealed || !sights.whole)) return { kind: 'already', pinned: [], left };
    return this.#pin(server, sights, wanted, 'server', by, left);
  }

  #pin(
    server: string,
    sights: Sights,
    wanted: readonly Wanted[],
    how: Exclude<Pin['how'], 'first'>,
    by: string,
    left: readonly Left[],
  ): Pinned {
    const before = this.#pins(server);
    const at = this.#parts.clock.wallMs();
    const made = withPins(before.tools, wanted, { at, how, by }, this.#parts.clean);
    if (made.left > 0) return { kind: 'full', why: `${server} has more tools than can be pinned` };
    // Sealed: what comes later is new, in whatever mode the server is judged then.
    const sealed = before.sealed || (how === 'server' && sights.whole);
    const next = new Map(this.#lock).set(server, Object.freeze({ sealed, tools: made.tools }));
    // Written down, then in force: what an operator approved must not be forgotten by a restart.
    const why = this.#save(next);
    if (why !== undefined) return { kind: 'not-durable', why };
    this.#lock = next;
    for (const { tool, sight } of wanted) {
      sights.accept(tool, sight);
      this.#held.get(server)?.delete(tool);
    }
    return { kind: 'done', pinned: wanted.map(rowOf), left };
  }

  /**
   * In mode `first`: pins what the first whole listing shows, and until then what any page shows, because a server that
   * never comes to the end of its listing would otherwise never be pinned.
   */
  #settle(server: string, sights: Sights): void {
    const before = this.#pins(server);
    const fresh = chooseFirst(sights, before);
    if (fresh.length === 0 && !sights.whole) return;
    const made = { at: this.#parts.clock.wallMs(), how: 'first', by: '' } as const;
    const { tools } = withPins(before.tools, fresh, made, this.#parts.clean);
    this.#lock = new Map(this.#lock).set(server, Object.freeze({ sealed: sights.whole, tools }));
    // In force even when it cannot be written: better pinned until the next start than not at all.
    this.#save(this.#lock);
  }

  /** Why it could not be written; undefined when it is on disk. */
  #save(lock: Lock): string | undefined {
    try {
      this.#parts.rows.save(lock);
      this.#unsaved = undefined;
      return undefined;
    } catch (reason) {
      const why = Fault.from(reason).message;
      if (lock === this.#lock) this.#unsaved = why;
      return why;
    }
  }

  #pins(server: string): ServerPins {
    return this.#lock.get(server) ?? emptyPins;
  }

  #tell(server: string, sights: Sights, listing: Listing, source: Source): void {
    const held = this.#held.get(server) ?? new Set<string>();
    this.#held.set(server, held);
    // What is not shown any more is no news.
    if (source === own && listing.whole)
      for (const tool of held) if (sights.of(tool).length === 0) held.delete(tool);
    const quarantined: { tool: string; standing: Standing }[] = [];
    const freed: string[] = [];
    for (const tool of listing.tools.keys()) {
      const standing = this.of(server, tool);
      if (standing.because === undefined) {
        if (held.delete(tool)) freed.push(tool);
      } else if (!held.has(tool) && sights.of(tool).length > 0) {
        held.add(tool);
        quarantined.push({ tool, standing });
      }
    }
    if (quarantined.length > 0 || freed.length > 0) this.#parts.told?.({ server, quarantined, freed });
  }
}

function rowOf({ tool, sight }: Wanted): { readonly tool: string; readonly digest: string } {
  return { tool, digest: sight.digest };
}
