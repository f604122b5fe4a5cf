/**
 * Two offline judges of what a child was told, byte by byte.
 *
 * `oracle` reads the bytes as different programs would (last member wins: V8, Python; first wins; case ignored: Go's
 * encoding/json; lines cut wherever Python's text mode or `str.splitlines` cuts) and reports every call that policy denied
 * and that any of these readers sees.
 *
 * `canonicalOutput` checks that there is only one way to read the bytes at all.
 */

/** JSON with nothing lost: all members in order, also repeated ones, and numbers as they are written. */
export type Node =
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Node])[] }
  | { readonly kind: 'array'; readonly items: readonly Node[] }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number' | 'word'; readonly text: string };

/** Reads JSON as the grammar has it (RFC 8259); depth is not bounded. Undefined for anything else. */
export function readTree(text: string): Node | undefined {
  let at = 0;
  const white = () => {
    while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at++;
  };
  const token = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) throw new SyntaxError(`character ${at}`);
    at += found.length;
    return found;
  };
  const value = (): Node => {
    white();
    const start = text.charAt(at);
    let node: Node;
    if (start === '{') node = { kind: 'object', members: list('}', member) };
    else if (start === '[') node = { kind: 'array', items: list(']', value) };
    else if (start === '"') node = { kind: 'string', value: string() };
    else if (start === '-' || (start >= '0' && start <= '9')) {
      node = { kind: 'number', text: token(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y) };
    } else node = { kind: 'word', text: token(/true|false|null/y) };
    white();
    return node;
  };
  const string = () => JSON.parse(token(/"(?:[^"\\\u0000-\u001f]|\\.)*"/y)) as string;
  const member = (): readonly [string, Node] => {
    white();
    const key = string();
    white();
    token(/:/y);
    return [key, value()];
  };
  const list = <T>(close: string, one: () => T): T[] => {
    at++;
    white();
    const found: T[] = [];
    if (text.charAt(at) === close) {
      at++;
      return found;
    }
    for (;;) {
      found.push(one());
      white();
      if (text.charAt(at++) === close) return found;
      if (text.charAt(at - 1) !== ',') throw new SyntaxError(`character ${at}`);
    }
  };
  try {
    const tree = value();
    return at === text.length ? tree : undefined;
  } catch (reason) {
    if (reason instanceof SyntaxError) return undefined;
    throw reason;
  }
}

/** The one way to write a tree down; equal trees have equal texts, to the digit and in the order of members. */
export function writeTree(node: Node): string {
  switch (node.kind) {
    case 'object':
      return `{${node.members.map(([key, it]) => `${JSON.stringify(key)}:${writeTree(it)}`).join(',')}}`;
    case 'array':
      return `[${node.items.map(writeTree).join(',')}]`;
    case 'string':
      return JSON.stringify(node.value);
    default:
      return node.text;
  }
}

/** The only member of that name; undefined when there is none. */
export function at(node: Node | undefined, ...path: readonly string[]): Node | undefined {
  let found = node;
  for (const key of path) found = found?.kind === 'object' ? last(found.members, key) : undefined;
  return found;
}

type Members = readonly (readonly [string, Node])[];
/** How a reader picks the member it wants out of those that are there. */
type Pick = (members: Members, key: string) => Node | undefined;

const last: Pick = (members, key) => members.findLast(([it]) => it === key)?.[1];
const first: Pick = (members, key) => members.find(([it]) => it === key)?.[1];
const anyCaseLast: Pick = (members, key) => members.findLast(([it]) => fold(it) === fold(key))?.[1];
const anyCaseFirst: Pick = (members, key) => members.find(([it]) => fold(it) === fold(key))?.[1];

const picks: readonly (readonly [string, Pick])[] = [
  ['last member wins', last],
  ['first member wins', first],
  ['case ignored, last wins', anyCaseLast],
  ['case ignored, first wins', anyCaseFirst],
];
const cuts: readonly (readonly [string, RegExp])[] = [
  ['LF', /\n/],
  ['universal newlines', /\r\n|\r|\n/],
  ['every line separator', /\r\n|[\n\r\v\f\x1c-\x1e\u0085\u2028\u2029]/],
];

/** Unicode simple case folding as Go's `strings.EqualFold` has it; `ſ` is an s and the Kelvin sign a k. */
export function fold(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** What one reader takes a line for. */
export type SeenCall = {
  readonly method: string;
  /** The tool, prompt or URI; the empty string where there is none. */
  readonly target: string;
  /** Its arguments, as this reader finds them. */
  readonly args: Node | undefined;
  /** One of the arguments, as this reader finds it. */
  readonly argument: (name: string) => Node | undefined;
  /** Which reader sees it. */
  readonly reader: string;
};

/** All calls that some reader sees in the bytes and that `permitted` refuses. */
export function oracle(bytes: Buffer, permitted: (call: SeenCall) => boolean): SeenCall[] {
  return readings(bytes).filter((call) => !permitted(call));
}

function readings(bytes: Buffer): SeenCall[] {
  const seen: SeenCall[] = [];
  // A lossy decoder on purpose: it is what careless readers use.
  const text = bytes.toString('utf8');
  for (const [cut, pattern] of cuts) {
    for (const line of text.split(pattern)) {
      const tree = readTree(line.replace(/^\ufeff/, ''));
      const messages = tree?.kind === 'array' ? tree.items : tree === undefined ? [] : [tree];
      for (const message of messages)
        for (const [how, pick] of picks) {
          const call = callIn(message, pick, `${cut}; ${how}`);
          if (call !== undefined) seen.push(call);
        }
    }
  }
  return seen;
}

function callIn(message: Node, pick: Pick, reader: string): SeenCall | undefined {
  if (message.kind !== 'object') return undefined;
  const method = pick(message.members, 'method');
  if (method?.kind !== 'string') return undefined;
  const params = pick(message.members, 'params');
  const members = params?.kind === 'object' ? params.members : [];
  const ref = pick(members, 'ref');
  const targets = [
    pick(members, 'name'),
    pick(members, 'uri'),
    ref?.kind === 'object' ? pick(ref.members, 'name') : undefined,
    ref?.kind === 'object' ? pick(ref.members, 'uri') : undefined,
  ];
  const named = targets.find((it) => it?.kind === 'string');
  const args = pick(members, 'arguments');
  const argument = (name: string) => (args?.kind === 'object' ? pick(args.members, name) : undefined);
  return {
    method: method.value,
    target: named?.kind === 'string' ? named.value : '',
    args,
    argument,
    reader,
  };
}

const reserved = [
  'jsonrpc',
  'id',
  'method',
  'params',
  'name',
  'uri',
  'arguments',
  '_meta',
  'task',
  'inputResponses',
  'requestState',
  'result',
  'error',
];
const reservedFolded = new Map(reserved.map((name) => [fold(name), name]));

/** What is wrong with the lines a child was written; empty when every one of them can be read in one way only. */
export function canonicalOutput(
  bytes: Buffer,
  bounds: { readonly lineBytesMax: number; readonly depthMax: number },
): string[] {
  const wrong: string[] = [];
  if (bytes.length === 0) return wrong;
  if (bytes.at(-1) !== 0x0a) wrong.push('the last line has no LF');
  let from = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, from)) {
    const line = bytes.subarray(from, end);
    from = end + 1;
    for (const what of lineFaults(line, bounds)) wrong.push(`${what}: ${line.toString('latin1', 0, 200)}`);
  }
  return wrong;
}

function lineFaults(
  bytes: Buffer,
  { lineBytesMax, depthMax }: { lineBytesMax: number; depthMax: number },
): string[] {
  const wrong: string[] = [];
  if (bytes.some((byte) => byte < 0x20)) wrong.push('a control character');
  if (bytes.length > lineBytesMax) wrong.push('too long');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return [...wrong, 'not valid UTF-8'];
  }
  if (text.includes('\ufeff') && text.startsWith('\ufeff')) wrong.push('a byte order mark');
  if (/[\u0085\u2028\u2029]/.test(text)) wrong.push('a line separator that is not escaped');
  const tree = readTree(text);
  if (tree?.kind !== 'object') return [...wrong, 'not a JSON object'];
  if (hasTwins(tree)) wrong.push('a member stands twice');
  if (depthOf(tree) > depthMax) wrong.push('too deep');
  const params = at(tree, 'params');
  for (const [key] of [...tree.members, ...(params?.kind === 'object' ? params.members : [])]) {
    const meant = reservedFolded.get(fold(key));
    if (meant !== undefined && meant !== key) wrong.push(`${key} looks like ${meant}`);
  }
  const id = at(tree, 'id');
  const proper =
    id === undefined ||
    id.kind === 'string' ||
    (id.kind === 'number' && Number.isSafeInteger(Number(id.text)) && String(Number(id.text)) === id.text);
  if (!proper) wrong.push('an id that is neither a string nor a safe integer');
  // Written again from the tree and not through JSON.parse, which would itself change digits and the order of members.
  const again = writeTree(tree).replaceAll(
    /[\u0085\u2028\u2029]/g,
    (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  if (again !== text) wrong.push('not in canonical form');
  return wrong;
}

/** Whether any object in it has two members of one name. */
export function hasTwins(node: Node): boolean {
  if (node.kind === 'array') return node.items.some(hasTwins);
  if (node.kind !== 'object') return false;
  const keys = new Set(node.members.map(([key]) => key));
  return keys.size < node.members.length || node.members.some(([, it]) => hasTwins(it));
}

function depthOf(node: Node): number {
  if (node.kind === 'array') return 1 + Math.max(0, ...node.items.map(depthOf));
  if (node.kind === 'object') return 1 + Math.max(0, ...node.members.map(([, it]) => depthOf(it)));
  return 0;
}
