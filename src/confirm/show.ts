import type { JsonText } from '../domain/message.ts';
import { printable, printableJson } from '../domain/printable.ts';
import { readJson } from '../domain/read-json.ts';
import { members } from '../protocol/codec.ts';
import type { Question } from './question.ts';

export type ShowOptions = {
  readonly nowMs: number;
  /** At most so many characters of one argument; what is cut is marked. Infinity shows everything. */
  readonly charsMax?: number;
  /** How much of the arguments was cut before they came here, in bytes. */
  readonly cutBytes?: number;
};

const charsMaxDefault = 2000;

/**
 * A question as text for a terminal. Whatever the caller put into its arguments, the terminal obeys none of it, nothing
 * looks like another line of ours, and nothing is left out without saying so.
 */
export function showQuestion(question: Question, options: ShowOptions): string {
  const { nowMs, charsMax = charsMaxDefault, cutBytes = 0 } = options;
  const lines: [string, string][] = [
    ['question', question.id],
    ['caller', question.caller],
    ['server', question.server],
    [aim(question).kind, aim(question).name],
    ['rule', question.rule],
    ...(question.effect === undefined ? [] : [['effect', question.effect] as [string, string]]),
    ['call', question.callId],
    ...approvalLines(question),
    ['expires', inWords(question.expiresAt - nowMs)],
  ];
  const facts = lines.map(([name, value]) => `${name.padEnd(10)} ${cut(printable(value), charsMax)}`);
  const args = argLines(question.argsText, charsMax).map((line) => `  ${line}`);
  const more = cutBytes === 0 ? '' : `, and ${cutBytes} bytes more that are not shown here`;
  const size = `${question.argsText.length} characters${more}, sha256 ${question.argsSha256}`;
  return [...facts, `${'arguments'.padEnd(10)} ${size}`, ...args].join('\n') + '\n';
}

/** The same as a block that a client which reads Markdown shows as it stands: no image of it is fetched, no link is made. */
export function showWhole(question: Question, nowMs: number): string {
  return showQuestion(question, { nowMs, charsMax: Number.POSITIVE_INFINITY }).replaceAll(/^(?=.)/gm, '    ');
}

function aim({ target, method }: Question): { readonly kind: string; readonly name: string } {
  switch (target.kind) {
    case 'tool':
    case 'prompt':
      return { kind: target.kind, name: target.name };
    case 'resource':
      return { kind: 'resource', name: target.uri };
    case 'completion':
      return { kind: 'completion', name: target.of.kind === 'prompt' ? target.of.name : target.of.uri };
    default:
      return { kind: target.kind, name: method };
  }
}

/** Where one yes is not enough, or may be good for more. */
function approvalLines(question: Question): [string, string][] {
  const { approvalsNeeded, approvedBy, leaseMsMax, leaseSame } = question;
  const lines: [string, string][] = [];
  if (approvalsNeeded > 1) {
    const sofar = approvedBy.length === 0 ? 'nobody yet' : approvedBy.join(', ');
    lines.push(['approvals', `${approvalsNeeded} different ones are needed; so far: ${sofar}`]);
  }
  if (leaseMsMax > 0) {
    const same =
      leaseSame.length === 0 ? 'whatever their arguments' : `with the same ${leaseSame.join(', ')}`;
    const most = `up to ${Math.floor(leaseMsMax / 1000)} s`;
    lines.push(['lease', `a yes may be given for ${most}, for calls of this one ${same}`]);
  }
  return lines;
}

/** One line for each member of `params`, and for each of its arguments. Digits and order are those that go out. */
function argLines(text: string, charsMax: number): readonly string[] {
  // The daemon sends canonical JSON. Anything else is still shown, but not taken apart.
  if (!isJson(text)) return [cut(printable(text), charsMax)];
  return membersOf(text).flatMap(([name, value]) => {
    const nested = name === 'arguments' ? membersOf(value) : [];
    if (nested.length === 0) return [argLine(JSON.stringify(name), value, charsMax)];
    return nested.map(([inner, it]) => argLine(`arguments.${JSON.stringify(inner)}`, it, charsMax));
  });
}

function isJson(text: string): boolean {
  try {
    readJson(text);
    return true;
  } catch {
    return false;
  }
}

function membersOf(text: string): readonly (readonly [string, JsonText])[] {
  return text.startsWith('{') ? members(text as JsonText) : [];
}

function argLine(name: string, value: string, charsMax: number): string {
  return `${cut(printableJson(name), charsMax)} = ${cut(printableJson(value), charsMax)}`;
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax
    ? text
    : `${text.slice(0, charsMax)} …[CUT: ${charsMax} of ${text.length} characters shown]`;
}

function inWords(leftMs: number): string {
  if (leftMs <= 0) return 'now';
  const seconds = Math.ceil(leftMs / 1000);
  return seconds < 120 ? `in ${seconds} s` : `in ${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
