import { type Figures, fasterPeer, type Standing } from './figures.ts';
import type { Aim, Scenario } from './scenarios.ts';
import { tableText } from './table.ts';

/** One scenario as it was measured. */
export type Chapter = { readonly scenario: Scenario; readonly standings: readonly Standing[] };

/** What a reader must know to judge the figures. Nothing of it names the machine. */
export type Circumstances = {
  readonly date: string;
  readonly command: string;
  readonly node: string;
  readonly platform: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly tookMs: number;
  /** What was left out, in sentences. */
  readonly remarks: readonly string[];
};

type Row = {
  readonly label: string;
  readonly of: (figures: Figures) => number | undefined;
  readonly digits: number;
  /** Absent: a ratio would say nothing. */
  readonly aim?: (aim: Aim) => { readonly atLeast: number } | { readonly atMost: number } | undefined;
};

const noAim = (): undefined => undefined;

const rows: readonly Row[] = [
  { label: 'calls/s', of: (it) => it.callsPerS, digits: 0, aim: (aim) => ({ atLeast: aim.callsPerS }) },
  { label: 'p50, ms', of: (it) => it.p50Ms, digits: 3, aim: noAim },
  { label: 'p99, ms', of: (it) => it.p99Ms, digits: 2, aim: noAim },
  { label: 'added p50, ms', of: (it) => it.addedP50Ms, digits: 3, aim: (aim) => ({ atMost: aim.addedP50 }) },
  { label: 'memory idle, MB', of: (it) => it.idleMb, digits: 0, aim: (aim) => ({ atMost: aim.memory }) },
  { label: 'memory peak, MB', of: (it) => it.peakMb, digits: 0, aim: (aim) => ({ atMost: aim.memory }) },
  { label: 'CPU per call, ms', of: (it) => it.cpuMsPerCall, digits: 3, aim: noAim },
  { label: 'opening a session, ms', of: (it) => it.perSessionMs, digits: 1, aim: noAim },
  { label: 'right replies', of: (it) => it.right, digits: 0 },
  { label: 'errors', of: (it) => it.errors, digits: 0 },
  { label: 'wrong session', of: (it) => it.strays, digits: 0 },
];

/** The whole report in Markdown that also reads well on a terminal. */
export function reportText(chapters: readonly Chapter[], facts: Circumstances): string {
  const about = new Map(
    chapters.flatMap((it) => it.standings.map(({ seen }) => [seen.target.name, seen.target.about])),
  );
  return [
    '# Benchmark results',
    `Written by \`${facts.command}\` on ${facts.date}; see docs/benchmark.md for how it measures and what to doubt. ` +
      'Compare figures of one run with each other, never with those of another run or machine.',
    [
      `- ${String(facts.cores)} cores, ${String(facts.memoryGb)} GB, ${facts.platform}, Node ${facts.node}; everything on loopback on this one machine`,
      `- ${String(facts.rounds)} rounds of ${String(facts.seconds)} s each, medians over rounds; took ${String(Math.round(facts.tookMs / 1000))} s`,
      ...[...about].map(([name, text]) => `- ${name}: ${text}`),
      ...facts.remarks.map((it) => `- ${it}`),
    ].join('\n'),
    ...(chapters.length < 2 ? [] : ['## Against the faster peer', summary(chapters)]),
    ...chapters.flatMap(chapterText),
  ]
    .join('\n\n')
    .concat('\n');
}

/** The few ratios that were aimed at, a line for each scenario. */
function summary(chapters: readonly Chapter[]): string {
  const aimed = rows.filter((it) => it.aim !== undefined && it.aim !== noAim);
  const lines = chapters.map(({ scenario, standings }) => {
    const [ours, peer] = rivals(scenario, standings);
    const ratios = aimed.map((row) => {
      const ratio = ratioOf(row, ours, peer);
      return ratio === undefined ? '–' : `${ratioText(ratio)} (${aimText(row, scenario)})`;
    });
    return [scenario.name, peer?.seen.target.name ?? '–', ...ratios];
  });
  return tableText(
    ['scenario', 'faster peer', ...aimed.map((it) => `${it.label.split(',')[0] ?? ''} (aim)`)],
    lines,
  );
}

function chapterText({ scenario, standings }: Chapter): string[] {
  const [ours, peer] = rivals(scenario, standings);
  const names = standings.map(({ seen }) =>
    seen.trouble === undefined && seen.sessions < scenario.sessions
      ? `${seen.target.name} (${String(seen.sessions)} sessions)`
      : seen.target.name,
  );
  const lines = rows.map((row) => [
    row.label,
    ...standings.map((it) => figureText(row, it)),
    ratioText(ratioOf(row, ours, peer)),
    aimText(row, scenario),
  ]);
  const notes = standings.flatMap(({ seen }) => [
    ...(seen.trouble === undefined ? [] : [`- ${seen.target.name}: ${seen.trouble}`]),
    ...[...new Set(seen.turns.flatMap((it) => it.told))]
      .slice(0, 3)
      .map((it) => `- ${seen.target.name}: ${it}`),
  ]);
  const size =
    scenario.bytes < 1_000 ? `${String(scenario.bytes)}-byte` : `${String(scenario.bytes / 1_000_000)} MB`;
  const plural = scenario.sessions === 1 ? '' : 's';
  return [
    `## ${scenario.name}: ${String(scenario.sessions)} session${plural}, ${size} replies`,
    tableText(['', ...names, `mcpd : ${peer?.seen.target.name ?? 'peer'}`, 'aim'], lines),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
  ];
}

function rivals(
  scenario: Scenario,
  standings: readonly Standing[],
): [Standing | undefined, Standing | undefined] {
  return [standings.find((it) => it.seen.target.kind === 'ours'), fasterPeer(standings, scenario.sessions)];
}

function ratioOf(
  { aim, of }: Row,
  ours: Standing | undefined,
  peer: Standing | undefined,
): number | undefined {
  if (aim === undefined || ours === undefined || peer === undefined) return undefined;
  const [above, below] = [of(ours.figures), of(peer.figures)];
  // A latency below that of direct stdio is noise; a ratio of it would look like a finding.
  return above === undefined || below === undefined || above <= 0 || below <= 0 ? undefined : above / below;
}

function aimText({ aim }: Row, scenario: Scenario): string {
  const wanted = aim?.(scenario.aim);
  if (wanted === undefined) return '';
  return 'atLeast' in wanted ? `≥ ${String(wanted.atLeast)}` : `≤ ${String(wanted.atMost)}`;
}

function figureText({ of, digits }: Row, { seen, figures }: Standing): string {
  const value = seen.turns.length === 0 ? undefined : of(figures);
  return value === undefined ? '–' : value.toFixed(digits);
}

function ratioText(ratio: number | undefined): string {
  return ratio === undefined ? '–' : ratio.toFixed(ratio < 10 ? 2 : 1);
}
