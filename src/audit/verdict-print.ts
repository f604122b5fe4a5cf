import { printable } from '../domain/printable.ts';
import type { Finding, Verdict, Warning } from './verdict.ts';

/** How many of each are printed; all of them are in `--json`. */
const shownMax = 50;

/** What an auditor wants to read: what was looked at, how far it is vouched for, and what is wrong. */
export function printVerdict(verdict: Verdict): string {
  const { findings, warnings, more } = verdict;
  return [
    ...summary(verdict),
    ...section('Found', findings, (it) => `${place(it)}${it.kind}: ${it.says}`),
    ...section('Worth knowing', warnings, (it) => `${it.kind}: ${it.says}`),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join('\n');
}

function summary(verdict: Verdict): string[] {
  const { first, last, files, checkpoints, signed, vouchedFrom } = verdict;
  if (first === undefined || last === undefined)
    return [`No record in ${plural(files, 'file')}.`, `Checkpoints: ${checkpoints}.`];
  const span = `from record ${first.seq} (${shown(first.time)}) to record ${last.seq} (${shown(last.time)})`;
  const vouched =
    vouchedFrom === undefined
      ? ['The chain vouches for none of them: an mcpd without a chain wrote them.']
      : vouchedFrom > first.seq
        ? [`The chain vouches from record ${vouchedFrom} on.`]
        : [];
  const seal =
    signed === undefined
      ? 'No checkpoint signs any of it.'
      : `${plural(checkpoints, 'checkpoint')}; signed up to record ${signed.seq}, at ${shown(signed.time)}.`;
  return [
    `${plural(verdict.records, 'record')} in ${plural(files, 'file')}, ${span}.`,
    ...vouched,
    seal,
    headText(verdict),
  ];
}

function headText({ head, last, findings }: Verdict): string {
  switch (head) {
    case 'fits':
      return findings.length === 0
        ? `The journal ends where its head says, with record ${last?.seq ?? 0}. Nothing is missing and nothing was changed.`
        : `The journal ends where its head says, with record ${last?.seq ?? 0}.`;
    case 'does not fit':
      return 'The journal does not end where its head says, or there is no head.';
    case 'not looked at':
      return 'The head was not looked at: it takes the secret key of the state directory.';
  }
}

function section<T extends Finding | Warning>(
  title: string,
  all: readonly T[],
  text: (it: T) => string,
): string[] {
  if (all.length === 0) return [];
  const shownOnes = all.slice(0, shownMax).map((it) => `  ${printable(text(it))}`);
  const rest = all.length - shownOnes.length;
  return ['', `${title}:`, ...shownOnes, ...(rest > 0 ? [`  and ${rest} more, in --json`] : [])];
}

function place({ file, line }: Finding): string {
  if (file === undefined) return '';
  return line === undefined ? `${file}: ` : `${file}:${line}: `;
}

function shown(time: string | undefined): string {
  return time === undefined ? 'no time' : printable(time);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
