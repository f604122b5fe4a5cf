import { isNote, isPatternText, isRoleName, noteCharsMax, patternsMax } from '../callers/key-record.ts';
import type { KeyScope } from '../callers/key-record.ts';
import type { KeyTerms } from '../callers/keys.ts';
import { readDurationMs } from '../config/units.ts';
import { risks } from '../domain/orders.ts';
import { namePattern } from '../policy/match.ts';

/** The options of `mcpd key add` as they were typed. */
export type TermOptions = {
  readonly server?: readonly string[];
  readonly tool?: readonly string[];
  readonly risk?: string;
  readonly role?: readonly string[];
  readonly expires?: string;
  readonly note?: string;
};

const longestMs = 10 * 366 * 86_400_000;

/** What a key is wanted for. Throws an error with a hint for whatever does not mean anything: a typing mistake must not widen a key. */
export function keyTerms({ server, tool, risk, role, expires, note }: TermOptions, nowMs: number): KeyTerms {
  const grave = risk === undefined ? undefined : risks.find((it) => it === risk);
  if (risk !== undefined && grave === undefined)
    throw wrong(`--risk ${risk} is no class of tools`, 'read, write or destructive');
  for (const it of role ?? [])
    if (!isRoleName(it)) throw wrong(`--role ${it} is no role`, '1 to 64 of a-z, A-Z, 0-9, ., _ and -');
  if (note !== undefined && !isNote(note))
    throw wrong('--note is no note', `at most ${noteCharsMax} characters on one line`);
  for (const it of tool ?? [])
    if (!/^[^/]+\/./.test(it))
      throw wrong(`--tool ${it} names no server`, "a server, a slash and a tool, such as 'github/list_*'");
  for (const it of [server, tool, role])
    if ((it?.length ?? 0) > patternsMax) throw wrong('too many of one option', `at most ${patternsMax}`);
  return {
    ...(server === undefined ? {} : { servers: server.map((it) => pattern('--server', it)) }),
    ...(tool === undefined ? {} : { tools: tool.map((it) => pattern('--tool', it)) }),
    ...(grave === undefined ? {} : { risk: grave }),
    ...(role === undefined ? {} : { roles: role }),
    ...(note === undefined ? {} : { note }),
    expiresAtMs: expires === undefined ? undefined : momentOf(expires, nowMs),
  };
}

/** `30d`, `2027-01-31` or a time with its offset → milliseconds since 1970, later than now. */
export function momentOf(text: string, nowMs: number): number {
  const spanMs = readDurationMs(text);
  const isMoment = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(\.\d{1,3})?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const atMs = spanMs === undefined ? (isMoment ? Date.parse(text) : Number.NaN) : nowMs + spanMs;
  if (!Number.isFinite(atMs))
    throw wrong(
      `--expires ${text} is no time`,
      'a time from now such as 30d or 12h, or a date such as 2027-01-31',
    );
  if (atMs <= nowMs) throw wrong(`--expires ${text} is over`, 'a time to come');
  if (atMs > nowMs + longestMs) throw wrong(`--expires ${text} is too far away`, 'at most ten years');
  return atMs;
}

/** `24h` → milliseconds. */
export function overlapOf(text: string): number {
  const ms = readDurationMs(text);
  if (ms !== undefined && ms <= longestMs) return ms;
  throw wrong(`--overlap ${text} is no time`, 'a time such as 24h or 7d; 0s for none');
}

/** What a key opens, in a few words; empty where it is not bounded. */
export function scopeText({ servers, tools, risk, roles }: KeyScope): string {
  return [
    ...(servers === undefined ? [] : [`servers ${servers.join(' ')}`]),
    ...(tools === undefined ? [] : [`tools ${tools.join(' ')}`]),
    ...(risk === undefined ? [] : [`up to ${risk}`]),
    ...(roles === undefined ? [] : [`roles ${roles.join(' ')}`]),
  ].join('; ');
}

function pattern(option: string, text: string): string {
  const compiled = namePattern(text);
  if (compiled.ok && isPatternText(text)) return text;
  throw wrong(
    `${option} ${text} ${compiled.ok ? 'is no pattern' : compiled.what}`,
    'an exact name or a pattern with *',
  );
}

function wrong(says: string, hint: string): Error {
  return Object.assign(new Error(says), { code: 'USAGE', hint });
}
