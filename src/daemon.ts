import { join } from 'node:path';
import { Audit } from './audit/trail.ts';
import { Journal } from './audit/journal.ts';
import { shortHash } from './audit/outside.ts';
import { Scribe } from './audit/scribe.ts';
import type { DataPlane } from './call/data-plane.ts';
import { handleUpcall } from './call/handle-upcall.ts';
import { CallsInFlight } from './call/in-flight.ts';
import { anyone, identify, signIn, type SignInPolicy } from './callers/identify.ts';
import { loadKeyRing, type KeyRing } from './callers/keys.ts';
import { SessionStore } from './callers/sessions.ts';
import { TaskLedger } from './callers/tasks.ts';
import { printComplaint } from './config/complaint.ts';
import type { DaemonFile } from './config/schema.ts';
import { openStateDir, type Environment, type StateDir } from './config/state-dir.ts';
import { watchPolicies, type Watch } from './config/watch.ts';
import { Gate } from './confirm/gate.ts';
import { ControlSocket } from './control/socket.ts';
import { childCookie, redactionKey, sealKey } from './cookie.ts';
import type { Principal } from './domain/caller.ts';
import type { Facts } from './domain/decision.ts';
import { realClock } from './domain/clock.ts';
import { Fault } from './domain/faults.ts';
import type { Json, JsonText } from './domain/message.ts';
import type { Orders, Pattern } from './domain/orders.ts';
import { Fleet } from './fleet/fleet.ts';
import { sweep } from './fleet/sweep.ts';
import { addressesOf } from './front/address.ts';
import { Fronts } from './fronts.ts';
import { Breakers } from './limits/breakers.ts';
import { Limiter } from './limits/limiter.ts';
import { openHall, type Hall } from './hall.ts';
import { openLog, type Log } from './log.ts';
import type { AdminPlane } from './operate/admin-plane.ts';
import { carryOut, type Order } from './operate/commands.ts';
import { GrantStore } from './operate/grants.ts';
import { reloader, type Loaded, type ReloadReport } from './operate/reload.ts';
import { versionWith } from './operate/standing.ts';
import { refusal, type Reply } from './operate/reply.ts';
import { judge, type Health } from './operate/status.ts';
import { nothingSwitchedOff, SwitchStore } from './operate/switches.ts';
import { readPolicies, whatNeedsRestart } from './policy-files.ts';
import type { PinStore } from './pins/pin-store.ts';
import { namePattern } from './policy/match.ts';
import { misfit } from './policy/arguments.ts';
import { idlePatterns, type Preview } from './policy/preview.ts';
import { realPath } from './real-path.ts';
import { Rounds } from './rounds/rounds.ts';
import { Redactor } from './redact/redact.ts';
import { resolveSecrets } from './secrets/resolve.ts';
import { Takes } from './state/takes.ts';
import { openPins } from './open-pins.ts';
import { version } from './version.ts';
import { previewsFor, vitalsFor } from './vitals.ts';
import { WebhookDesk } from './webhook-desk.ts';

export type DaemonOptions = {
  readonly policies: string;
  readonly env: Environment;
  readonly isTty: boolean;
  readonly stdout: { readonly write: (text: string) => unknown };
};

/** How often the daemon looks for sessions that nobody uses. */
const sweepEveryMs = 30_000;
/** How long a client may take to answer a server's questions before it has to start its call over. */
const roundValidMs = 10 * 60_000;
/** For the first start of all servers; later ones come up while calls are served. */
const readyWithinMs = 25_000;

/** Builds every room once, hands the stories their planes, and takes everything down again in order. */
export class Daemon {
  readonly file: DaemonFile;
  readonly state: StateDir;
  readonly #options: DaemonOptions;
  readonly #log: Log;
  readonly #redactor: Redactor;
  readonly #inFlight = new CallsInFlight();
  readonly #tasks = new TaskLedger();
  #rounds!: Rounds;
  readonly #startedAt = realClock.steadyMs();
  readonly #switches: SwitchStore;
  readonly #grants: GrantStore;
  /** Of the policy files at the start. */
  readonly #digest: string;
  #orders: Orders;
  #keys: KeyRing;
  #audit!: Audit;
  #scribe!: Scribe;
  #fleet!: Fleet;
  #sessions!: SessionStore;
  #hall!: Hall;
  #gate!: Gate;
  #limiter!: Limiter;
  #takes!: Takes;
  #pins!: PinStore;
  readonly #breakers = new Breakers({ clock: realClock, random: Math.random });
  readonly #webhooks = new WebhookDesk({
    clock: realClock,
    version,
    log: (...line) => this.#log.log(...line),
    learn: (secret) => void this.#redactor.learn(secret),
    gate: {
      answer: (id, verdict) => this.#gate.answer(id, verdict),
      unreachable: (...about) => this.#gate.unreachable(...about),
    },
    record: (record) => this.#audit.command(record),
  });
  #fronts!: Fronts;
  readonly #control: ControlSocket;
  #watch: Watch | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #draining = false;
  #journalFault: string | undefined;
  #reloadFault: string | undefined;

  private constructor(
    options: DaemonOptions,
    loaded: { readonly daemon: DaemonFile; readonly digest: string },
    state: StateDir,
    control: ControlSocket,
    log: Log,
    redactor: Redactor,
    orders: Orders,
    switches: SwitchStore,
    grants: GrantStore,
  ) {
    this.#control = control;
    this.#options = options;
    this.file = loaded.daemon;
    this.#digest = loaded.digest;
    this.state = state;
    this.#log = log;
    this.#redactor = redactor;
    this.#orders = orders;
    this.#switches = switches;
    this.#grants = grants;
    this.#keys = loadKeyRing(state.dir);
  }

  /** Throws `CONFIG_INVALID` with everything that is wrong, before any server is started. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    // Once for the state directory; what counts is read again below, by whoever holds that directory.
    const first = readPolicies(options.policies, options.env, () => ({
      switches: nothingSwitchedOff,
      grants: [],
      version: '',
    }));
    if (!first.ok) throw invalid(first.complaints);
    process.umask(0o077);
    const state = openStateDir(first.loaded.daemon.stateDir);
    let daemon: Daemon | undefined;
    const redactor = new Redactor({
      key: redactionKey(state.dir),
      pattern: toolPattern,
      fits: (server, tool, structured) =>
        daemon === undefined ? undefined : daemon.#fits(server, tool, structured),
    });
    // First the socket: whoever holds it is the one daemon of this state directory, and may read switches, sweep and write.
    // A switch that an earlier daemon is still throwing would otherwise be read too soon, and lost.
    const control = await ControlSocket.open({
      path: state.controlSocket,
      answer: async (order) =>
        daemon === undefined
          ? refusal(new Fault('DRAINING', { detail: 'mcpd is starting' }))
          : daemon.#carryOut(order),
      // A line of JSON: as plain text, a find could reach across two of its strings and take a member away.
      redact: (line) => redactor.clean(line as JsonText),
    });
    try {
      const building = await Daemon.#build(options, state, control, redactor);
      await building.#open();
      daemon = building;
      return building;
    } catch (reason) {
      await control.close();
      throw reason;
    }
  }

  static async #build(
    options: DaemonOptions,
    state: StateDir,
    control: ControlSocket,
    redactor: Redactor,
  ): Promise<Daemon> {
    const switches = SwitchStore.open(state.dir);
    const grants = GrantStore.open(state.dir);
    const read = readPolicies(options.policies, options.env, ({ digest }) => ({
      switches: switches.current(),
      grants: grants.current(),
      version: versionWith(digest, switches.changes() + grants.changes()),
    }));
    if (!read.ok) throw invalid(read.complaints);
    const { loaded, orders } = read;
    const log = await openLog({
      level: loaded.daemon.log.level,
      dir: state.logDir,
      size: loaded.daemon.log.fileBytesMax,
      count: loaded.daemon.log.filesMax,
      // A line of JSON: as plain text, a find could reach across two of its strings and take a member away.
      redact: (line) => redactor.clean(line as JsonText),
      isTty: options.isTty,
      stdout: options.stdout,
    });
    for (const warning of loaded.warnings)
      log.log('warn', { file: warning.file, line: warning.line }, printComplaint(warning));
    return new Daemon(options, loaded, state, control, log, redactor, orders, switches, grants);
  }

  get url(): string {
    return addressesOf(this.file.listen.host, this.file.listen.port).url;
  }

  async #open(): Promise<void> {
    const cookie = childCookie(this.state.dir);
    const leftovers = sweep(cookie);
    if (leftovers.length > 0)
      this.#log.log('warn', { pids: leftovers }, 'ended servers that an earlier mcpd left behind');

    this.#scribe = new Scribe({
      open: () => Journal.open({ dir: this.state.auditDir }),
      clock: realClock,
      onTrouble: (fault) => this.#onJournal(fault),
    });
    this.#audit = new Audit({
      scribe: this.#scribe,
      clock: realClock,
      redact: (line) => this.#redactor.clean(line as JsonText),
      describe: (server, tool) => this.#describe(server, tool),
      policyOf: (server) => this.#orders.servers.get(server),
    });
    this.#rounds = new Rounds({
      clock: realClock,
      key: sealKey(this.state.dir),
      validMs: roundValidMs,
      ordersVersion: () => this.#orders.version,
      bindingOf: (call) => this.#fleet.bindingOf(call),
    });
    this.#gate = new Gate({
      clock: realClock,
      redact: (text) => this.#redactor.clean(text),
      bindingOf: (call) => this.#fleet.bindingOf(call),
      ordersVersion: () => this.#orders.version,
      pose: (call, posed) => this.#rounds.pose(call, posed),
      notify: (question, webhook) => this.#webhooks.ask(question, webhook),
      pendingMax: this.file.questionsMax,
      onAsk: (question) =>
        this.#log.log(
          'warn',
          { id: question.callId, caller: question.caller, server: question.server, target: question.target },
          `a call waits for a yes: mcpd ctl approve ${question.id}`,
        ),
    });
    this.#takes = Takes.open({ path: join(this.state.dir, 'takes') });
    this.#limiter = new Limiter({ clock: realClock, store: this.#takes });
    this.#pins = openPins({
      stateDir: this.state.dir,
      mode: (server) => this.#orders.servers.get(server)?.contract.pins ?? 'first',
      clean: (definition) => this.#redactor.clean(definition),
      log: (...line) => this.#log.log(...line),
    });
    this.#fleet = new Fleet({
      clock: realClock,
      random: Math.random,
      cookie,
      version,
      log: (level, fields, message) => this.#log.log(level, withShortSession(fields), message),
      clean: (text) => this.#redactor.cleanText(text),
      bounds: { depthMax: 512 },
      secretsFor: async (spec) => {
        const values = await resolveSecrets(spec.secrets, spec.cwd);
        for (const [name, value] of Object.entries(values)) {
          const learned = this.#redactor.learn(value);
          if (learned.kind !== 'learned')
            this.#log.log(
              'warn',
              { server: spec.name, variable: name },
              `a secret is ${learned.kind} to be redacted from answers`,
            );
        }
        return values;
      },
      onInstanceEnd: () => this.#gate.recheck(),
      onTools: (server, definitions) => this.#pins.saw(server, definitions, 'own', true),
      onUpcall: (upcall) => {
        try {
          handleUpcall(upcall, this.dataPlane);
        } catch (reason) {
          this.#report(Fault.from(reason), upcall.server);
        }
      },
    });
    this.#sessions = new SessionStore({
      clock: realClock,
      bounds: {
        sessionsMax: this.file.sessions.max,
        perCallerMax: this.file.sessions.perCallerMax,
        idleMs: this.file.sessions.idleMs,
      },
      onEnd: (session) => {
        this.#tasks.forget(session);
        this.#pins.forgetSession(session.server, session.id);
        this.#hall.ended(session);
        this.#inFlight.haltWhere((call) => call.session.id === session.id, 'session ended');
        this.#fleet
          .endSession(session.id)
          .catch((reason: unknown) => this.#report(Fault.from(reason), session.server));
      },
    });
    this.#hall = openHall(this.dataPlane, this.#sessions, this.#fleet, this.file.profiles);
    await this.#webhooks.apply(this.file.webhooks);
    this.#fronts = await this.#openFronts();
    this.#fleet.apply(specsOf(this.#orders));
    this.#sweeper = setInterval(() => this.#sweep(), sweepEveryMs);
    const reload = this.reload;
    this.#watch = watchPolicies({
      dir: this.#options.policies,
      digest: this.#digest,
      changed: () => void reload(),
      failed: (reason) =>
        this.#log.log('warn', { reason: String(reason) }, 'policy files cannot be watched; they are polled'),
    });
    this.#log.log('info', { version, url: this.url, orders: this.#orders.version }, 'mcpd listens');
  }

  #sweep(): void {
    this.#sessions.sweep(
      (session) => this.#inFlight.newest(session) !== undefined || this.#hall.isBusy(session),
    );
    this.#limiter.keepTime();
    this.#gate.recheck();
  }

  /** Resolves when every server has started or failed to. */
  async settled(): Promise<void> {
    await this.#fleet.waitReady(readyWithinMs);
    for (const says of this.idleRules()) this.#log.log('warn', {}, says);
  }

  /** Rules that name tools which no server offers, a sentence each. */
  idleRules(): string[] {
    return this.#fleet
      .status()
      .flatMap(({ name, catalog }) =>
        catalog === undefined
          ? []
          : idlePatterns(this.#orders, name, catalog).map(
              ({ rule, pattern }) =>
                `${name}: rule "${rule}" names the tool "${pattern}", and the server offers no such tool`,
            ),
      );
  }

  readonly dataPlane: DataPlane = {
    audit: {
      open: (arrival) => this.#audit.open(arrival),
      upcall: (...about) => this.#audit.upcall(...about),
    },
    callers: {
      identify: (credentials) => identify(credentials, this.#keys, this.#signInPolicy),
    },
    sessions: {
      resolve: (principal, arrival) => this.#sessions.resolve(principal, arrival),
      agree: (call, answer) => this.#sessions.agree(call, answer),
      reachedBy: (upcall) => this.#sessions.reachedBy(upcall),
      standing: (session) => this.#sessions.standing(session),
    },
    orders: { current: () => this.#orders },
    inFlight: this.#inFlight,
    facts: this.#facts(),
    pins: { saw: (call, answer) => this.#pins.heard(call, answer) },
    limits: { charge: (...about) => this.#limiter.charge(...about) },
    breakers: this.#breakers,
    gate: {
      ask: (call, permit, orders) => this.#gate.ask(call, permit, orders),
      continues: (...about) => this.#gate.continues(...about),
      awaits: (call) => this.#gate.awaits(call),
      hear: (call) => this.#gate.hear(call),
    },
    tasks: this.#tasks,
    rounds: {
      resume: (call) => this.#rounds.resume(call),
      pause: (call, answer, approval) => this.#rounds.pause(call, answer, approval),
    },
    fleet: {
      forward: (pass) => this.#fleet.forward(pass),
      mirrored: (server, tool) => this.#fleet.catalog(server)?.mirrored.get(tool) ?? [],
      inputSchema: (server, tool) => this.#fleet.catalog(server)?.tools.get(tool)?.inputSchema,
      bindingOf: (call) => this.#fleet.bindingOf(call),
    },
    redactor: {
      clean: (text) => this.#redactor.clean(text),
      inward: (orders, call) => this.#redactor.inwardSoon(orders, call),
      outward: (orders, call, answer) => this.#redactor.outward(orders, call, answer),
      aside: (orders, server, text) => this.#redactor.aside(orders, server, text),
    },
  };

  /** Whether structured content fits what the tool says it gives. */
  #fits(server: string, tool: string, structured: Json): boolean | undefined {
    const schema = this.#fleet.catalog(server)?.tools.get(tool)?.outputSchema;
    return schema === undefined ? undefined : misfit(schema, structured) === undefined;
  }

  #facts(): Facts {
    return {
      nowMs: realClock.wallMs,
      tool: (server, tool) => {
        const admits = this.#fleet.catalog(server)?.tools.get(tool)?.admits;
        const quarantined = this.#pins.quarantine(server, tool);
        return admits === undefined && quarantined === undefined ? undefined : { admits, quarantined };
      },
      realPath,
    };
  }

  /** Reads the policy files again: new orders whole, or the old ones and why. */
  readonly reload = reportingReload(
    reloader({
      load: () => this.#load(),
      orders: { current: () => this.#orders, replace: (next) => this.#obey(next) },
      switches: { current: () => this.#switches.current(), changes: () => this.#switches.changes() },
      grants: { current: () => this.#grants.current(), changes: () => this.#grants.changes() },
      fleet: { apply: (orders) => this.#fleet.apply(specsOf(orders)) },
    }),
    (reply) => {
      this.#reloadFault = reply.ok ? undefined : reply.complaints.join('; ');
      if (!reply.ok)
        this.#log.log(
          'error',
          { complaints: reply.complaints },
          'the policy files are not valid; the old policy stays in force',
        );
      else if (reply.changed)
        this.#log.log(
          'info',
          { orders: reply.version, needsRestart: reply.needsRestart },
          'a new policy is in force',
        );
      // Once the servers of the new policy have said what they offer.
      if (reply.changed) void this.settled();
    },
  );

  #obey(orders: Orders): void {
    this.#orders = orders;
    // Who waits for a yes that would be worth nothing any more is told so now.
    this.#gate.recheck();
  }

  #load(): Loaded {
    const switches = this.#switches.current();
    const read = readPolicies(this.#options.policies, this.#options.env, ({ digest }) => ({
      switches,
      grants: this.#grants.current(),
      version: digest,
    }));
    if (!read.ok) return read;
    void this.#webhooks.apply(read.loaded.daemon.webhooks);
    return { ok: true, orders: read.orders, needsRestart: whatNeedsRestart(this.file, read.loaded.daemon) };
  }

  #carryOut(order: Order): Promise<Reply> {
    return carryOut(this.#adminPlane(), order);
  }

  #adminPlane(): AdminPlane {
    return {
      orders: {
        current: () => this.#orders,
        replace: (next) => this.#obey(next),
      },
      switches: this.#switches,
      grants: this.#grants,
      pins: this.#pins,
      facts: this.dataPlane.facts,
      breakers: () => this.#breakers.states(),
      gate: this.#gate,
      fleet: this.#fleet,
      inFlight: this.#inFlight,
      keys: {
        reload: () => this.readKeys(),
        names: () => this.#callerNames(),
      },
      policies: { reload: this.reload },
      audit: this.#audit,
      health: () => this.health(),
      clock: realClock,
    };
  }

  health(): Health {
    return judge({
      version,
      uptimeMs: realClock.steadyMs() - this.#startedAt,
      ordersVersion: this.#orders.version,
      servers: this.#fleet.status(),
      switches: this.#switches.current(),
      switchesDurable: this.#switches.durable,
      sessions: this.#sessions.count,
      callsInFlight: this.#inFlight.count,
      waitingQuestions: this.#gate.list().length,
      journalFault: this.#journalFault,
      draining: this.#draining,
      reloadFault: this.#reloadFault,
    });
  }

  /** What a caller would find behind each server. */
  previews(principal: Principal): ReadonlyMap<string, Preview> {
    return previewsFor(
      principal,
      this.#orders,
      this.#fleet,
      (text) => this.#redactor.cleanText(text),
      this.dataPlane.facts,
    );
  }

  get #signInPolicy(): SignInPolicy {
    return { withoutKey: this.withoutKey };
  }

  get keysMade(): number {
    return this.#keys.byId.size;
  }

  /** Reads the keys again. Sessions of a caller whose key is gone end now: an open stream asks for no key again. */
  readKeys(): void {
    this.#keys = loadKeyRing(this.state.dir);
    const names = new Set(this.#callerNames());
    this.#sessions.endWhere(({ principal }) => principal !== anyone && !names.has(principal.name));
  }

  #callerNames(): string[] {
    const good = [...this.#keys.byId.values()].filter(({ revoked }) => !revoked);
    return good.map(({ principal }) => principal.name);
  }

  get withoutKey(): boolean {
    return this.file.callersWithoutKey === 'allowed';
  }

  /**
   * Refuses what is new, lets what is under way finish (or ends it with an error when the time is over), then ends sessions,
   * children, journal and log, in this order. Safe to call twice.
   */
  async stop(why: string): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.#log.log('info', { why, inFlight: this.#inFlight.count }, 'mcpd is stopping');
    clearInterval(this.#sweeper);
    this.#hall.close();
    await this.#watch?.close();
    this.#gate.drain();
    this.#webhooks.close();
    await this.#finished(this.file.drainWithinMs);
    this.#inFlight.haltWhere(() => true, 'daemon stopping');
    await this.#finished(500);
    const shut = this.#fronts.shut();
    this.#sessions.endWhere(() => true);
    this.#fronts.closeIdle();
    await this.#fleet.stop();
    this.#fronts.closeAll();
    await shut;
    this.#takes.close();
    await this.#audit.close().catch((reason: unknown) => this.#report(Fault.from(reason), 'journal'));
    await this.#control.close();
    this.#log.log('info', {}, 'mcpd has stopped');
    await this.#log.close();
  }

  async #finished(withinMs: number): Promise<void> {
    const until = realClock.steadyMs() + withinMs;
    while (this.#inFlight.count > 0 && realClock.steadyMs() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
    // One turn more, so that the last answers have left.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #openFronts(): Promise<Fronts> {
    const { file } = this;
    return Fronts.open({
      file,
      frontSocket: this.state.frontSocket,
      plane: {
        data: this.dataPlane,
        handle: (arrival) => this.#hall.handle(arrival),
        signIn: (credentials) => signIn(credentials, this.#keys, this.#signInPolicy),
        sessions: this.#sessions,
        approvals: { take: (...about) => this.#webhooks.take(...about) },
        bounds: { bytesMax: file.requests.bodyBytesMax, depthMax: file.requests.depthMax },
        pollAfterMs: file.sessions.pollAfterMs,
        wallMs: realClock.wallMs,
        draining: () => this.#draining,
        report: (fault, callId) => this.#report(fault, callId),
      },
      health: {
        alive: () => ({
          version,
          uptimeSeconds: Math.floor((realClock.steadyMs() - this.#startedAt) / 1000),
        }),
        ready: () => this.health().status,
        detail: (principal) =>
          vitalsFor(principal, this.#orders, this.health(), this.#fleet, this.dataPlane.facts),
      },
    });
  }

  #describe(
    server: string,
    tool: string | undefined,
  ): { serverVersion?: string | undefined; toolDigest?: string | undefined } {
    const catalog = this.#fleet.catalog(server);
    if (catalog === undefined) return {};
    return {
      serverVersion: catalog.serverVersion,
      toolDigest: tool === undefined ? undefined : catalog.tools.get(tool)?.digest.slice(0, 16),
    };
  }

  #onJournal(fault: Fault | undefined): void {
    this.#journalFault = fault?.detail ?? fault?.says;
    if (fault === undefined) this.#log.log('info', {}, 'the journal works again');
    else
      this.#log.log(
        'error',
        { detail: fault.detail, hint: fault.hint },
        'the journal cannot be written; calls are refused',
      );
  }

  #report(fault: Fault, id: string): void {
    const level = fault.code === 'BUG' ? 'error' : 'warn';
    this.#log.log(
      level,
      {
        id,
        code: fault.code,
        detail: fault.detail,
        ...(fault.code === 'BUG' ? { stack: causeOf(fault) } : {}),
      },
      fault.says,
    );
  }
}

function reportingReload(
  reload: () => Promise<ReloadReport>,
  tell: (reply: ReloadReport) => void,
): () => Promise<ReloadReport> {
  return async () => {
    const reply = await reload();
    tell(reply);
    return reply;
  };
}

function causeOf(fault: Fault): string | undefined {
  return fault.cause instanceof Error ? fault.cause.stack : fault.stack;
}

/** The compiler has seen to it that every pattern of a policy is one. */
function toolPattern(text: string): Pattern {
  const compiled = namePattern(text);
  if (compiled.ok) return compiled.pattern;
  throw new Fault('BUG', { detail: `the pattern ${text} ${compiled.what}` });
}

function specsOf(orders: Orders) {
  return [...orders.servers.values()].map(({ spec }) => spec);
}

/** Session ids are not credentials, but there is no reason to spread them; the journal shortens them the same way. */
function withShortSession(fields: object): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...fields };
  if (typeof kept['session'] === 'string') kept['session'] = shortHash(kept['session']);
  return kept;
}

function invalid(complaints: readonly string[]): Fault {
  return new Fault('CONFIG_INVALID', { detail: complaints.join('\n') });
}
