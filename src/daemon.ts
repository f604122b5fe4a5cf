import { join } from 'node:path';
import type { DataPlane } from './call/data-plane.ts';
import { handleUpcall } from './call/handle-upcall.ts';
import { printComplaint } from './config/complaint.ts';
import type { DaemonFile } from './config/schema.ts';
import { openStateDir, type Environment, type StateDir } from './config/state-dir.ts';
import { watchPolicies, type Watch } from './config/watch.ts';
import { takeLock } from './control/lock.ts';
import { ControlSocket } from './control/socket.ts';
import { redactionKey } from './cookie.ts';
import type { Call } from './domain/call.ts';
import type { Principal } from './domain/caller.ts';
import { realClock } from './domain/clock.ts';
import { Fault } from './domain/faults.ts';
import type { HaltReason } from './domain/halt.ts';
import type { Json, JsonText } from './domain/message.ts';
import type { Orders, Pattern } from './domain/orders.ts';
import { endLeftovers } from './fleet/leftovers.ts';
import { addressesOf } from './front/address.ts';
import { Fronts } from './fronts.ts';
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
import { namePattern } from './policy/match.ts';
import { misfit } from './policy/arguments.ts';
import { idlePatterns, type Preview } from './policy/preview.ts';
import { Redactor } from './redact/redact.ts';
import { version } from './version.ts';
import { previewsFor, vitalsFor } from './vitals.ts';
import { dataPlaneOf } from './planes.ts';
import { openRooms, type Rooms } from './rooms.ts';
import { openState, type State } from './open-state.ts';
import { resumer } from './open-sessions.ts';
import { openOAuth, type OAuthHouse } from './oauth-house.ts';
import { HouseSecrets } from './open-secrets.ts';
import { SignInHouse } from './sign-in-house.ts';
import { runOnce } from './fleet/process.ts';
import { Wall } from './wall/wall.ts';
import { childCookie } from './cookie.ts';
import { peerUid } from './native.ts';
import { listOperators, personOf } from './operate/operator-file.ts';
import { isGood } from './operate/operator-records.ts';

export type DaemonOptions = {
  readonly policies: string;
  readonly env: Environment;
  readonly isTty: boolean;
  /** Asks the person at the terminal for the passphrase of the vault; undefined where there is none. */
  readonly passphrase?: (() => Promise<string>) | undefined;
  readonly stdout: { readonly write: (text: string) => unknown };
};

/** How often the daemon looks for sessions that nobody uses: a tenth of the time that they may lie idle, and at least so often. */
const sweepEveryMsMax = 30_000;
/** How soon a switch that the disk did not take is tried again. */
const keepEveryMs = 1_000;
/** For the first start of all servers; later ones come up while calls are served. */
const readyWithinMs = 25_000;

/** Builds every room once, hands the stories their planes, and takes everything down again in order. */
export class Daemon {
  readonly file: DaemonFile;
  readonly state: StateDir;
  readonly #options: DaemonOptions;
  readonly #log: Log;
  readonly #redactor: Redactor;
  readonly #startedAt = realClock.steadyMs();
  readonly #kept: State;
  readonly #switches: SwitchStore;
  readonly #grants: GrantStore;
  /** Of the policy files at the start. */
  readonly #digest: string;
  #orders: Orders;
  /** Of mcpd.toml as it was read last: where secrets are, and what besides servers needs one. */
  #written: Pick<DaemonFile, 'secrets' | 'webhooks' | 'oauth'>;
  #secrets!: HouseSecrets;
  #oauth!: OAuthHouse;
  #callers!: SignInHouse;
  #rooms!: Rooms;
  #data!: DataPlane;
  #hall!: Hall;
  #fronts!: Fronts;
  readonly #control: ControlSocket;
  #watch: Watch | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #retrier: NodeJS.Timeout | undefined;
  #draining = false;
  /** Steady milliseconds: until then, a client that was let go may be on its way back. */
  #awaitedUntilMs = 0;
  #freeJournal = (): void => undefined;
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
    kept: State,
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
    this.#kept = kept;
    this.#switches = switches;
    this.#grants = grants;
    this.#written = loaded.daemon;
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
      peerUid,
      personOf: (token) => personOf(state.dir, token, realClock.wallMs()),
    });
    redactor.learn(control.token);
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
    const kept = openState(state.dir);
    const switches = SwitchStore.open(kept.database);
    const grants = GrantStore.open(kept.database);
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
    return new Daemon(options, loaded, state, control, log, redactor, orders, kept, switches, grants);
  }

  get url(): string {
    const { host, port, tls } = this.file.listen;
    return addressesOf(host, port, tls !== undefined).url;
  }

  async #open(): Promise<void> {
    const { file, state } = this;
    // One writer for as long as we live, whoever else gets hold of the control socket meanwhile. Before anything is ended: where
    // somebody removed the socket of a daemon that runs, what looks left behind are its servers, in the middle of their calls.
    this.#freeJournal = await takeLock(join(state.controlDir, 'journal.lock'));
    const cookie = childCookie(state.dir);
    const leftovers = await endLeftovers(state.childrenFile, cookie);
    if (leftovers.length > 0)
      this.#log.log('warn', { pids: leftovers }, 'ended servers that an earlier mcpd left behind');
    this.#secrets = this.#openSecrets(cookie);
    this.#applySecrets(this.#orders);
    const wall = await this.#openWall();
    this.#rooms = openRooms({
      file,
      state,
      kept: this.#kept,
      cookie,
      wall,
      secrets: this.#secrets,
      log: this.#log,
      redactor: this.#redactor,
      orders: () => this.#orders,
      stands: (principal) => this.#callers.desk.stands(principal),
      onUpcall: (upcall) => handleUpcall(upcall, this.#data),
      onSessionEnd: (session) => this.#hall.ended(session),
      onJournal: (fault) => this.#onJournal(fault),
      report: (fault, id) => this.#report(fault, id),
    });
    this.#kept.takesAreKept();
    this.#data = dataPlaneOf({
      rooms: this.#rooms,
      redactor: this.#redactor,
      orders: () => this.#orders,
      callers: { identify: (credentials) => this.#callers.desk.identify(credentials) },
    });
    this.#oauth = await openOAuth({
      file,
      version,
      secretOf: async ({ name, introspection }) => {
        const value = await this.#secrets.secretOf(`oauth.${name}`, introspection?.clientSecret ?? '');
        this.#redactor.learn(value);
        return value;
      },
    });
    this.#callers = this.#openCallers();
    this.#hall = openHall(this.#data, this.#rooms.sessions, this.#rooms.fleet, file.profiles);
    await this.#rooms.webhooks.apply(this.file.webhooks);
    this.#fronts = await this.#openFronts();
    this.#callers.watch();
    this.#rooms.fleet.apply(specsOf(this.#orders));
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(sweepEveryMsMax, file.sessions.idleMs / 10));
    this.#retrier = setInterval(() => this.#keepSwitches(), keepEveryMs);
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

  /** What a full disk did not take is tried again until it does: nobody has to come back and type it once more. */
  #keepSwitches(): void {
    this.#grants.retry();
    if (this.#switches.durable || !this.#switches.retry().durable) return;
    this.#log.log('info', {}, 'what was switched off while the disk was full is kept now');
  }

  #sweep(): void {
    // What was seen first would be forgotten by the next start, and another taken for the first.
    const { pins, packages } = this.#rooms;
    for (const [what, store] of [
      ['pins', pins],
      ['packages', packages],
    ] as const)
      if (store.retry())
        this.#log.log('info', {}, `what was seen of ${what} while the disk was full is kept now`);
    this.#rooms.sessions.sweep(
      (session) => this.#rooms.inFlight.newest(session) !== undefined || this.#hall.isBusy(session),
    );
    this.#rooms.limiter.keepTime();
    this.#rooms.gate.recheck();
  }

  /** Resolves when every server has started or failed to. */
  async settled(): Promise<void> {
    await this.#rooms.fleet.waitReady(readyWithinMs);
    for (const says of this.idleRules()) this.#log.log('warn', {}, says);
  }

  /** Rules that name tools which no server offers, a sentence each. */
  idleRules(): string[] {
    return this.#rooms.fleet
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

  #openSecrets(cookie: string): HouseSecrets {
    return new HouseSecrets({
      stateDir: this.state.dir,
      env: this.#options.env,
      cookie,
      passphrase: this.#options.passphrase,
      learn: (value) => this.#redactor.learn(value),
      forget: (value) => this.#redactor.forget(value),
      log: (...line) => this.#log.log(...line),
      fleet: () => this.#rooms.fleet,
    });
  }

  #applySecrets(orders: Orders): void {
    const { secrets, webhooks, oauth } = this.#written;
    const clients = oauth.flatMap(({ introspection: it }) =>
      it === undefined ? [] : [{ secret: it.clientSecret }],
    );
    this.#secrets.apply(secrets, specsOf(orders), [...webhooks, ...clients]);
  }

  #openWall(): Promise<Wall> {
    const { env, policies } = this.#options;
    return Wall.open({
      stateDir: this.state.dir,
      policies,
      execPath: process.execPath,
      home: env['HOME'] ?? '/',
      run: runOnce,
      log: (level, fields, message) => this.#log.log(level, { ...fields }, message),
    });
  }

  /** Stops what is under way, also where a client is away between two rounds of its call. */
  #haltWhere(match: (call: Call) => boolean, reason: HaltReason): number {
    const { inFlight, fleet } = this.#rooms;
    return inFlight.haltWhere(match, reason) + fleet.haltHeld(match, reason);
  }

  #openCallers(): SignInHouse {
    return new SignInHouse({
      file: this.file,
      dir: this.state.dir,
      compile: namePattern,
      tokens: this.#oauth.tokens,
      resourceOf: this.#oauth.resourceOf,
      // An open stream asks for no credential again.
      changed: () => {
        const isOut = ({ principal }: { readonly principal: Principal }) =>
          !this.#callers.desk.stands(principal);
        this.#rooms.sessions.endWhere(isOut);
        // In the modern era there is no session: a call that waits for a yes, or a stream, would go on.
        this.#haltWhere(isOut, 'its credential is not good any more');
      },
      failed: (reason, what) => this.#log.log('warn', { reason: String(reason) }, what),
    });
  }

  /** Whether structured content fits what the tool says it gives. */
  #fits(server: string, tool: string, structured: Json): boolean | undefined {
    const schema = this.#rooms.fleet.catalog(server)?.tools.get(tool)?.outputSchema;
    return schema === undefined ? undefined : misfit(schema, structured) === undefined;
  }

  /** Reads the policy files again: new orders whole, or the old ones and why. */
  readonly reload = reportingReload(
    reloader({
      load: () => this.#load(),
      orders: { current: () => this.#orders, replace: (next) => this.#obey(next) },
      switches: { current: () => this.#switches.current(), changes: () => this.#switches.changes() },
      grants: { current: () => this.#grants.current(), changes: () => this.#grants.changes() },
      fleet: {
        apply: (orders) => {
          this.#applySecrets(orders);
          this.#rooms.fleet.apply(specsOf(orders));
        },
      },
    }),
    (reply) => {
      this.#fronts.reload();
      // After the secrets of the same files: a webhook's own may come from a command that they bring. Also where nothing
      // changed: one that lacked its secret gets another chance.
      if (reply.ok || reply.changed) void this.#rooms.webhooks.apply(this.#written.webhooks);
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
    this.#rooms.gate.recheck();
  }

  #load(): Loaded {
    const switches = this.#switches.current();
    const read = readPolicies(this.#options.policies, this.#options.env, ({ digest }) => ({
      switches,
      grants: this.#grants.current(),
      version: digest,
    }));
    if (!read.ok) return read;
    this.#written = read.loaded.daemon;
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
      pins: this.#rooms.pins,
      facts: this.#data.facts,
      breakers: () => this.#rooms.breakers.states(),
      gate: this.#rooms.gate,
      fleet: this.#rooms.fleet,
      inFlight: { haltWhere: (match, reason) => this.#haltWhere(match, reason) },
      keys: {
        reload: () => this.readKeys(),
        names: () => this.#callers.desk.callerNames(),
      },
      secrets: {
        report: () => this.#secrets.keeper.report(),
        changed: async (reference, how) => {
          await this.#rooms.webhooks.secretChanged(reference);
          return this.#secrets.keeper.changed(reference, how);
        },
      },
      packages: this.#rooms.packages,
      operators: {
        count: () => listOperators(this.state.dir).filter((it) => isGood(it, realClock.wallMs())).length,
      },
      policies: { reload: this.reload },
      audit: this.#rooms.audit,
      health: () => this.health(),
      clock: realClock,
    };
  }

  health(): Health {
    return judge({
      version,
      uptimeMs: realClock.steadyMs() - this.#startedAt,
      ordersVersion: this.#orders.version,
      servers: this.#rooms.fleet.status(),
      switches: this.#switches.current(),
      switchesDurable: this.#switches.durable,
      sessions: this.#rooms.sessions.count,
      callsInFlight: this.#rooms.inFlight.count,
      waitingQuestions: this.#rooms.gate.list().length,
      journalFault: this.#journalFault,
      draining: this.#draining,
      reloadFault: this.#stale(),
      pressure: this.#fronts.pressure(),
    });
  }

  /** What is on disk and not in force, and why. */
  #stale(): string | undefined {
    const faults = [
      ...(this.#reloadFault === undefined ? [] : [this.#reloadFault]),
      ...this.#fronts.faults(),
    ];
    return faults.length === 0 ? undefined : faults.join('; ');
  }

  /** What a caller would find behind each server. */
  previews(principal: Principal): ReadonlyMap<string, Preview> {
    return previewsFor(
      principal,
      this.#orders,
      this.#rooms.fleet,
      (text) => this.#redactor.cleanText(text),
      this.#data.facts,
    );
  }

  get keysMade(): number {
    return this.#callers.keysMade;
  }

  /** Reads the keys again. Sessions of whoever lost theirs end now. */
  readKeys(): void {
    this.#callers.readKeys();
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
    this.#log.log('info', { why, inFlight: this.#rooms.inFlight.count }, 'mcpd is stopping');
    clearInterval(this.#sweeper);
    clearInterval(this.#retrier);
    this.#hall.close();
    await this.#watch?.close();
    this.#rooms.gate.drain();
    this.#rooms.webhooks.close();
    this.#secrets.close();
    await this.#finished(this.file.drainWithinMs, this.#awaitedUntilMs);
    this.#rooms.inFlight.haltWhere(() => true, 'daemon stopping');
    await this.#finished(500, 0);
    const shut = this.#fronts.shut();
    this.#rooms.sessions.close();
    this.#fronts.closeIdle();
    await this.#rooms.fleet.stop();
    this.#fronts.closeAll();
    await shut;
    this.#rooms.takes.close();
    await this.#callers.close();
    await this.#rooms.audit.close().catch((reason: unknown) => this.#report(Fault.from(reason), 'journal'));
    this.#freeJournal();
    this.#kept.close();
    await this.#control.close();
    this.#log.log('info', {}, 'mcpd has stopped');
    await this.#log.close();
  }

  /** Waits for calls, and until then for clients that were let go and are about to come back for what a call answered. */
  async #finished(withinMs: number, awaitedUntilMs: number): Promise<void> {
    const { steadyMs } = realClock;
    const until = steadyMs() + withinMs;
    while ((this.#rooms.inFlight.count > 0 || steadyMs() < awaitedUntilMs) && steadyMs() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
    // One turn more, so that the last answers have left.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #openFronts(): Promise<Fronts> {
    const { file } = this;
    return Fronts.open({
      file,
      frontSocket: this.state.frontSocket,
      servers: this.#orders.servers.size,
      log: (...line) => this.#log.log(...line),
      plane: {
        data: this.#data,
        handle: (arrival) => this.#hall.handle(arrival),
        resume: resumer(this.#data, this.#rooms.sessions, this.#log, () => this.#draining),
        signIn: (credentials, door) => this.#callers.desk.signIn(credentials, door),
        oauth: this.#oauth.face,
        sessions: this.#rooms.sessions,
        approvals: { take: (...about) => this.#rooms.webhooks.take(...about) },
        bounds: { bytesMax: file.requests.bodyBytesMax, depthMax: file.requests.depthMax },
        pollAfterMs: file.sessions.pollAfterMs,
        awaits: (ms) => (this.#awaitedUntilMs = realClock.steadyMs() + ms),
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
          vitalsFor(principal, this.#orders, this.health(), this.#rooms.fleet, this.#data.facts),
      },
    });
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

function invalid(complaints: readonly string[]): Fault {
  return new Fault('CONFIG_INVALID', { detail: complaints.join('\n') });
}
