import type { Call } from '../domain/call.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import { elements, encode, member, valueOf } from '../protocol/codec.ts';
import { definitionDigest } from '../protocol/tool-definition.ts';
import { hiddenIn, type Hidden } from './hidden.ts';

/** Who was shown a listing: mcpd itself, or a session, or a caller whose requests have no session. */
export type Source = string;
export const own: Source = 'own';

/** One tool as one listing shows it. */
export type Sight = {
  /** Of the whole definition; of all of them, where several have one name. */
  readonly digest: string;
  /** Undefined where there was no room to keep it. */
  readonly definition: JsonText | undefined;
  readonly hidden: readonly Hidden[];
  /** Whether the listing holds several tools of this name: nobody can tell which of them a call would run. */
  readonly twice: boolean;
};

/** A listing, or a page of one. */
export type Listing = {
  readonly tools: ReadonlyMap<string, Sight>;
  /** Whether this is all: what is not in it is not offered. */
  readonly whole: boolean;
};

/** The bound of a call's target: what cannot be called need not be pinned. */
const nameCharsMax = 512;
/** Tools of one listing that are looked at. What stands behind them is in no listing, and so in quarantine. */
export const toolsMax = 10_000;

/** The definitions of a listing → what is to be known of each. `before`: what need not be found out again. */
export function listingOf(
  definitions: readonly JsonText[],
  whole: boolean,
  before: (tool: string) => Sight | undefined,
): Listing {
  const tools = new Map<string, Sight>();
  for (const definition of definitions) {
    const name = nameOf(definition);
    if (name === undefined) continue;
    const first = tools.get(name);
    if (first === undefined && tools.size >= toolsMax) continue;
    tools.set(name, first === undefined ? sightOf(definition, before(name)) : merged(first, definition));
  }
  return { tools, whole };
}

/** The tools in an answer to a caller; undefined where it lists none. */
export function definitionsIn(
  { target, message, params }: Call,
  answer: Answer,
): { readonly definitions: readonly JsonText[]; readonly whole: boolean } | undefined {
  if (target.kind !== 'listing' || target.of !== 'tools') return undefined;
  if (message.kind !== 'request' || answer.kind === 'error') return undefined;
  const listed = member(answer.text, ['tools']);
  if (listed?.startsWith('[') !== true) return undefined;
  const isFirst = params['cursor'] === undefined || params['cursor'] === null;
  const isLast = member(answer.text, ['nextCursor'])?.startsWith('"') !== true;
  // What stands behind these is in no listing, so it is in quarantine.
  const definitions = elements(listed, 2 * toolsMax);
  return { definitions, whole: isFirst && isLast };
}

/** Requests of the modern era have no session; what a caller was shown stays with the caller. */
export function sourceOf({ session, principal }: Call): Source {
  return session.era === 'legacy' ? `session ${session.id}` : `caller ${principal.name}`;
}

function sightOf(definition: JsonText, before: Sight | undefined): Sight {
  if (before !== undefined && before.definition === definition && !before.twice) return before;
  return { digest: definitionDigest(definition), definition, hidden: hiddenIn(definition), twice: false };
}

function merged(first: Sight, definition: JsonText): Sight {
  // Neither definition may hide behind the other.
  const digest = definitionDigest(encode([first.digest, definitionDigest(definition)]));
  return { ...first, digest, hidden: [...first.hidden, ...hiddenIn(definition)].slice(0, 32), twice: true };
}

function nameOf(definition: JsonText): string | undefined {
  const text = member(definition, ['name']);
  if (text?.startsWith('"') !== true) return undefined;
  const name = valueOf(text) as string; // It began with a quote.
  return name !== '' && name.length <= nameCharsMax ? name : undefined;
}
