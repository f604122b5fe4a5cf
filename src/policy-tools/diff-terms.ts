import type { Condition } from '../domain/conditions.ts';
import type { Asking, LimitText, RedactText, RuleText, ServerFile, ToolText } from '../domain/orders.ts';

/** Which way something moved. `changed`: it cannot be told, or it is no matter of more or less. */
export type Direction = 'loosened' | 'tightened' | 'changed';
export type Turn = { readonly direction: Direction; readonly what: string };

/** What a verdict depends on besides who and what, for two rules with the same verdict. */
export function ruleTurns(was: RuleText, now: RuleText): readonly Turn[] {
  return [
    ...listTurns('argument', was.args.map(conditionText), now.args.map(conditionText), 'fewer-is-loose'),
    ...listTurns(
      'rate',
      was.rates.map(({ text }) => text),
      now.rates.map(({ text }) => text),
      'fewer-is-loose',
    ),
    ...untilTurn(was.untilMs, now.untilMs),
    ...(was.verdict === 'confirm' && now.verdict === 'confirm' ? askingTurns(was.asking, now.asking) : []),
    ...listTurns('recorded argument', was.record, now.record, 'neither'),
  ];
}

function untilTurn(was: number | undefined, now: number | undefined): readonly Turn[] {
  if (was === now) return [];
  const longer = (now ?? Number.POSITIVE_INFINITY) > (was ?? Number.POSITIVE_INFINITY);
  return [
    { direction: longer ? 'loosened' : 'tightened', what: `until ${timeText(was)} → ${timeText(now)}` },
  ];
}

function timeText(ms: number | undefined): string {
  return ms === undefined ? 'further notice' : new Date(ms).toISOString();
}

function askingTurns(was: Asking, now: Asking): readonly Turn[] {
  const names = ({ channels }: Asking) =>
    channels.map((it) => (it.kind === 'webhook' ? `webhook:${it.name}` : it.kind));
  return [
    ...numberTurn('approvals', was.approvals, now.approvals, 'less-is-loose'),
    ...numberTurn('a yes may last, in ms:', was.leaseMsMax, now.leaseMsMax, 'more-is-loose'),
    ...numberTurn('time for an answer, in ms:', was.answerWithinMs, now.answerWithinMs, 'more-is-loose'),
    ...listTurns('way to say yes', names(was), names(now), 'more-is-loose'),
    ...listTurns('argument that stays the same', was.leaseSame, now.leaseSame, 'fewer-is-loose'),
  ];
}

/** What changed about a tool whatever rule speaks of it. */
export function toolTurns(was: readonly ToolText[], now: readonly ToolText[]): readonly Turn[] {
  const grave = { read: 0, write: 1, destructive: 2 } as const;
  const names = new Set([...was, ...now].map(({ name }) => name));
  return [...names].flatMap((name) => {
    const [before, after] = [was, now].map((all) => all.find((tool) => tool.name === name));
    const at = `[tools.${JSON.stringify(name)}]`;
    // A class opens what had none, and closes what had a milder one: the decisions say which.
    if (before === undefined) return [{ direction: 'changed', what: `${at} is new: ${after?.risk ?? ''}` }];
    if (after === undefined) return [{ direction: 'changed', what: `${at} is gone` }];
    const turns: Turn[] = [];
    if (before.risk !== after.risk)
      turns.push({
        direction: grave[after.risk] < grave[before.risk] ? 'loosened' : 'tightened',
        what: `risk ${before.risk} → ${after.risk}`,
      });
    turns.push(
      ...listTurns(
        'argument',
        before.args.map(conditionText),
        after.args.map(conditionText),
        'fewer-is-loose',
      ),
    );
    for (const key of ['effect', 'retry', 'breaker', 'returns'] as const)
      if (!same(before[key], after[key])) turns.push(plainTurn(key, before[key], after[key]));
    return turns.map((turn) => ({ ...turn, what: `${at}: ${turn.what}` }));
  });
}

const stageOrder = ['read-only', 'pilot', 'everyone', 'observe'];
const pinsOrder = ['approved', 'first', 'off'];

/** What changed about a server as a whole. Which calls that touches, the decisions say. */
export function serverTurns(was: ServerFile, now: ServerFile): readonly Turn[] {
  const { contract: before } = was;
  const { contract: after } = now;
  const turns: Turn[] = [
    ...orderTurn('stage', stageOrder, before.stage, after.stage),
    ...orderTurn('mode', ['enforce', 'observe'], before.mode, after.mode),
    ...orderTurn('pins', pinsOrder, before.pins, after.pins),
    ...orderTurn(
      'check_arguments',
      ['true', 'false'],
      String(before.checkArguments),
      String(after.checkArguments),
    ),
    ...listTurns('pilot', before.pilots, after.pilots, 'more-is-loose'),
    ...toolTurns(was.tools, now.tools),
    ...listTurns('limit', was.limits.map(limitText), now.limits.map(limitText), 'fewer-is-loose'),
    ...listTurns('redaction', was.redact.map(redactText), now.redact.map(redactText), 'fewer-is-loose'),
  ];
  for (const key of ['owner', 'purpose', 'outOfScope'] as const)
    if (before[key] !== after[key]) turns.push(plainTurn(key, before[key], after[key]));
  if (was.recordPayloads !== now.recordPayloads)
    turns.push(plainTurn('record_payloads', was.recordPayloads, now.recordPayloads));
  for (const key of Object.keys(now.spec) as (keyof typeof now.spec)[])
    // Values of the environment may be what nobody wants on a screen, so only the key is named.
    if (!same(was.spec[key], now.spec[key]))
      turns.push({ direction: 'changed', what: `how it is run: ${key}` });
  return turns;
}

function orderTurn(key: string, order: readonly string[], was: string, now: string): readonly Turn[] {
  if (was === now) return [];
  const looser = order.indexOf(now) > order.indexOf(was);
  return [{ direction: looser ? 'loosened' : 'tightened', what: `${key} ${was} → ${now}` }];
}

function numberTurn(
  what: string,
  was: number,
  now: number,
  sense: 'less-is-loose' | 'more-is-loose',
): readonly Turn[] {
  if (was === now) return [];
  const looser = now > was === (sense === 'more-is-loose');
  return [{ direction: looser ? 'loosened' : 'tightened', what: `${what} ${was} → ${now}` }];
}

/** Two lists whose order means nothing. Where one thing goes and another comes, nobody can say which is more. */
export function listTurns(
  noun: string,
  was: readonly string[],
  now: readonly string[],
  sense: 'fewer-is-loose' | 'more-is-loose' | 'neither',
): readonly Turn[] {
  const [before, after] = [new Set(was), new Set(now)];
  const gone = [...before].filter((it) => !after.has(it));
  const come = [...after].filter((it) => !before.has(it));
  const clear = sense !== 'neither' && (gone.length === 0 || come.length === 0);
  const ofGone: Direction = !clear ? 'changed' : sense === 'fewer-is-loose' ? 'loosened' : 'tightened';
  const ofCome: Direction = !clear ? 'changed' : sense === 'fewer-is-loose' ? 'tightened' : 'loosened';
  return [
    ...gone.map((it): Turn => ({ direction: ofGone, what: `${noun} no longer: ${it}` })),
    ...come.map((it): Turn => ({ direction: ofCome, what: `${noun} new: ${it}` })),
  ];
}

/** A limit in a line. */
export function limitText({ name, per, tools, rates, budget, concurrency, waiting }: LimitText): string {
  return [
    `"${name}"`,
    ...rates.map(({ text }) => text),
    ...(budget === undefined ? [] : [budget.text]),
    ...(concurrency === undefined ? [] : [`${concurrency} at once, ${waiting} waiting`]),
    per.length === 0 ? 'for all together' : `per ${per.join(' and ')}`,
    ...(tools === undefined ? [] : [`for ${tools.join(', ')}`]),
  ].join(', ');
}

function redactText({ name, what, patterns, fields, tools, direction, action }: RedactText): string {
  return [
    `"${name}"`,
    `${action} ${direction}`,
    [...what, ...fields, ...patterns.map((it) => `/${it}/`)].join(' '),
    ...(tools === undefined ? [] : [`for ${tools.join(', ')}`]),
  ].join(', ');
}

/** A condition in a line. */
export function conditionText({ at, optional, absent, checks }: Condition): string {
  const words = [
    ...(absent ? ['absent'] : []),
    ...(optional ? ['optional'] : []),
    ...checks.map(({ kind, ...rest }) => `${kind} ${plain(rest)}`),
  ];
  return `${at}: ${words.join(', ')}`;
}

function plainTurn(key: string, was: unknown, now: unknown): Turn {
  return { direction: 'changed', what: `${key} ${plain(was)} → ${plain(now)}` };
}

function plain(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}

function same(one: unknown, other: unknown): boolean {
  return plain(one) === plain(other);
}
