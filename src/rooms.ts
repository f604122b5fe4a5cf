import { join } from 'node:path';
import { Audit } from './audit/trail.ts';
import { Journal } from './audit/journal.ts';
import { shortHash } from './audit/outside.ts';
import { Scribe } from './audit/scribe.ts';
import { CallsInFlight } from './call/in-flight.ts';
import { SessionStore } from './callers/sessions.ts';
import { TaskLedger } from './callers/tasks.ts';
import type { DaemonFile } from './config/schema.ts';
import type { StateDir } from './config/state-dir.ts';
import { Gate } from './confirm/gate.ts';
import { sealKey } from './cookie.ts';
import type { Session } from './domain/caller.ts';
import { realClock } from './domain/clock.ts';
import { Fault } from './domain/faults.ts';
import type { JsonText } from './domain/message.ts';
import type { Orders } from './domain/orders.ts';
import type { Upcall } from './domain/upstream.ts';
import { Fleet } from './fleet/fleet.ts';
import { Breakers } from './limits/breakers.ts';
import { Limiter } from './limits/limiter.ts';
import type { Log } from './log.ts';
import { openPackages } from './open-packages.ts';
import { openPins } from './open-pins.ts';
import type { HouseSecrets } from './open-secrets.ts';
import type { PackageStore } from './packages/package-store.ts';
import type { PinStore } from './pins/pin-store.ts';
import type { Redactor } from './redact/redact.ts';
import { Rounds } from './rounds/rounds.ts';
import { Takes } from './state/takes.ts';
import type { Wall } from './wall/wall.ts';
import { version } from './version.ts';
import { WebhookDesk } from './webhook-desk.ts';

/** How long a client may take to answer a server's questions before it has to start its call over. */
const roundValidMs = 10 * 60_000;

export type RoomsParts = {
  readonly file: DaemonFile;
  readonly state: StateDir;
  readonly log: Log;
  readonly redactor: Redactor;
  readonly orders: () => Orders;
  readonly secrets: HouseSecrets;
  readonly wall: Wall;
  readonly cookie: string;
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
  readonly tasks: TaskLedger;
  readonly inFlight: CallsInFlight;
  readonly webhooks: WebhookDesk;
  readonly packages: PackageStore;
};

/** Builds every room once, in the order in which they need each other. */
export function openRooms(parts: RoomsParts): Rooms {
  const { file, state, redactor, orders } = parts;
  const takes = Takes.open({ path: join(state.dir, 'takes') });
  const scribe = new Scribe({
    open: () => Journal.open({ dir: state.auditDir }),
    clock: realClock,
    before: () => takes.flush(),
    onTrouble: parts.onJournal,
  });
  const audit = new Audit({
    scribe,
    clock: realClock,
    redact: (line) => redactor.clean(line as JsonText),
    describe: (server, tool) => describe(fleet, server, tool),
    policyOf: (server) => orders().servers.get(server),
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
    stateDir: state.dir,
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
  const fleet = openFleet(parts, {
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
  const sessions = new SessionStore({
    clock: realClock,
    bounds: {
      sessionsMax: file.sessions.max,
      perCallerMax: file.sessions.perCallerMax,
      idleMs: file.sessions.idleMs,
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
  const breakers = new Breakers({ clock: realClock, random: Math.random });
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
  { log, redactor, secrets, wall, cookie, onUpcall, report }: RoomsParts,
  {
    launchOf,
    ...reach
  }: Pick<FleetParts, 'onReady' | 'onInstanceEnd' | 'onTools'> &
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

function describe(
  fleet: Fleet,
  server: string,
  tool: string | undefined,
): { serverVersion?: string | undefined; toolDigest?: string | undefined } {
  const catalog = fleet.catalog(server);
  if (catalog === undefined) return {};
  return {
    serverVersion: catalog.serverVersion,
    toolDigest: tool === undefined ? undefined : catalog.tools.get(tool)?.digest.slice(0, 16),
  };
}

/** Session ids are not credentials, but there is no reason to spread them; the journal shortens them the same way. */
function withShortSession(fields: object): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...fields };
  if (typeof kept['session'] === 'string') kept['session'] = shortHash(kept['session']);
  return kept;
}
