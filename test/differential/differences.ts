import { faults } from '../../src/domain/faults.ts';
import { at, readTree, writeTree, type Node } from '../support/oracle.ts';
import { withMember } from './compare.ts';
import { idOf, isAnswer, methodOf, type Seen } from './transcript.ts';

/** One way in which mcpd is not transparent on purpose: what a client sees through it, given what it sees directly. */
export type Difference = {
  readonly what: string;
  readonly why: string;
  /** Gives back the same messages where the difference does not show. */
  readonly through: (direct: readonly Seen[], sent: readonly Node[]) => readonly Seen[];
};

/** All there are. Whatever else differs is a defect, and what is never seen to differ has no place here. */
export const differences: readonly Difference[] = [
  {
    what: 'the envelope has its members in the order jsonrpc, id, method, params, result, error, and no others',
    why: 'mcpd writes each envelope itself: the id is its own on one side, and a member it does not know is not governed',
    through: (direct) => direct.map((seen) => changed(seen, inOurOrder(seen.message))),
  },
  {
    what: 'a storm of list_changed is thinned to the first and one that comes later',
    why: 'each of them makes every client list everything again',
    through: (direct) => thinned(direct),
  },
  {
    what: 'a cancelled call is answered with an error',
    why: 'it has a response stream of its own, and HTTP has to end it with something; the caller ignores it',
    through: (direct, sent) => [...direct, ...leftOpen(direct, sent).map((id) => answerTo(id, cancelled))],
  },
  {
    what: 'a call that does not name its target as a string is refused in our words',
    why: 'servers read such a call differently, so it cannot be decided and is not passed on',
    through: (direct, sent) =>
      rewritten(direct, sent, (call) => {
        const named = at(call, 'params', 'name')?.kind === 'string';
        return methodOf(call) === 'tools/call' && !named ? unnamed : undefined;
      }),
  },
  {
    what: 'a resource whose URI is not written in its one plain form is not found',
    why: 'a pattern and the server may read it differently, so nothing can allow it',
    through: (direct, sent) =>
      rewritten(direct, sent, (call) => {
        const uri = at(call, 'params', 'uri');
        if (methodOf(call) !== 'resources/read' || uri?.kind !== 'string' || !uri.value.includes('/../'))
          return undefined;
        return `{"code":-32002,"message":"Resource not found","data":{"uri":${writeTree(uri)}}}`;
      }).map((seen) => changed(seen, withoutDotted(seen.message))),
  },
  {
    what: 'progress of no call is left out',
    why: 'a token of somebody else could be guessed',
    through: (direct, sent) => {
      const tokens = new Set(sent.flatMap((call) => textOf(at(call, 'params', '_meta', 'progressToken'))));
      return direct.filter(
        ({ message }) =>
          methodOf(message) !== 'notifications/progress' ||
          textOf(at(message, 'params', 'progressToken')).some((token) => tokens.has(token)),
      );
    },
  },
  {
    what: 'a ping of the server does not reach the client',
    why: 'it asks whether the next hop is there, and that is mcpd',
    through: (direct) => direct.filter(({ message }) => methodOf(message) !== 'ping'),
  },
];

/** What mcpd holds back for a moment may be overtaken. */
export function mayBeLate(text: string): boolean {
  return /"method":"notifications\/[a-z]+\/list_changed"/.test(text);
}

const cancelled = errorText(1499, faults.CANCELLED.says);
const unnamed = errorText(-32602, faults.BAD_PARAMS.says);

/** The answers for which `refusal` has an error, with that error. */
function rewritten(
  direct: readonly Seen[],
  sent: readonly Node[],
  refusal: (call: Node) => string | undefined,
): readonly Seen[] {
  return direct.map((seen) => {
    if (!isAnswer(seen.message)) return seen;
    const call = sent.find((it) => idOf(it) === idOf(seen.message));
    const error = call === undefined ? undefined : refusal(call);
    return error === undefined ? seen : changed(seen, answerTo(idOf(seen.message), error).message);
  });
}

function errorText(code: number, message: string): string {
  return `{"code":${code},"message":${JSON.stringify(message)},"data":{"correlationId":""}}`;
}

function answerTo(id: string | undefined, error: string): Seen {
  const message = readTree(`{"jsonrpc":"2.0","id":${id},"error":${error}}`);
  if (message === undefined) throw new Error('not JSON');
  return { stream: 'expected', message };
}

/** The same object where nothing changed, so that it shows whether a difference was needed. */
function changed(seen: Seen, message: Node): Seen {
  return writeTree(message) === writeTree(seen.message) ? seen : { ...seen, message };
}

const envelope = ['jsonrpc', 'id', 'method', 'params', 'result', 'error'];

function inOurOrder(message: Node): Node {
  if (message.kind !== 'object') return message;
  const members = envelope.flatMap((key) => message.members.filter(([name]) => name === key));
  return { kind: 'object', members };
}

function thinned(direct: readonly Seen[]): readonly Seen[] {
  const count = new Map<string, number>();
  return direct.filter(({ message }) => {
    const method = methodOf(message) ?? '';
    if (!method.endsWith('/list_changed')) return true;
    const nth = (count.get(method) ?? 0) + 1;
    count.set(method, nth);
    return nth <= 2;
  });
}

/** The calls that the client took back and the server then never answered. */
function leftOpen(direct: readonly Seen[], sent: readonly Node[]): readonly string[] {
  const answered = new Set(direct.map(({ message }) => (isAnswer(message) ? idOf(message) : undefined)));
  const open = new Set(sent.map(idOf).filter((id) => !answered.has(id)));
  return sent.flatMap((message) => {
    const id = at(message, 'params', 'requestId');
    if (methodOf(message) !== 'notifications/cancelled' || id === undefined) return [];
    return open.has(writeTree(id)) ? [writeTree(id)] : [];
  });
}

function withoutDotted(message: Node): Node {
  const listed = at(message, 'result', 'resources');
  if (listed?.kind !== 'array') return message;
  const items = listed.items.filter((it) => !textOf(at(it, 'uri')).some((uri) => uri.includes('/../')));
  return withMember(message, ['result', 'resources'], { kind: 'array', items });
}

function textOf(node: Node | undefined): readonly string[] {
  return node === undefined ? [] : [writeTree(node)];
}
