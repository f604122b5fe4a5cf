import type { DataPlane } from './call/data-plane.ts';
import { isHall } from './call/hall-choice.ts';
import { lookAround } from './call/hall-news.ts';
import type { HallPlane } from './call/hall-plane.ts';
import { handleHall } from './call/hall.ts';
import { handleCall } from './call/handle-call.ts';
import { HallSessions } from './callers/hall-sessions.ts';
import type { SessionStore } from './callers/sessions.ts';
import type { DaemonFile } from './config/schema.ts';
import type { Arrival } from './domain/call.ts';
import type { Session } from './domain/caller.ts';
import type { Outcome } from './domain/outcome.ts';
import type { Fleet } from './fleet/fleet.ts';
import { version } from './version.ts';

/** How long one server may hold up a listing of all. */
const partWithinMs = 10_000;
/** How often clients are told that a server came, or went. */
const lookEveryMs = 5_000;

export type Hall = {
  /** The life of a call, or of a message to the hall. */
  readonly handle: (arrival: Arrival) => Promise<Outcome>;
  /** Told of every session that ends. */
  readonly ended: (session: Session) => void;
  readonly isBusy: (session: Session) => boolean;
  readonly close: () => void;
};

/** Builds the address where all servers are shown as one. */
export function openHall(
  data: DataPlane,
  sessions: SessionStore,
  fleet: Fleet,
  profiles: DaemonFile['profiles'],
): Hall {
  const guests = new HallSessions((session) => sessions.end(session));
  const plane: HallPlane = {
    data,
    guests,
    attach: (session, stream) => sessions.find(session.principal, session.server, session.id).attach(stream),
    profiles: new Map(profiles),
    names: (server) => {
      const catalog = fleet.catalog(server);
      return catalog === undefined ? [] : [...catalog.tools.keys(), ...catalog.prompts];
    },
    states: () => new Map(fleet.status().map(({ name, state }) => [name, state])),
    partWithinMs,
    after: (ms, then) => {
      const timer = setTimeout(then, ms);
      return () => clearTimeout(timer);
    },
    version,
  };
  const looking = setInterval(() => lookAround(plane), lookEveryMs);
  looking.unref();
  return {
    handle: (arrival) => (isHall(arrival.server) ? handleHall(arrival, plane) : handleCall(arrival, data)),
    ended: (session) => guests.end(session),
    isBusy: (session) => guests.isBusy(session),
    close: () => clearInterval(looking),
  };
}
