import { printable } from '../domain/printable.ts';
import type { ServerReport, SwitchesReport } from '../operate/status.ts';
import type { PackageReport } from '../packages/package-store.ts';
import { showDrifts } from './show-packages.ts';
import { showWalls } from './show-wall.ts';
import { table } from './table.ts';
import { span, text } from './words.ts';

export type StatusAnswer = {
  readonly status: string;
  readonly because: readonly string[];
  readonly version: string;
  readonly uptimeMs: number;
  readonly ordersVersion: string;
  readonly sessions: number;
  readonly callsInFlight: number;
  readonly waitingApprovals: number;
  readonly servers: readonly ServerReport[];
  readonly switches: SwitchesReport;
  readonly grants?: number;
  readonly quarantined?: number;
  readonly packages?: readonly PackageReport[];
  readonly breakers?: readonly Breaker[];
};

type Breaker = {
  readonly server: string;
  readonly tool: string;
  readonly state: string;
  readonly until: string;
};

/** `mcpd ctl status` for a person. */
export function showStatus(it: StatusAnswer): string {
  const counts = `sessions ${it.sessions}, calls in flight ${it.callsInFlight}, waiting for a yes ${it.waitingApprovals}`;
  const servers = it.servers.map(
    ({
      name,
      state,
      switchedOff,
      sharing,
      offers,
      children,
      spares,
      idle,
      restarts,
      inFlight,
      waiting,
      pingMs,
      asleep,
      credential,
    }) => [
      name,
      stateShown({ state, switchedOff, asleep, credential }),
      sharing,
      offers === null ? '-' : String(offers.tools),
      String(children),
      String(spares),
      String(idle),
      String(restarts),
      String(inFlight),
      String(waiting),
      pingMs === null ? '-' : `${pingMs} ms`,
    ],
  );
  return [
    `mcpd ${text(it.version)} is ${text(it.status)}, up ${span(it.uptimeMs)}`,
    ...it.because.map((why) => `  ${printable(why)}`),
    `policy ${text(it.ordersVersion)}, ${counts}`,
    ...held(it),
    ...showWalls(it.servers),
    '',
    table(serverColumns, servers),
    ...breakers(it.breakers ?? []),
    ...switches(it.switches),
  ].join('\n');
}

function stateShown({
  state,
  switchedOff,
  asleep,
  credential,
}: Pick<ServerReport, 'state' | 'switchedOff' | 'asleep' | 'credential'>): string {
  // Why, and since when, stands above the table.
  const fails = credential?.state === 'fails' ? ', credential fails' : '';
  return `${asleep ? 'asleep' : state}${fails}${switchedOff ? ', switched off' : ''}`;
}

/** What else an operator should look at; nothing where there is nothing. */
function held({ quarantined = 0, grants = 0, packages }: StatusAnswer): string[] {
  return [
    ...showDrifts(packages),
    ...(quarantined > 0 ? [`tools in quarantine ${text(quarantined)}: mcpd ctl pins`] : []),
    ...(grants > 0 ? [`grants ${text(grants)}: mcpd ctl grants`] : []),
  ];
}

function breakers(rows: readonly Breaker[]): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map(({ server, tool, state, until }) => [`${server}/${tool}`, state, until]);
  return ['', table(['RESTS AFTER FAILURES', 'BREAKER', 'UNTIL'], cells)];
}

const serverColumns = [
  'SERVER',
  'STATE',
  'SHARING',
  'TOOLS',
  'CHILDREN',
  'SPARE',
  'IDLE',
  'RESTARTS',
  'IN FLIGHT',
  'WAITING',
  'PING',
];

function switches({ lockdown, servers, tools, callers }: SwitchesReport): string[] {
  const rows = [
    ...(lockdown === null ? [] : [['LOCKDOWN', 'everything', lockdown.by, lockdown.at, lockdown.reason]]),
    ...servers.map(({ name, by, at, reason }) => ['server', name, by, at, reason]),
    ...tools.map(({ name, by, at, reason }) => ['tool', name, by, at, reason]),
    ...callers.map(({ name, by, at, reason }) => ['caller', name, by, at, reason]),
  ];
  return rows.length === 0 ? [] : ['', table(['SWITCHED OFF', 'WHAT', 'BY', 'SINCE', 'REASON'], rows)];
}
