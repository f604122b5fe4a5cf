import type { Call } from '../domain/call.ts';
import type { Denial, Finding } from '../domain/decision.ts';
import type { Answer, Json, JsonText } from '../domain/message.ts';
import type { Returns, ServerOrders } from '../domain/orders.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import type { CleanAnswer } from '../domain/outcome.ts';
import type { Work } from './drive.ts';
import { inspectFields, inspectTree } from './inspect-tree.ts';
import { Inspection } from './inspection.ts';
import { curb } from './returns.ts';
import type { RedactRule } from './rules.ts';
import { settle, type Settled } from './structured.ts';
import { memberOf, setMember, textOf, treeOf, type Tree } from './tree.ts';

/** Whether structured content fits the output schema of a tool; undefined: it has none, or nobody knows it. */
export type FitsSchema = (server: string, tool: string, structured: Json) => boolean | undefined;

export type Cleaned = { readonly text: JsonText; readonly found: ReadonlyMap<string, number> };

export type Outward =
  | { readonly kind: 'clean'; readonly answer: CleanAnswer; readonly found: readonly Finding[] }
  | { readonly kind: 'blocked'; readonly why: Denial; readonly found: readonly Finding[] };

type Task = {
  readonly call: Call;
  readonly answer: Answer;
  readonly tool: string | undefined;
  readonly rules: readonly RedactRule[];
  readonly returns: Returns | undefined;
  readonly fits: FitsSchema;
  /** Takes out secrets; nothing goes on without. */
  readonly clean: (text: JsonText) => Work<Cleaned>;
};

/** An answer as its caller may have it: without secrets, then as the owner's rules say, then as much of it as may be given. */
export function* outwardWork({ call, answer, tool, rules, returns, fits, clean }: Task): Work<Outward> {
  const inspection = new Inspection(rules, undefined);
  const { text, found } = yield* clean(answer.text);
  inspection.secretsFound(found);
  const schema = (structured: Json): boolean | undefined =>
    tool === undefined ? undefined : fits(call.server, tool, structured);
  const curbed = isCurbed(text, returns);
  const mayMisfit = text !== answer.text && text.includes('"structuredContent"') && schema({}) !== undefined;
  if (rules.length === 0 && !curbed && !mayMisfit) return done(answer.kind, text, inspection);
  if (inspection.blockedBy !== undefined) return refused(inspection.blockedBy, inspection);

  const root = yield* treeOf(text);
  if (rules.length > 0) {
    for (const holder of holders(root)) inspectFields(memberOf(holder, 'structuredContent'), inspection);
    yield* inspectTree(root, inspection, root);
    if (inspection.blockedBy !== undefined) return refused(inspection.blockedBy, inspection);
  }
  if (curbed && returns !== undefined) {
    const why = curb(root, answer.kind === 'error', returns, schema({}) !== undefined);
    if (why !== undefined) return blocked(why, inspection);
  }
  if (schema({}) !== undefined) {
    const before = yield* treeOf(answer.text);
    if (!(yield* fitAll(before, root, schema)))
      return blocked(
        'what was taken out of the result leaves nothing that its output schema allows',
        inspection,
      );
  }
  return done(answer.kind, textOf(root), inspection);
}

/** The result itself, and the one that a task came to, one level below. */
function holders(root: Tree): readonly Tree[] {
  const inner = memberOf(root, 'result');
  return typeof inner === 'object' ? [root, inner] : [root];
}

function* fitAll(before: Tree, root: Tree, fits: (structured: Json) => boolean | undefined): Work<boolean> {
  const was = holders(before);
  for (const [index, holder] of holders(root).entries()) {
    const then = memberOf(was[index], 'structuredContent');
    const now = memberOf(holder, 'structuredContent');
    if (typeof then !== 'object' || typeof now !== 'object' || textOf(then) === textOf(now)) continue;
    const settled = yield* settle(then, now, fits);
    if (settled.kind === 'misfit') return false;
    setMember(holder, 'structuredContent', settled.content);
    note(holder, settled);
  }
  return true;
}

/** Says what a caller could not see: that a 0 is none, that a member is missing. */
function note(holder: Tree, { neutral, removed }: Exclude<Settled, { kind: 'misfit' }>): void {
  if (neutral + removed === 0) return;
  const meta = memberOf(holder, '_meta');
  const tree: Tree = typeof meta === 'object' ? meta : { open: '{', keys: [], values: [] };
  setMember(tree, 'mcpd/redacted', JSON.stringify({ neutral, removed }));
  setMember(holder, '_meta', tree);
}

/** Whether a caller is given less than all of it. */
export function isCurbed(text: string, returns: Returns | undefined): boolean {
  return returns !== undefined && (returns.mode !== 'full' || isLarger(text, returns.bytesMax));
}

function isLarger(text: string, bytesMax: number): boolean {
  return text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax);
}

function done(kind: 'result' | 'error', text: JsonText, { findings }: Inspection): Outward {
  // Safe: this is where text is cleaned.
  return { kind: 'clean', answer: { kind, text: text as RedactedJson }, found: findings };
}

function refused(rule: string, inspection: Inspection): Outward {
  return blocked(`the result holds what the rule "${rule}" lets nobody have`, inspection);
}

function blocked(reason: string, { findings }: Inspection): Outward {
  return { kind: 'blocked', why: denial(reason), found: findings };
}

/** Says which rule, never what it found. Not hidden: the caller knows that there was something. */
export function denial(reason: string): Denial {
  return { kind: 'deny', rule: 'built-in: redaction', reason: `${reason}.`, hidden: false };
}

/** The tool that a call is about, where it is about one. */
export function toolOf(call: Call): string | undefined {
  if (call.target.kind === 'tool') return call.target.name;
  return call.target.kind === 'task' ? call.target.tool : undefined;
}

const modes = ['metadata', 'snippet', 'full'] as const;

/** What may be given out of a tool's results: the least of what fits it. Undefined: nothing is said about it. */
export function returnsOf(server: ServerOrders | undefined, tool: string | undefined): Returns | undefined {
  if (server === undefined || tool === undefined) return undefined;
  let least: Returns | undefined;
  for (const { pattern, text } of server.tools) {
    if (!pattern.test(tool)) continue;
    const { mode, bytesMax } = text.returns;
    least =
      least === undefined
        ? text.returns
        : {
            mode: modes[Math.min(modes.indexOf(mode), modes.indexOf(least.mode))] ?? 'metadata',
            bytesMax: Math.min(bytesMax, least.bytesMax),
          };
  }
  return least;
}
