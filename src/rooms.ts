import { join } from 'node:path';
import type { Scribe } from './audit/scribe.ts';
import type { Audit } from './audit/trail.ts';
import { shortHash } from './audit/outside.ts';
import { CallsInFlight } from './call/in-flight.ts';
import type { SessionMemory } from './callers/session-memory.ts';
import { SessionStore } from './callers/sessions.ts';
import { TaskLedger } from './callers/tasks.ts';
import type { DaemonFile } from './config/schema.ts';
import type { StateDir } from './config/state-dir.ts';
import { Gate } from './confirm/gate.ts';
import { sealKey } from './cookie.ts';
import type { Principal, Session } from './domain/caller.ts';
import { realClock } from './domain/clock.ts';
import { Fault } from './domain/faults.ts';
import type { Orders } from './domain/orders.ts';
import type { Upcall } from './domain/upstream.ts';
import { Fleet } from './fleet/fleet.ts';
import { Ledger } from './fleet/ledger.ts';
import type { Facts } from './domain/decision.ts';
import { adoptOrphans, reap } from './native.ts';
import { factsOf } from './planes.ts';
import { mayNotProve } from './policy/may-prove.ts';
import { answerWithinMs } from './policy/risk.ts';
import { Breakers } from './limits/breakers.ts';
import { Limiter } from './limits/limiter.ts';
import type { Log } from './log.ts';
import { openAudit } from './open-audit.ts';
import { openPackages } from './open-packages.ts';
import { openPins } from './open-pins.ts';
import { openSessionMemory } from './open-sessions.ts';
import type { HouseSecrets } from './open-secrets.ts';
import type { PackageStore } from './packages/package-store.ts';
import type { PinStore } from './pins/pin-store.ts';
import type { State } from './open-state.ts';
import type { Redactor } from './redact/redact.ts';
import { Rounds } from './rounds/rounds.ts';
import { RestRows } from './state/rest-rows.ts';
import { Takes } from './state/takes.ts';
import type { Wall } from './wall/wall.ts';
import { version } from './version.ts';
import { WebhookDesk } from './webhook-desk.ts';

/** How long a client may take to answer a server's questions before it has to start its call over. */
const roundValidMs = 10 * 60_000;

export type RoomsParts = {
  readonly file: DaemonFile;
  readonly state: StateDir;
  readonly kept: State;
  readonly log: Log;
  readonly redactor: Redactor;
  readonly orders: () => Orders;
  readonly secrets: HouseSecrets;
  readonly wall: Wall;
  readonly cookie: string;
  /** Whether what somebody once signed in with was not taken away since. */
  readonly stands: (principal: Principal) => boolean;
  readonly onUpcall: (upcall: Upcall) => void;
  readonly onSessionEnd: (session: Session) => void;
  /** The journal failed (with the reason) or works again (with undefined). */
  readonly onJournal: (fault: Fault | undefined) => void;
  readonly report: (fault: Fault, id: string) => void;
};

/** Everything that lasts as long as the daemon and that the stories reach through their planes. */
export type Rooms = {
  readonly audit: Audit;
  readonly scribe: Scribe;
  readonly takes: Takes;
  readonly limiter: Limiter;
  readonly breakers: Breakers;
  readonly rounds: Rounds;
  readonly gate: Gate;
  readonly pins: PinStore;
  readonly fleet: Fleet;
  readonly sessions: SessionStore;
  readonly sessionMemory: SessionMemory | undefined;
  readonly tasks: TaskLedger;
  readonly inFlight: CallsInFlight;
  readonly webhooks: WebhookDesk;
  readonly packages: PackageStore;
};

/** Builds every room once, in the order in which they need each other. */
export function openRooms(parts: RoomsParts): Rooms {
  const { file, state, redactor, orders } = parts;
  const takes = Takes.open({ path: join(state.dir, 'takes') });
  const { audit, scribe } = openAudit({
    terms: file.audit,
    state,
    log: parts.log,
    redactor,
    orders,
    fleet: () => fleet,
    before: () => takes.flush(),
    onJournal: parts.onJournal,
  });
  const rounds = new Rounds({
    clock: realClock,
    key: sealKey(state.dir),
    validMs: roundValidMs,
    ordersVersion: () => orders().version,
    bindingOf: (call) => fleet.bindingOf(call),
  });
  const gate = openGate(parts, rounds, {
    bindingOf: (call) => fleet.bindingOf(call),
    notify: (...about) => webhooks.ask(...about),
  });
  const webhooks = new WebhookDesk({
    clock: realClock,
    version,
    log: (...line) => parts.log.log(...line),
    learn: (secret) => void redactor.learn(secret),
    secretOf: parts.secrets.secretOf,
    gate: {
      answer: (id, verdict) => gate.answer(id, verdict),
      unreachable: (...about) => gate.unreachable(...about),
    },
    record: (record) => audit.command(record),
  });
  const pins = openPins({
    database: parts.kept.database,
    mode: (server) => orders().servers.get(server)?.contract.pins ?? 'first',
    clean: (definition) => redactor.clean(definition),
    log: (...line) => parts.log.log(...line),
  });
  const homes = new Map<string, string | undefined>();
  const packages = openPackages({
    stateDir: state.dir,
    homeOf: ({ name }) => homes.get(name),
    log: (...line) => parts.log.log(...line),
    record: (record) => audit.command(record),
  });
  const facts = () => factsOf(fleet, pins);
  const fleet = openFleet(parts, {
    proving: provingOf(audit, orders, facts),
    launchOf: async (spec) => {
      const launch = await parts.wall.launchOf(spec);
      // Where its packages are looked for: before the program itself, which must be the one that was looked at.
      homes.set(spec.name, launch.env['HOME'] ?? process.env['HOME']);
      await packages.admit(spec);
      return launch;
    },
    onReady: (spec) => void packages.saw(spec),
    onInstanceEnd: () => gate.recheck(),
    onTools: (server, definitions) => pins.saw(server, definitions, 'own', true),
  });
  const tasks = new TaskLedger();
  const inFlight = new CallsInFlight();
  const { log, stands } = parts;
  const bounds = file.sessions;
  const sessionMemory = openSessionMemory({
    database: parts.kept.quick,
    bounds,
    log,
    redactor,
    orders,
    stands,
  });
  const sessions = new SessionStore({
    clock: realClock,
    memory: sessionMemory,
    bounds: {
      sessionsMax: file.sessions.max,
      perCallerMax: file.sessions.perCallerMax,
      idleMs: file.sessions.idleMs,
      replayBytesMax: file.overload.unreadBytesMax,
    },
    onEnd: (session) => {
      tasks.forget(session);
      pins.forgetSession(session.server, session.id);
      parts.onSessionEnd(session);
      inFlight.haltWhere((call) => call.session.id === session.id, 'session ended');
      fleet
        .endSession(session.id)
        .catch((reason: unknown) => parts.report(Fault.from(reason), session.server));
    },
  });
  const limiter = new Limiter({ clock: realClock, store: takes });
  const breakers = new Breakers({
    clock: realClock,
    random: Math.random,
    store: new RestRows({
      database: parts.kept.quick,
      clean: (text) => redactor.cleanText(text),
      onTrouble: (reason) => parts.report(Fault.from(reason), 'breakers'),
    }),
  });
  return {
    audit,
    scribe,
    takes,
    limiter,
    breakers,
    rounds,
    gate,
    pins,
    fleet,
    sessions,
    sessionMemory,
    tasks,
    inFlight,
    webhooks,
    packages,
  };
}

type GateParts = ConstructorParameters<typeof Gate>[0];

function openGate(
  { file, log, redactor, orders }: RoomsParts,
  rounds: Rounds,
  reach: Pick<GateParts, 'bindingOf' | 'notify'>,
): Gate {
  return new Gate({
    clock: realClock,
    redact: (text) => redactor.clean(text),
    ordersVersion: () => orders().version,
    pose: (call, posed) => rounds.pose(call, posed),
    pendingMax: file.questionsMax,
    onAsk: (question) =>
      log.log(
        'warn',
        { id: question.callId, caller: question.caller, server: question.server, target: question.target },
        `a call waits for a yes: mcpd ctl approve ${question.id}`,
      ),
    ...reach,
  });
}

type FleetParts = ConstructorParameters<typeof Fleet>[0];

function openFleet(
  { state, orders, log, redactor, secrets, wall, cookie, onUpcall, report }: RoomsParts,
  {
    launchOf,
    ...reach
  }: Pick<FleetParts, 'onReady' | 'onInstanceEnd' | 'onTools' | 'proving'> &
    Pick<NonNullable<FleetParts['wall']>, 'launchOf'>,
): Fleet {
  return new Fleet({
    clock: realClock,
    random: Math.random,
    cookie,
    version,
    log: (level, fields, message) => log.log(level, withShortSession(fields), message),
    clean: (text) => redactor.cleanText(text),
    bounds: { depthMax: 512 },
    ledger: new Ledger(state.childrenFile, cookie, (reason) =>
      log.log('warn', { reason: String(reason) }, 'who runs cannot be written down for the next start'),
    ),
    ...(adoptOrphans() ? { reap } : {}),
    answerWithinMs: ({ server, target }) =>
      target.kind === 'tool' ? answerWithinMs(orders(), server, target.name) : undefined,
    secretsFor: secrets.secretsFor,
    secretsBack: secrets.secretsBack,
    wall: {
      launchOf,
      reportOf: (server) => wall.reportOf(server),
    },
    onUpcall: (upcall) => {
      try {
        onUpcall(upcall);
      } catch (reason) {
        report(Fault.from(reason), upcall.server);
      }
    },
    ...reach,
  });
}

/** mcpd's own calls, that show whether a server's credential works: decided and on record like any other. */
function provingOf(
  audit: Audit,
  orders: () => Orders,
  facts: () => Facts,
): NonNullable<FleetParts['proving']> {
  const record = (server: string, tool: string, result: string) =>
    audit.command({ by: 'mcpd', command: 'health', args: [server, tool], result });
  return {
    leave: async (server, proof) => {
      const why = mayNotProve(orders(), server, proof, facts());
      await record(server, proof.tool, why === undefined ? 'sent' : `not sent: ${why}`);
      return why;
    },
    stands: (server, proof) => mayNotProve(orders(), server, proof, facts()) === undefined,
    // The record of what was sent stands; a journal that fails now has said so itself.
    ended: (server, { tool }, outcome) =>
      void Promise.resolve(record(server, tool, outcome)).catch(() => undefined),
  };
}

/** Session ids are not credentials, but there is no reason to spread them; the journal shortens them the same way. */
function withShortSession(fields: object): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...fields };
  if (typeof kept['session'] === 'string') kept['session'] = shortHash(kept['session']);
  return kept;
}
