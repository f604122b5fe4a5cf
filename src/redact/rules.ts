import { Fault } from '../domain/faults.ts';
import type { Pattern, RedactText, ServerOrders } from '../domain/orders.ts';
import { linearRegex, type LinearRegex } from '../protocol/linear-regex.ts';
import { labelOf, markFor } from './marks.ts';
import { detectorsOf, groups } from './names.ts';
import type { Mark } from './splice.ts';

/** One [[redact]], ready to be used. */
export type RedactRule = {
  readonly text: RedactText;
  readonly label: string;
  readonly tools: readonly Pattern[] | undefined;
  readonly secrets: ReadonlySet<string>;
  readonly personal: ReadonlySet<string>;
  readonly regexes: readonly LinearRegex[];
  readonly fields: readonly (readonly string[])[];
  /** Undefined for what is only reported, and for what blocks. */
  readonly mark: (label: string) => Mark | undefined;
};

export type Compiler = {
  /** Name patterns are the policy's; one matcher for all of them. */
  readonly pattern: (text: string) => Pattern;
  readonly key: Buffer;
};

const secretNames = new Set(groups.get('secrets'));
const personalNames = new Set(groups.get('pii'));

/** Throws `BUG` where the config let something through that it must not: then nothing is given out. */
export function compileRule(text: RedactText, { pattern, key }: Compiler): RedactRule {
  const wanted = detectorsOf(text.what);
  const regexes = text.patterns.map((written) => {
    const read = linearRegex(written);
    if (!read.ok) throw new Fault('BUG', { detail: `[[redact]] ${text.name}: a pattern ${read.what}` });
    return read.regex;
  });
  for (const name of wanted)
    if (!secretNames.has(name) && !personalNames.has(name))
      throw new Fault('BUG', { detail: `[[redact]] ${text.name}: there is no detector ${name}` });
  return {
    text,
    label: labelOf(text.name),
    tools: text.tools?.map(pattern),
    secrets: new Set([...wanted].filter((name) => secretNames.has(name))),
    personal: new Set([...wanted].filter((name) => personalNames.has(name))),
    regexes,
    fields: text.fields.map((path) => path.split('.')),
    mark: (label) => markFor(text.action, label, key),
  };
}

/** The rules of servers, compiled once for each set of orders. */
export class RuleBook {
  readonly #compiler: Compiler;
  readonly #compiled = new WeakMap<ServerOrders, readonly RedactRule[]>();

  constructor(compiler: Compiler) {
    this.#compiler = compiler;
  }

  /** `tool`: the tool that a message is about; `undefined`: none; `any`: nobody knows, so that every rule counts. */
  rulesFor(
    server: ServerOrders | undefined,
    direction: 'in' | 'out',
    tool: { readonly name: string } | 'any' | undefined,
  ): readonly RedactRule[] {
    if (server === undefined || server.redact.length === 0) return [];
    let compiled = this.#compiled.get(server);
    if (compiled === undefined) {
      compiled = server.redact.map((text) => compileRule(text, this.#compiler));
      this.#compiled.set(server, compiled);
    }
    return compiled.filter((rule) => {
      if (rule.text.direction !== direction && rule.text.direction !== 'both') return false;
      if (rule.tools === undefined || tool === 'any') return true;
      return tool !== undefined && rule.tools.some((it) => it.test(tool.name));
    });
  }
}
