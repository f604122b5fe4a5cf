import type { Switches } from '../domain/orders.ts';
import type { UpstreamState, UpstreamStatus } from '../domain/upstream.ts';
import type { Guarantee, WallReport } from '../domain/wall.ts';

/** What the house says about itself; the input of `judge`. */
export type Facts = {
  readonly version: string;
  readonly uptimeMs: number;
  readonly ordersVersion: string;
  readonly servers: readonly UpstreamStatus[];
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
};

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy';

/** Facts and what to make of them. */
export type Health = Facts & {
  readonly status: HealthStatus;
  /** Whether calls can be made at all: the answer of `/readyz`. */
  readonly ready: boolean;
  /** Why it is not `healthy`, one sentence each. */
  readonly because: readonly string[];
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

/** Judges the facts. Unhealthy: no call can be made. Degraded: some cannot, or something needs the operator. */
export function judge(facts: Facts): Health {
  const grave: string[] = [];
  const slight: string[] = [];
  if (facts.draining) grave.push('mcpd is stopping');
  if (facts.journalFault !== undefined) grave.push(`the journal cannot be written: ${facts.journalFault}`);

  // A server that the operator switched off is as it should be, whatever its state.
  const wanted = facts.servers.filter(({ name }) => !facts.switches.servers.has(name));
  const ready = wanted.filter(({ state }) => state === 'ready');
  for (const { name, state, because } of wanted) {
    if (state !== 'ready')
      slight.push(
        `server ${name} ${sayings[state]}${because === undefined ? '' : `: ${because}`}${helps(state, name)}`,
      );
  }
  if (wanted.length > 0 && wanted.every(({ state }) => failed.has(state)))
    grave.push('every server has failed');
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
  };
}

/** One server as `ctl status` and `/readyz` show it. */
export type ServerReport = Omit<UpstreamStatus, 'catalog' | 'because' | 'pid' | 'pingMs' | 'wall'> & {
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
    servers: health.servers.map((server) => serverReport(server, health.switches)),
    switches: { durable: health.switchesDurable, ...switchesReport(health.switches) },
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

function serverReport(server: UpstreamStatus, switches: Switches): ServerReport {
  const { catalog, because, pid, pingMs, wall, ...rest } = server;
  return {
    ...rest,
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
