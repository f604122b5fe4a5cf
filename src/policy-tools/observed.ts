import { neverPlain, patternCharsMax } from '../policy/match.ts';
import { resemblesMethod } from '../protocol/methods.ts';
import { Peak } from './peak.ts';
import type { Recorded } from './recorded.ts';

/** What one caller did with one thing. */
export type Use = {
  count: number;
  /** Whether somebody had to say yes to it, at least once. */
  confirmed: boolean;
  readonly noted: Set<string>;
  readonly peak: Peak;
};

export type Kind = (typeof kinds)[number];
export const kinds = ['tool', 'prompt', 'resource', 'upcall', 'method'] as const;

/** What was seen of one server. Callers choose names, so everything is bounded and what did not fit is counted. */
export class Observed {
  /** Kind → name → caller → use. */
  readonly uses: ReadonlyMap<Kind, Map<string, Map<string, Use>>> = new Map(
    kinds.map((kind) => [kind, new Map<string, Map<string, Use>>()]),
  );
  readonly callers = new Map<string, Peak>();
  /** Calls that did not go out; they are no reason to allow anything. */
  refused = 0;
  sent = 0;
  leftOut = 0;
  firstMs = Number.POSITIVE_INFINITY;
  lastMs = 0;

  add(it: Recorded): void {
    if (!it.sent) {
      this.refused++;
      return;
    }
    this.sent++;
    this.firstMs = Math.min(this.firstMs, it.atMs);
    this.lastMs = Math.max(this.lastMs, it.atMs);
    const aims = aimsOf(it);
    if (aims.length > 0) this.#caller(it.caller)?.add(it.atMs);
    for (const [kind, name] of aims) this.#use(kind, name, it);
  }

  #use(kind: Kind, name: string, it: Recorded): void {
    if (it.cut || !canBeNamed(kind, name) || !canBeNamed('tool', it.caller)) return this.#leaveOut();
    const names = this.uses.get(kind) ?? new Map<string, Map<string, Use>>();
    const byCaller = names.get(name) ?? new Map<string, Use>();
    let use = byCaller.get(it.caller);
    if (use === undefined) {
      if (names.size >= namesMax || byCaller.size >= callersMax) return this.#leaveOut();
      use = { count: 0, confirmed: false, noted: new Set(), peak: new Peak() };
      byCaller.set(it.caller, use);
      names.set(name, byCaller);
    }
    use.count++;
    use.peak.add(it.atMs);
    if (it.was.kind === 'confirm') use.confirmed = true;
    for (const path of it.noted) if (use.noted.size < notedMax) use.noted.add(path);
  }

  #caller(name: string): Peak | undefined {
    const known = this.callers.get(name) ?? (this.callers.size < callersMax ? new Peak() : undefined);
    if (known !== undefined) this.callers.set(name, known);
    return known;
  }

  #leaveOut(): void {
    this.leftOut++;
  }
}

const namesMax = 2000;
const callersMax = 200;
const notedMax = 32;

/** Whether a rule can speak about exactly this. */
function canBeNamed(kind: Kind, name: string): boolean {
  // A name with a star in it would be a pattern in the file, and a control character is nothing to allow unseen.
  if (name === '' || name.length > patternCharsMax || /[*\p{Cc}]/u.test(name)) return false;
  if (kind === 'resource') return neverPlain(name) === undefined;
  return kind !== 'method' || !resemblesMethod(name);
}

function aimsOf({ target, was }: Recorded): readonly (readonly [Kind, string])[] {
  // What mcpd allows by itself needs no rule.
  if (was.rule === 'built-in: known notifications') return [];
  switch (target.kind) {
    case 'tool':
    case 'prompt':
      return [[target.kind, target.name]];
    case 'resource':
      return [['resource', target.uri]];
    case 'subscription':
      return target.uris.map((uri) => ['resource', uri] as const);
    case 'completion':
      return target.of.kind === 'prompt' ? [['prompt', target.of.name]] : [['resource', target.of.uri]];
    case 'upcall':
      return [['upcall', target.method]];
    case 'unknown':
      return [['method', target.method]];
    default:
      // A task is part of the call that began it.
      return [];
  }
}
