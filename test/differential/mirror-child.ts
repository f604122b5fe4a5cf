// A server for scripts that look closely: it gives back what it was told as it was told, and says whatever it is asked to.
// It reads and writes JSON as trees, so that no digit, order or unknown member is lost on its side.
import { at, readTree, writeTree, type Node } from '../support/oracle.ts';
import { withMember } from './compare.ts';

const heard: string[] = [];
const asked = new Map<string, (answer: Node) => void>();

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const answer = (id: string, result: string): void => say(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
const textOf = (node: Node | undefined): string => (node === undefined ? 'null' : writeTree(node));
const stringOf = (node: Node | undefined): string => (node?.kind === 'string' ? node.value : '');

const capabilities =
  '{"tools":{"listChanged":true,"x":9007199254740993},"resources":{},"prompts":{},"logging":{},"completions":{},"experimental":{"b":{"2":1,"10":2},"a":{}}}';
/** Two pages, the second under a cursor that is the empty string; entries with numbers and members of no schema. */
const pages = [
  '{"z":1e400,"resources":[{"name":"b","uri":"mirror:/b","size":123456789012345678901234567890,"10":0,"9":-0}],"nextCursor":"","a":1.0}',
  '{"resources":[{"uri":"mirror:/a","name":"a","annotations":{"priority":0.10}},{"name":"up","uri":"mirror:/x/../y"}],"nextCursor":null}',
];

const tools = new Map<string, (id: string, params: Node) => void>([
  // Everything in the request, as it came; a progress token is an id, and each hop has its own.
  [
    'tell',
    (id, params) => {
      const told = withMember(params, ['_meta', 'progressToken'], { kind: 'string', value: 'a token' });
      answer(id, `{"content":[],"told":${writeTree(told)}}`);
    },
  ],
  // The notifications since the last time.
  ['heard', (id) => answer(id, `{"content":[],"heard":[${heard.splice(0).join(',')}]}`)],
  // Says these texts as they stand; TOKEN in them is the call's progress token, ID its id. Answers only when none does.
  [
    'say',
    (id, params) => {
      const texts = at(params, 'arguments', 'texts');
      const token = textOf(at(params, '_meta', 'progressToken'));
      let answered = false;
      for (const item of texts?.kind === 'array' ? texts.items : []) {
        const text = stringOf(item);
        answered ||= text.includes('ID');
        say(text.replaceAll('TOKEN', token).replaceAll('ID', id));
      }
      if (!answered) answer(id, '{"content":[]}');
    },
  ],
  // Asks the client, and gives back what it answers.
  [
    'ask',
    (id, params) => {
      const method = textOf(at(params, 'arguments', 'method'));
      // Known in advance, so that a script can have the server take its question back.
      const question = JSON.stringify(`about ${method}`);
      asked.set(question, (reply) => answer(id, `{"content":[],"reply":${writeTree(withoutId(reply))}}`));
      say(
        `{"jsonrpc":"2.0","id":${question},"method":${method},"params":${textOf(at(params, 'arguments', 'params'))}}`,
      );
    },
  ],
]);

function hear(message: Node): void {
  const id = at(message, 'id');
  const method = stringOf(at(message, 'method'));
  const params = at(message, 'params');
  if (id === undefined) return void heard.push(writeTree(message));
  if (method === '') return asked.get(writeTree(id))?.(message);
  const wireId = writeTree(id);
  const error = (code: number, text: string) =>
    say(
      `{"jsonrpc":"2.0","id":${wireId},"error":{"message":"${text}","code":${code},"data":{"9":1,"10":1e-400}}}`,
    );
  switch (method) {
    case 'initialize':
      return answer(
        wireId,
        `{"serverInfo":{"version":"1","name":"mirror","x":[-0]},"capabilities":${capabilities},"protocolVersion":${textOf(at(params, 'protocolVersion'))},"more":1E+2}`,
      );
    case 'ping':
    case 'logging/setLevel':
      return answer(wireId, '{}');
    case 'tools/list':
      return answer(
        wireId,
        `{"tools":[${[...tools.keys()].map((name) => `{"inputSchema":{"type":"object","maximum":1e999},"name":"${name}"}`).join(',')}]}`,
      );
    case 'tools/call': {
      const run = tools.get(stringOf(at(params, 'name')));
      return run === undefined || params === undefined ? error(-32602, 'No such tool') : run(wireId, params);
    }
    case 'resources/list':
      return answer(wireId, at(params, 'cursor') === undefined ? (pages[0] ?? '') : (pages[1] ?? ''));
    case 'resources/templates/list':
      return answer(wireId, '{"resourceTemplates":[]}');
    case 'prompts/list':
      return answer(wireId, '{"prompts":[]}');
    case 'resources/read':
    case 'prompts/get':
    case 'completion/complete':
      return answer(
        wireId,
        `{"contents":[],"messages":[],"completion":{"values":[]},"told":${textOf(params)}}`,
      );
    default:
      return error(-32601, 'Method not found');
  }
}

/** What a reply says, without the id that stands for the question. */
function withoutId(reply: Node): Node {
  if (reply.kind !== 'object') return reply;
  return { kind: 'object', members: reply.members.filter(([name]) => name !== 'id') };
}

let rest = '';
process.stdin.setEncoding('utf8').on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    const message = readTree(line);
    if (message !== undefined) hear(message);
  }
});
process.stdin.on('end', () => process.exit(0));
