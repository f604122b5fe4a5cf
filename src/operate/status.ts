import type { Switches } from '../domain/orders.ts';
import type { UpstreamState, UpstreamStatus } from '../domain/upstream.ts';
import type { Guarantee, WallReport } from '../domain/wall.ts';
import type { Credential, Wellbeing } from '../fleet/wellbeing.ts';

/** A server as the fleet shows it. */
type Server = UpstreamStatus & Partial<Wellbeing>;

/** What the house says about itself; the input of `judge`. */
export type Facts = {
  readonly version: string;
  readonly uptimeMs: number;
  readonly ordersVersion: string;
  readonly servers: readonly Server[];
  readonly switches: Switches;
  /** False when a switch is in force that a restart would forget. */
  readonly switchesDurable: boolean;
  readonly sessions: number;
  readonly callsInFlight: number;
  readonly waitingQuestions: number;
  /** Why the journal cannot be written, or undefined when it can. */
  readonly journalFault: string | undefined;
  readonly draining: boolean;
  /** Why the last reload was refused, or undefined when the policy files are in force. */
  readonly reloadFault: string | undefined;
  readonly pressure?: Pressure;
};

/** How much is under way at the doors, and what was turned away since the start. Docs: limits.md. */
export type Pressure = {
  readonly requests: number;
  readonly streams: number;
  readonly bodyBytes: number;
  readonly connections: number;
  readonly connectionsMax: number;
  readonly lateMs: number;
  readonly isLate: boolean;
  readonly turnedAway: Readonly<Record<string, number>>;
  readonly letGo: Readonly<Record<string, number>>;
};

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy';

/** Facts and what to make of them. */
export type Health = Facts & {
  readonly status: HealthStatus;
  /** Whether calls can be made at all: the answer of `/readyz`. */
  readonly ready: boolean;
  /** Why it is not `healthy`, one sentence each. */
  readonly because: readonly string[];
  /** The same for programs. */
  readonly reasons: readonly Reason[];
};

/** States from which a server does not come back without somebody's help. */
const failed: ReadonlySet<UpstreamState> = new Set<UpstreamState>(['given-up', 'lacks-secret', 'refused']);

const sayings: Readonly<Record<UpstreamState, string>> = {
  starting: 'is starting',
  ready: 'is ready',
  'backing-off': 'is down and will be started again',
  'given-up': 'was given up',
  'lacks-secret': 'lacks a secret',
  refused: 'may not be started',
  stopping: 'is stopping',
  stopped: 'is stopped',
};

/** What to type, for a server that will not come back by itself. */
function helps(state: UpstreamState, name: string): string {
  return failed.has(state) ? `; when that is mended: mcpd ctl restart ${name}` : '';
}

/** Why not all is well, in words for programs. The first four alone mean that no call can be made. */
export type Reason =
  | 'draining'
  | 'journal'
  | 'servers'
  | 'starting'
  | 'late'
  | 'server'
  | 'credential'
  | 'lockdown'
  | 'not-durable'
  | 'policy';

/** Judges the facts. Unhealthy: no call can be made. Degraded: some cannot, or something needs the operator. */
export function judge(facts: Facts): Health {
  const grave: string[] = [];
  const slight: string[] = [];
  if (facts.draining) grave.push('mcpd is stopping');
  if (facts.journalFault !== undefined) grave.push(`the journal cannot be written: ${facts.journalFault}`);

  // A server that the operator switched off is as it should be, whatever its state.
  const wanted = facts.servers.filter(({ name }) => !facts.switches.servers.has(name));
  // One that sleeps is started by the call that wants it.
  const ready = wanted.filter(({ state, asleep }) => state === 'ready' || asleep === true);
  for (const { name, state, because, asleep, credential } of wanted) {
    if (credential?.kind === 'fails' || credential?.kind === 'not-asked')
      slight.push(`server ${name}: ${inWords(credential)}`);
    if (state !== 'ready' && asleep !== true)
      slight.push(
        `server ${name} ${sayings[state]}${because === undefined ? '' : `: ${because}`}${helps(state, name)}`,
      );
  }
  if (wanted.length > 0 && wanted.every(({ state }) => failed.has(state)))
    grave.push('every server has failed');
  if (facts.pressure?.isLate === true)
    slight.push('mcpd is late, and turns away what is new; see what keeps the machine busy');
  if (facts.switches.lockdown !== undefined)
    slight.push('lockdown: every call is refused; end it: mcpd ctl unlock');
  if (!facts.switchesDurable) slight.push('a switch is in force that a restart would forget: NOT DURABLE');
  if (facts.reloadFault !== undefined)
    slight.push(`the last reload was refused: ${facts.reloadFault}; check: mcpd check`);

  const status = grave.length > 0 ? 'unhealthy' : slight.length > 0 ? 'degraded' : 'healthy';
  return {
    ...facts,
    status,
    ready: status !== 'unhealthy' && (wanted.length === 0 || ready.length > 0),
    because: [...grave, ...slight],
    reasons: reasonsOf(facts, wanted, ready.length > 0),
  };
}

function reasonsOf(
  { draining, journalFault, pressure, switches, switchesDurable, reloadFault }: Facts,
  wanted: readonly Server[],
  someReady: boolean,
): readonly Reason[] {
  const isBroken = ({ credential }: Server) =>
    credential?.kind === 'fails' || credential?.kind === 'not-asked';
  const allFailed = wanted.length > 0 && wanted.every(({ state }) => failed.has(state));
  const found: readonly (readonly [Reason, boolean])[] = [
    ['draining', draining],
    ['journal', journalFault !== undefined],
    ['servers', allFailed],
    ['starting', wanted.length > 0 && !someReady && !allFailed],
    ['late', pressure?.isLate === true],
    ['server', wanted.some(({ state, asleep }) => state !== 'ready' && asleep !== true)],
    ['credential', wanted.some(isBroken)],
    ['lockdown', switches.lockdown !== undefined],
    ['not-durable', !switchesDurable],
    ['policy', reloadFault !== undefined],
  ];
  return found.flatMap(([reason, holds]) => (holds ? [reason] : []));
}

/** What is known of the credential that a server itself was given, in a sentence. */
export function inWords(credential: Credential): string {
  switch (credential.kind) {
    case 'works':
      return 'its credential works';
    case 'fails':
      return `its credential fails since ${new Date(credential.since).toISOString()}: ${credential.because}`;
    case 'not-asked':
      return `its credential cannot be tried: ${credential.because}`;
  }
}

/** One server as `ctl status` and `/readyz` show it. */
export type ServerReport = Omit<UpstreamStatus, 'catalog' | 'because' | 'pid' | 'pingMs' | 'wall'> & {
  /** No child runs, because nobody wants one; the next call starts it. */
  readonly asleep: boolean;
  /** Children that were replaced because they hung. */
  readonly hung: number;
  /** Whether the credential works that the server was given; null where no call shows it. Times are ISO 8601. */
  readonly credential: CredentialReport | null;
  readonly because: string | null;
  readonly pid: number | null;
  readonly pingMs: number | null;
  readonly switchedOff: boolean;
  /** How well it is walled off; null before its first start. */
  readonly wall: WallShown | null;
  /** What it calls itself, and how much it offers; null until it has said so. */
  readonly offers: {
    readonly serverName: string;
    readonly serverVersion: string;
    readonly tools: number;
    readonly resources: number;
    readonly prompts: number;
  } | null;
};

/** Health as JSON: no maps, no undefined, times as ISO 8601. The shape is a promise; docs/ctl.md has it. */
export function report(health: Health): {
  readonly status: HealthStatus;
  readonly ready: boolean;
  readonly because: readonly string[];
  readonly version: string;
  readonly uptimeMs: number;
  readonly ordersVersion: string;
  readonly sessions: number;
  readonly callsInFlight: number;
  readonly waitingApprovals: number;
  readonly pressure?: Pressure;
  readonly servers: readonly ServerReport[];
  readonly switches: SwitchesReport;
} {
  return {
    status: health.status,
    ready: health.ready,
    because: health.because,
    version: health.version,
    uptimeMs: Math.round(health.uptimeMs),
    ordersVersion: health.ordersVersion,
    sessions: health.sessions,
    callsInFlight: health.callsInFlight,
    waitingApprovals: health.waitingQuestions,
    ...(health.pressure === undefined ? {} : { pressure: health.pressure }),
    servers: health.servers.map((server) => serverReport(server, health.switches)),
    switches: { durable: health.switchesDurable, ...switchesReport(health.switches) },
  };
}

export type CredentialReport = {
  readonly state: Credential['kind'];
  /** Since when it fails, or when it was last seen to work. */
  readonly at: string | null;
  readonly because: string | null;
};

function credentialReport(it: Credential | undefined): CredentialReport | null {
  if (it === undefined) return null;
  const at = it.kind === 'works' ? it.at : it.kind === 'fails' ? it.since : undefined;
  return {
    state: it.kind,
    at: at === undefined ? null : new Date(at).toISOString(),
    because: it.kind === 'works' ? null : it.because,
  };
}

type WallShown = Omit<WallReport, 'missing'> & {
  readonly missing: readonly {
    readonly guarantee: Guarantee;
    readonly why: string;
    readonly mend: string | null;
  }[];
};

function wallShown({ missing, ...rest }: WallReport): WallShown {
  return { ...rest, missing: missing.map((gap) => ({ ...gap, mend: gap.mend ?? null })) };
}

function serverReport(server: Server, switches: Switches): ServerReport {
  const { catalog, because, pid, pingMs, wall, asleep = false, hung = 0, credential, ...rest } = server;
  return {
    ...rest,
    asleep,
    hung,
    credential: credentialReport(credential),
    because: because ?? null,
    pid: pid ?? null,
    pingMs: pingMs === undefined ? null : Math.round(pingMs * 100) / 100,
    switchedOff: switches.servers.has(server.name),
    wall: wall === undefined ? null : wallShown(wall),
    offers:
      catalog === undefined
        ? null
        : {
            serverName: catalog.serverName,
            serverVersion: catalog.serverVersion,
            tools: catalog.tools.size,
            resources: catalog.resources.length + catalog.resourceTemplates.length,
            prompts: catalog.prompts.length,
          },
  };
}

type SwitchReport = {
  readonly name: string;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
};
export type SwitchesReport = {
  readonly durable: boolean;
  readonly lockdown: Omit<SwitchReport, 'name'> | null;
  readonly servers: readonly SwitchReport[];
  readonly tools: readonly SwitchReport[];
  readonly callers: readonly SwitchReport[];
};

function switchesReport(switches: Switches): Omit<SwitchesReport, 'durable'> {
  const { lockdown } = switches;
  const rows = (map: Switches['tools']) =>
    [...map].map(([name, { at, by, reason }]) => ({ name, at: new Date(at).toISOString(), by, reason }));
  return {
    lockdown:
      lockdown === undefined
        ? null
        : { at: new Date(lockdown.at).toISOString(), by: lockdown.by, reason: lockdown.reason },
    servers: rows(switches.servers),
    tools: rows(switches.tools),
    callers: rows(switches.callers),
  };
}
