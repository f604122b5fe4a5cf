import { printable, printableJson } from '../domain/printable.ts';
import type { PinReport, ToolReport } from '../pins/report.ts';
import { table } from './table.ts';
import { plural, text } from './words.ts';

export type PinsAnswer = {
  readonly durable: boolean;
  readonly because: string | null;
  /** What was asked about: nothing, SERVER or SERVER/TOOL. */
  readonly what: string | null;
  readonly servers: readonly PinReport[];
};

/** `mcpd ctl pins` for a person: how many tools stand how, and of each that is held back what changed. */
export function showPins({ durable, because, what, servers }: PinsAnswer): string {
  const lost = durable ? [] : [`NOT DURABLE: what was pinned last is not on disk: ${text(because)}`, ''];
  if (servers.length === 0) return [...lost, 'No server has listed its tools yet.'].join('\n');
  return [...lost, servers.map((it) => serverText(it, what !== null)).join('\n\n')].join('\n');
}

function serverText(report: PinReport, whole: boolean): string {
  const { server, mode, counts, tools, more, digest } = report;
  const counted = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
  const head = `server ${text(server)}, pins = "${text(mode)}": ${printable(counted.join(', ')) || 'no tools'}`;
  const shown = tools.filter(({ because }) => whole || because !== null);
  const rows = shown.map((it) => [it.tool, it.state, it.because ?? '', pinnedText(it)]);
  const held = tools.filter(({ because }) => because !== null);
  return [
    head,
    ...(rows.length === 0 ? [] : ['', table(['TOOL', 'STATE', 'IN QUARANTINE BECAUSE', 'PINNED'], rows)]),
    ...(more > 0 ? [`and ${plural(more, 'tool')} more`] : []),
    ...held.filter(isTold).map((it) => `\n${toolText(server, it)}`),
    ...(held.length > 1 && digest !== null
      ? [`\nto approve all that it shows: ${pinCommand(server, digest)}`]
      : []),
  ].join('\n');
}

function isTold({ changes, hidden }: ToolReport): boolean {
  return changes !== null || hidden.length > 0;
}

function pinnedText({ pinned }: ToolReport): string {
  return pinned === null ? '-' : `${pinned.at} by ${pinned.by ?? 'the first listing'}`;
}

/** One tool that is held back: everything that a person should have read before approving it. */
function toolText(server: string, it: ToolReport): string {
  const name = `${server}/${it.tool}`;
  return [
    `${text(name)}: ${text(it.because ?? '')}`,
    ...it.hidden.map(
      ({ at, codes, count }) =>
        `  hidden characters in ${text(at)}: ${text(codes.join(' '))} (${text(count)})`,
    ),
    ...(it.changes ?? []).flatMap(({ at, was, is }) => [
      `  ${text(at)}`,
      ...(was === null ? [] : [`    was  ${printableJson(was)}`]),
      `    ${is === null ? 'gone' : `is   ${printableJson(is)}`}`,
    ]),
    ...(it.moreChanges > 0 ? [`  and ${plural(it.moreChanges, 'change')} more`] : []),
    ...it.shown.map((one) => `  ${shownText(it, name, one)}`),
  ].join('\n');
}

function shownText(
  { pinned, shown }: ToolReport,
  name: string,
  { digest, to }: ToolReport['shown'][number],
): string {
  const whom =
    to === 'all' || shown.length < 2 ? '' : `as ${to === 'mcpd' ? 'mcpd sees' : 'callers see'} it: `;
  if (digest === pinned?.digest) return `${whom}as it was pinned`;
  return `${whom}to approve it: ${pinCommand(name, digest)}`;
}

/**
 * What to type. The name comes from the server and the line is made to be copied into a shell: with `;` or a quote in it,
 * it would run what the server wrote.
 */
function pinCommand(what: string, digest: string): string {
  if (printable(what) !== what) return '(its name cannot be typed safely)';
  const word = /^[\w./:@-]+$/.test(what) ? what : `'${what.replaceAll("'", "'\\''")}'`;
  return `mcpd ctl pin ${word} --digest ${text(digest)}`;
}

export type PinnedAnswer = {
  readonly server: string;
  readonly tool: string | null;
  readonly changed: boolean;
  readonly pinned: readonly { readonly tool: string; readonly digest: string }[];
  readonly left: readonly { readonly tool: string; readonly because: string }[];
};

const pinnedMax = 100;

/** `mcpd ctl pin` for a person. */
export function showPinned({ server, tool, changed, pinned, left }: PinnedAnswer): string {
  const rows = pinned.slice(0, pinnedMax).map((it) => `  ${text(it.tool)}  ${text(it.digest)}`);
  const rest = pinned.length > pinnedMax ? [`  and ${plural(pinned.length - pinnedMax, 'tool')} more`] : [];
  const what = tool === null ? text(server) : text(`${server}/${tool}`);
  const head = changed
    ? `${what}: ${plural(pinned.length, 'tool')} pinned.`
    : `${what} is pinned already; nothing changed.`;
  return [
    head,
    ...(changed ? [...rows, ...rest] : []),
    ...left.slice(0, pinnedMax).map((it) => `  left as it is: ${text(it.tool)}: ${text(it.because)}`),
  ].join('\n');
}
