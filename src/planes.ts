import type { DataPlane } from './call/data-plane.ts';
import { realClock } from './domain/clock.ts';
import type { Facts } from './domain/decision.ts';
import type { Orders } from './domain/orders.ts';
import type { Fleet } from './fleet/fleet.ts';
import type { PinStore } from './pins/pin-store.ts';
import { realPath } from './real-path.ts';
import type { Redactor } from './redact/redact.ts';
import type { Rooms } from './rooms.ts';

export type DataPlaneParts = {
  readonly rooms: Rooms;
  readonly redactor: Redactor;
  readonly orders: () => Orders;
  readonly callers: DataPlane['callers'];
};

/** What the life of a call reaches of the rooms. */
export function dataPlaneOf({ rooms, redactor, orders, callers }: DataPlaneParts): DataPlane {
  const { audit, sessions, inFlight, pins, limiter, breakers, gate, tasks, rounds, fleet } = rooms;
  return {
    audit: {
      open: (arrival) => audit.open(arrival),
      upcall: (...about) => audit.upcall(...about),
    },
    callers,
    sessions: {
      resolve: (principal, arrival) => sessions.resolve(principal, arrival),
      agree: (call, answer) => sessions.agree(call, answer),
      disown: (session) => sessions.disown(session),
      reachedBy: (upcall) => sessions.reachedBy(upcall),
      standing: (session) => sessions.standing(session),
    },
    orders: { current: orders },
    inFlight,
    facts: factsOf(fleet, pins),
    pins: { saw: (call, answer) => pins.heard(call, answer) },
    limits: { charge: (...about) => limiter.charge(...about) },
    breakers,
    gate: {
      ask: (call, permit, now) => gate.ask(call, permit, now),
      continues: (...about) => gate.continues(...about),
      awaits: (call) => gate.awaits(call),
      hear: (call) => gate.hear(call),
    },
    tasks,
    rounds: {
      resume: (call) => rounds.resume(call),
      pause: (call, answer, approval) => rounds.pause(call, answer, approval),
    },
    fleet: {
      forward: (pass) => {
        const answering = fleet.forward(pass);
        if (rooms.sessionMemory?.notes(pass.call) !== true) return answering;
        return answering.then((answer) => {
          rooms.sessionMemory?.note(pass.call, answer);
          return answer;
        });
      },
      hold: (server, halt) => fleet.hold(server, halt),
      mirrored: (server, tool) => fleet.catalog(server)?.mirrored.get(tool) ?? [],
      inputSchema: (server, tool) => fleet.catalog(server)?.tools.get(tool)?.inputSchema,
      bindingOf: (call) => fleet.bindingOf(call),
    },
    redactor: {
      clean: (text) => redactor.clean(text),
      inward: (now, call) => redactor.inwardSoon(now, call),
      outward: (now, call, answer) => redactor.outward(now, call, answer),
      aside: (now, server, text) => redactor.aside(now, server, text),
    },
  };
}

/** What a decision may ask about the world. */
export function factsOf(fleet: Fleet, pins: PinStore): Facts {
  return {
    nowMs: realClock.wallMs,
    tool: (server, tool) => {
      const admits = fleet.catalog(server)?.tools.get(tool)?.admits;
      const quarantined = pins.quarantine(server, tool);
      return admits === undefined && quarantined === undefined ? undefined : { admits, quarantined };
    },
    realPath,
  };
}
