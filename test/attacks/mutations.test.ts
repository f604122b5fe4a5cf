/** 50 000 mutated messages: whatever reaches the child, no reader of its stdin sees a call that the policy denied. */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { describe, test } from 'node:test';
import { metaKeys } from '../../src/protocol/era.ts';
import { rule, serving, TestDaemon } from '../support/daemon.ts';
import { Dice } from '../support/dice.ts';
import { canonicalOutput, oracle, type SeenCall } from '../support/oracle.ts';
import { Ear, permitted } from './reference.ts';

const messages = 50_000;
const sockets = 24;

/** Names are allowed, asked about or denied; one tool by its argument. */
const policy = `[env]
FX_RAW = "$DIR/fx.raw"
${rule('allow', ['list_dir', 'echo'])}
[[rule]]
name = "reading below pub"
verdict = "allow"
tools = ["read_file"]
args = { path = { like = "/pub/*" } }
[[rule]]
name = "documents"
verdict = "allow"
resources = ["file:///ok.txt", "file:///pub/**"]
prompts = ["hello"]

${rule('confirm', ['write_file'], 'answer_within = "1s"')}
[[rule]]
name = "never"
verdict = "deny"
tools = ["delete_file"]
resources = ["file:///secret.txt"]
prompts = ["danger"]
`;

const bases: readonly Base[] = [
  ...['delete_file', 'read_file', 'echo', 'list_dir', 'write_file'].map((name) => ({
    method: 'tools/call',
    params: { name, arguments: { path: '/pub/a', text: 'x' } },
  })),
  { method: 'tools/call', params: { name: 'read_file', arguments: { path: '/secret/a' } } },
  { method: 'resources/read', params: { uri: 'file:///secret.txt' } },
  { method: 'resources/read', params: { uri: 'file:///ok.txt' } },
  { method: 'prompts/get', params: { name: 'danger', arguments: {} } },
  { method: 'prompts/get', params: { name: 'hello', arguments: {} } },
  {
    method: 'completion/complete',
    params: { ref: { type: 'ref/prompt', name: 'danger' }, argument: { name: 'a', value: '' } },
  },
  { method: 'x/exec', params: { name: 'delete_file' } },
];

type Base = { readonly method: string; readonly params: Readonly<Record<string, unknown>> };
type Mutation = (text: string, dice: Dice) => string;

/** Puts a text in at the place of a match of a pattern that the dice choose; the same text where there is none. */
function at(text: string, pattern: RegExp, dice: Dice, put: (found: string) => string): string {
  const places = [...text.matchAll(pattern)];
  if (places.length === 0) return text;
  const place = dice.one(places);
  return text.slice(0, place.index) + put(place[0]) + text.slice(place.index + place[0].length);
}

const member = /"(?:method|params|name|uri|arguments|path|id|ref|_meta|jsonrpc)":/g;
const names = [
  'delete_file',
  'read_file',
  'echo',
  'danger',
  'file:///secret.txt',
  'tools/call',
  '/secret/a',
  '/pub/a',
];
const lookAlike: Mutation = (key, dice) =>
  dice.one([
    (it: string) => it.toUpperCase(),
    (it: string) => it.charAt(0).toUpperCase() + it.slice(1),
    (it: string) => it.replace('s', '\u017f'),
    (it: string) => it.replace('k', '\u212a'),
    (it: string) => it.replace('i', '\u0130'),
    (it: string) => `${it} `,
    (it: string) => `\ufeff${it}`,
  ])(key);
const escaped = (text: string): string =>
  text.replaceAll(/[a-z]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`);
const odd = [
  '\r',
  '\n',
  '\r\n',
  '\u2028',
  '\u0085',
  '\ufeff',
  '\u0000',
  '\t',
  '\v',
  '\u200b',
  '\ud800',
  '/*x*/',
  ',',
];

const mutations: readonly Mutation[] = [
  // A member twice, with another value first or last.
  (text, dice) => at(text, member, dice, (it) => `${it}${JSON.stringify(dice.one(names))},${it}`),
  (text, dice) =>
    at(
      text,
      /"(name|uri|method|path)":"[^"]*"/g,
      dice,
      (it) => `${it},${it.replace(/:"[^"]*"/, `:${JSON.stringify(dice.one(names))}`)}`,
    ),
  // A member that only some readers take for the one they want.
  (text, dice) =>
    at(
      text,
      member,
      dice,
      (it) => `${JSON.stringify(lookAlike(it.slice(1, -2), dice))}:${JSON.stringify(dice.one(names))},${it}`,
    ),
  (text, dice) => at(text, /"(?:name|method|params|path)"/g, dice, (it) => `"${escaped(it.slice(1, -1))}"`),
  (text, dice) => at(text, /[a-z_/]{4,}/g, dice, escaped),
  (text, dice) => at(text, /./g, dice, (it) => `${it}${dice.one(odd)}`),
  (text, dice) =>
    at(text, /"[^"]*"/g, dice, (it) =>
      dice.one([`[${it}]`, `{"name":${it}}`, 'null', 'true', '1', `${it.slice(0, -1)}\\u0000"`]),
    ),
  (text, dice) =>
    at(
      text,
      /"id":\d+/g,
      dice,
      () => `"id":${dice.one(['1.0', '1e0', 'true', 'null', '{}', '9007199254740993', '"1"', '-0'])}`,
    ),
  (text) => `[${text}]`,
  (text, dice) => `${text}${dice.one(['', '\n', '\r', '\u2028'])}${text}`,
  (text, dice) => text.slice(0, dice.upTo(text.length)),
  (text, dice) =>
    at(
      text,
      /"params":\{/g,
      dice,
      (it) => `${it}"_meta":{"name":"delete_file"},"task":{},"requestState":"x","inputResponses":{},`,
    ),
  (text, dice) =>
    at(
      text,
      /"arguments":\{/g,
      dice,
      (it) => `${it}"mcpd_ticket":"x","__proto__":{"path":"/secret/a"},"name":"delete_file",`,
    ),
  (text, dice) =>
    at(text, /"\/pub\/a"/g, dice, () =>
      JSON.stringify(
        dice.one(['/pub/../secret/a', '/pub/a\n', '/PUB/a', '/pub/', '/pub//a', '/pub/a/../../secret']),
      ),
    ),
  (text, dice) =>
    at(text, /"(?:delete_file|danger)"/g, dice, () =>
      JSON.stringify(
        dice.one([
          'delete_file\n',
          'DELETE_FILE',
          'delete\u200b_file',
          ' delete_file',
          'fx/delete_file',
          'read_file\u0000delete_file',
        ]),
      ),
    ),
  (text, dice) => at(text, /[{}[\]",:]/g, dice, () => dice.one(['', '{', '}', '"', ',', ':', '\\'])),
];

type Sent = { readonly body: string; readonly headers: Readonly<Record<string, string>> };

function mutated(dice: Dice, id: number, era: 'legacy' | 'modern'): Sent {
  const { method, params } = dice.one(bases);
  const meta = { [metaKeys.version]: '2026-07-28', [metaKeys.capabilities]: {} };
  const whole = era === 'modern' ? { ...params, _meta: meta } : params;
  let body = JSON.stringify({ jsonrpc: '2.0', id, method, params: whole });
  for (let times = 1 + dice.upTo(2); times > 0; times--) body = dice.one(mutations)(body, dice);
  if (era === 'legacy') return { body, headers: {} };
  // What the headers say is true of the message as it was, or made up.
  const name = [params['name'], params['uri']].find((it) => typeof it === 'string');
  const told = dice.is(0.1) ? dice.one(names) : name;
  return { body, headers: { 'mcp-method': method, ...(told === undefined ? {} : { 'mcp-name': told }) } };
}

/** Every reader must find in `path` what the policy allows, and a text. */
function allowed(call: SeenCall): boolean {
  if (!permitted(call)) return false;
  if (call.method !== 'tools/call' || call.target !== 'read_file') return true;
  const path = call.argument('path');
  return path?.kind === 'string' && path.value.startsWith('/pub/');
}

describe(`${messages} mutated messages`, () => {
  for (const era of ['legacy', 'modern'] as const) {
    test(`of the ${era} era bring no denied call to the child`, async () => {
      await using daemon = await TestDaemon.start({
        servers: { fx: serving('answers', `sharing = "all"\n${policy}`) },
      });
      const headers = await headersFor(era, daemon);
      const agent = new Agent({ keepAlive: true, maxSockets: sockets });
      const ear = new Ear(daemon);
      const answers = new Map<string, number>();
      let next = 0;
      const post = ({ body, headers: own }: Sent): Promise<void> =>
        new Promise((resolve, reject) => {
          const bytes = Buffer.from(body);
          const req = request(
            `${daemon.url}/servers/fx/mcp`,
            { method: 'POST', agent, headers: { ...headers, ...own, 'content-length': bytes.length } },
            (response) => {
              answers.set(String(response.statusCode), (answers.get(String(response.statusCode)) ?? 0) + 1);
              response.resume().on('end', resolve);
            },
          );
          // A refused body may close the connection under the next one.
          req.on('error', (reason: NodeJS.ErrnoException) =>
            reason.code === 'ECONNRESET' || reason.code === 'EPIPE' ? resolve() : reject(reason),
          );
          req.end(bytes);
        });
      const worker = async () => {
        while (next < messages / 2) {
          const id = next++;
          await post(mutated(new Dice(id * 2 + (era === 'modern' ? 1 : 0)), id, era));
        }
      };
      await Promise.all(Array.from({ length: sockets }, worker));
      agent.destroy();

      const bytes = ear.bytes();
      assert.deepEqual(oracle(bytes, allowed), [], 'a denied call was seen');
      assert.deepEqual(canonicalOutput(bytes, { lineBytesMax: 4 * 1024 * 1024, depthMax: 66 }), []);
      // Where everything is refused at the door, nothing is proven.
      assert.ok(ear.since(0).length > messages / 100, `${ear.since(0).length} calls came through`);
      assert.ok((answers.get('200') ?? 0) > messages / 50, JSON.stringify([...answers]));
      assert.equal(daemon.child?.exitCode, null);
    });
  }
});

async function headersFor(era: 'legacy' | 'modern', daemon: TestDaemon): Promise<Record<string, string>> {
  const common = {
    authorization: `Bearer ${daemon.key}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  };
  if (era === 'modern') return { ...common, 'mcp-protocol-version': '2026-07-28' };
  const session = await daemon.session('fx');
  return { ...common, 'mcp-session-id': session.id, 'mcp-protocol-version': '2025-11-25' };
}
