import type { Call, Listing, Target } from '../domain/call.ts';
import type { Decision, Facts } from '../domain/decision.ts';
import type { Answer, Json, JsonText } from '../domain/message.ts';
import type { Orders, Risk } from '../domain/orders.ts';
import { array, elements, encode, member, members, object, valueOf, withMember } from '../protocol/codec.ts';
import { modernRevisions } from '../protocol/era.ts';
import { admitsOf } from '../protocol/tool-definition.ts';
import { decide } from './decide.ts';
import { withAdmission } from './risk.ts';
import { asksByTicket, withTicket } from './ticket-property.ts';

/**
 * Trims an answer to what its caller may know: of a listing it keeps the entries that `decide` does not deny, of an
 * `initialize` result the capabilities that we carry. Everything it keeps stays as it stands, to the digit, but for
 * the property that a ticket is brought in; an answer with nothing to trim comes back as the same object.
 */
export function narrow(orders: Orders, call: Call, answer: Answer, facts: Facts): Answer {
  if (answer.kind === 'error') return answer;
  const { target, message } = call;
  if (target.kind === 'listing')
    return asPrivate(orders, call, narrowListing(orders, call, target.of, answer, facts));
  if (message.kind !== 'request') return answer;
  if (message.method === 'initialize') return narrowCapabilities(answer);
  if (message.method === 'server/discover') return asPrivate(orders, call, narrowDiscovery(answer));
  return target.kind === 'resource' ? asPrivate(orders, call, answer) : answer;
}

function narrowListing(orders: Orders, call: Call, of: Listing, answer: Answer, facts: Facts): Answer {
  // Whose task it is, the ledger of tasks knows; it has left out the others already.
  if (of === 'tasks' || answer.kind === 'error') return answer;
  const listed = member(answer.text, [of]);
  if (listed === undefined) return answer;
  const value = valueOf(listed);
  // What should be a list and is none shows nothing, rather than something we did not look at.
  if (!Array.isArray(value)) return { kind: 'result', text: withMember(answer.text, [of], array([])) };
  const targets = value.map((entry) => entryTarget(of, entry));
  const twice = of === 'tools' ? namedTwice(targets) : none;
  const verdicts = targets.map((target, at) =>
    target === undefined || (target.kind === 'tool' && twice.has(target.name))
      ? undefined
      : verdictOn(orders, call, target, value[at], facts),
  );
  const asWritten = (it: Decision | undefined): boolean =>
    it !== undefined && it.kind !== 'deny' && !asksByTicket(it);
  if (verdicts.every(asWritten)) return answer;
  const kept = elements(listed).flatMap((text, at) => {
    const verdict = verdicts[at];
    if (verdict === undefined || verdict.kind === 'deny') return [];
    return of === 'tools' && asksByTicket(verdict) ? [withTicket(text)] : [text];
  });
  return { kind: 'result', text: withMember(answer.text, [of], array(kept)) };
}

/** The very question that a call would be asked; what the entry says against itself counts already. */
function verdictOn(
  orders: Orders,
  { server, principal }: Call,
  target: Target,
  entry: Json | undefined,
  facts: Facts,
): Decision {
  const judged = { server, principal, target, args: undefined };
  return decide(orders, judged, target.kind === 'tool' ? withAdmission(facts, entryAdmits(entry)) : facts);
}

function entryAdmits(entry: Json | undefined): Risk | undefined {
  const isObject = typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  return isObject && Object.hasOwn(entry, 'annotations') ? admitsOf(entry['annotations']) : undefined;
}

type Trimmed = Exclude<Listing, 'tasks'>;

/** What an entry of a listing would be called by; undefined for an entry that nobody could call. */
function entryTarget(of: Trimmed, entry: Json): Target | undefined {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return undefined;
  switch (of) {
    case 'tools':
      return isName(entry['name']) ? { kind: 'tool', name: entry['name'] } : undefined;
    case 'prompts':
      return isName(entry['name']) ? { kind: 'prompt', name: entry['name'] } : undefined;
    case 'resources':
      return isUri(entry['uri']) ? { kind: 'resource', uri: entry['uri'] } : undefined;
    case 'resourceTemplates':
      return isUri(entry['uriTemplate']) ? { kind: 'resource', uri: entry['uriTemplate'] } : undefined;
  }
}

// The bounds of a call's target: what cannot be called is not shown.
function isName(value: Json | undefined): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 512;
}

function isUri(value: Json | undefined): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 64 * 1024;
}

const none: ReadonlySet<string> = new Set();

/** Two tools of one name: the caller would read the description of one and the server would run the other. */
function namedTwice(targets: readonly (Target | undefined)[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const target of targets) {
    if (target?.kind !== 'tool') continue;
    if (seen.has(target.name)) twice.add(target.name);
    seen.add(target.name);
  }
  return twice;
}

/** What a server may offer through us; what we do not know, we cannot govern. */
const carried = new Set([
  'completions',
  'experimental',
  'extensions',
  'logging',
  'prompts',
  'resources',
  'tasks',
  'tools',
]);

/** What one caller may have and another may not must not be kept by whatever stands between (2026-07-28 caching). */
function asPrivate(orders: Orders, call: Call, answer: Answer): Answer {
  if (answer.kind === 'error' || !answer.text.includes('"cacheScope":"public"')) return answer;
  // Whoever shows a credential may find less than somebody with a better one of the same name.
  const isForAll = call.principal.via === undefined && !differsByCaller(orders, call.server);
  if (isForAll) return answer;
  return { ...answer, text: withMember(answer.text, ['cacheScope'], encode('private')) };
}

/** Whether two callers may find different things on a server. */
function differsByCaller(orders: Orders, name: string): boolean {
  const server = orders.servers.get(name);
  if (server === undefined || server.contract.stage === 'pilot' || orders.switches.callers.size > 0)
    return true;
  if (orders.grants.some((it) => it.server === name)) return true;
  return server.rules.some(({ callers, text }) => callers !== undefined || text.roles !== undefined);
}

/** The revisions that are served to modern clients are ours to say, whatever else the server could speak. */
function narrowDiscovery(answer: Answer): Answer {
  const trimmed = narrowCapabilities(answer);
  if (trimmed.kind === 'error') return trimmed;
  const versions = member(trimmed.text, ['supportedVersions']);
  const spoken = versions?.startsWith('[') === true ? valueOf(versions) : [];
  const kept = Array.isArray(spoken) ? modernRevisions.filter((it) => spoken.includes(it)) : [];
  if (versions === encode(kept)) return trimmed;
  return { ...trimmed, text: withMember(trimmed.text, ['supportedVersions'], encode(kept)) };
}

function narrowCapabilities(answer: Answer): Answer {
  if (answer.kind === 'error') return answer;
  const offered = member(answer.text, ['capabilities']);
  if (offered?.charCodeAt(0) !== '{'.charCodeAt(0)) return answer;
  const entries = members(offered);
  const kept = entries.filter(([name]) => carried.has(name));
  if (kept.length === entries.length) return answer;
  const text: JsonText = withMember(answer.text, ['capabilities'], object(kept));
  return { kind: 'result', text };
}
