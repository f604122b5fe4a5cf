// The server writes every byte of its stdin to a file. Whatever policy denies must not stand there, by any way of asking.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  initialize,
  post,
  rawEnv,
  serving,
  TestDaemon,
  type Rpc,
  type TestSession,
} from '../support/daemon.ts';

const policy = (sharing: 'session' | 'all') =>
  serving(
    'answers',
    `sharing = "${sharing}"
${rawEnv}
[[rule]]
name = "a little"
verdict = "allow"
tools = ["read_file", "list_dir", "echo", "maybe_*"]
resources = ["file:///ok.txt", "file:///pub/*", "file:///pub/{name}"]
prompts = ["hello"]

[[rule]]
name = "everything that writes, were it not denied"
verdict = "confirm"
tools = ["write_*", "delete_*"]

[[rule]]
name = "no deleting"
verdict = "deny"
tools = ["delete_*", "write_file"]
prompts = ["danger"]
resources = ["file:///secret*"]
`,
  );

/** Everything of a reply that the caller could compare, without what names the call. */
function wording(reply: Rpc, name: string): string {
  const { body, status, events } = reply;
  return JSON.stringify({ status, events, result: body.result, error: body.error }).replaceAll(name, 'NAME');
}

for (const sharing of ['session', 'all'] as const) {
  describe(`with sharing = "${sharing}"`, () => {
    let daemon: TestDaemon;
    let session: TestSession;
    before(async () => {
      daemon = await TestDaemon.start({
        servers: {
          fx: policy(sharing),
          private: serving(
            'answers',
            '[[rule]]\nname = "other"\nverdict = "allow"\ncallers = ["somebody-else"]\ntools = ["*"]\n',
          ),
        },
      });
      session = await daemon.session('fx');
    });
    after(async () => daemon[Symbol.asyncDispose]());

    /** Sends something that must be refused; then a harmless call, so that what came before it has arrived too. */
    async function neverArrives(mark: string, send: () => Promise<unknown>): Promise<void> {
      await send();
      const later = randomUUID();
      assert.equal(await session.text('echo', { text: later }), later);
      assert.ok(daemon.raw().includes(later), 'the file shows what does arrive');
      assert.ok(!daemon.raw().includes(mark), `${mark} arrived at the server`);
    }

    const inArguments = (method: string, params: (mark: string) => object) => async (mark: string) => {
      const reply = await session.request(method, params(mark));
      assert.equal(reply.body.result, undefined, `${method} was answered: ${JSON.stringify(reply.body)}`);
      assert.ok(reply.body.error !== undefined);
    };
    const ways: readonly (readonly [string, (mark: string) => Promise<unknown>])[] = [
      [
        'a denied tool',
        inArguments('tools/call', (mark) => ({ name: 'delete_file', arguments: { path: mark } })),
      ],
      [
        'a tool both gated and denied',
        inArguments('tools/call', (mark) => ({ name: 'write_file', arguments: { path: mark } })),
      ],
      [
        'a tool that no rule names',
        inArguments('tools/call', (mark) => ({ name: 'env', arguments: { mark } })),
      ],
      [
        'a tool in another case',
        inArguments('tools/call', (mark) => ({ name: 'ECHO', arguments: { mark } })),
      ],
      [
        'a tool with a space after it',
        inArguments('tools/call', (mark) => ({ name: 'echo ', arguments: { mark } })),
      ],
      [
        'a tool name in a list',
        inArguments('tools/call', (mark) => ({ name: ['delete_file'], arguments: { mark } })),
      ],
      ['a denied resource', inArguments('resources/read', (mark) => ({ uri: `file:///secret.txt?${mark}` }))],
      [
        'a resource that no rule names',
        inArguments('resources/read', (mark) => ({ uri: `file:///etc/${mark}` })),
      ],
      [
        'a resource with dots in its path',
        inArguments('resources/read', (mark) => ({ uri: `file:///pub/../${mark}` })),
      ],
      [
        'a resource with dots in disguise',
        inArguments('resources/read', (mark) => ({ uri: `file:///pub/%2e%2e%2f${mark}` })),
      ],
      [
        'a subscription',
        inArguments('resources/subscribe', (mark) => ({ uri: `file:///secret.txt?${mark}` })),
      ],
      [
        'the end of a subscription',
        inArguments('resources/unsubscribe', (mark) => ({ uri: `file:///secret.txt?${mark}` })),
      ],
      ['a denied prompt', inArguments('prompts/get', (mark) => ({ name: 'danger', arguments: { mark } }))],
      [
        'a prompt that no rule names',
        inArguments('prompts/get', (mark) => ({ name: 'other', arguments: { mark } })),
      ],
      [
        'the completion of a denied prompt',
        inArguments('completion/complete', (mark) => ({
          ref: { type: 'ref/prompt', name: 'danger' },
          argument: { name: 'a', value: mark },
        })),
      ],
      [
        'the completion of a denied resource',
        inArguments('completion/complete', (mark) => ({
          ref: { type: 'ref/resource', uri: 'file:///secret/{name}' },
          argument: { name: 'name', value: mark },
        })),
      ],
      ['a method nobody knows', inArguments('tools/destroy', (mark) => ({ mark }))],
      [
        'a tool run as a task',
        inArguments('tools/call', (mark) => ({
          name: 'delete_file',
          arguments: { mark },
          task: { ttl: 1000 },
        })),
      ],
      ['the result of a task', inArguments('tasks/result', (mark) => ({ taskId: mark }))],
      [
        'a notification nobody knows',
        (mark) => session.raw({ jsonrpc: '2.0', method: 'notifications/evil', params: { mark } }),
      ],
      [
        'a denied tool without an id',
        (mark) =>
          session.raw({
            jsonrpc: '2.0',
            method: 'tools/call',
            params: { name: 'delete_file', arguments: { mark } },
          }),
      ],
      [
        'an allowed tool without an id',
        (mark) =>
          session.raw({
            jsonrpc: '2.0',
            method: 'tools/call',
            params: { name: 'echo', arguments: { mark } },
          }),
      ],
      [
        'a name that stands twice, allowed first',
        (mark) =>
          session.raw(
            `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","name":"delete_file","arguments":{"text":"${mark}"}}}`,
          ),
      ],
      [
        'a name that stands twice, in two spellings',
        (mark) =>
          session.raw(
            `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","n\\u0061me":"delete_file","arguments":{"text":"${mark}"}}}`,
          ),
      ],
      [
        'a denied name in a spelling of its own',
        (mark) =>
          session.raw(
            `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete\\u005ffile","arguments":{"text":"${mark}"}}}`,
          ),
      ],
      [
        'a method that stands twice',
        (mark) =>
          session.raw(
            `{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/call","params":{"name":"delete_file","arguments":{"text":"${mark}"}}}`,
          ),
      ],
      [
        'a batch',
        (mark) =>
          session.raw([
            { jsonrpc: '2.0', id: 8, method: 'ping' },
            {
              jsonrpc: '2.0',
              id: 9,
              method: 'tools/call',
              params: { name: 'delete_file', arguments: { mark } },
            },
          ]),
      ],
      [
        'two messages in one body',
        (mark) =>
          session.raw(
            `{"jsonrpc":"2.0","id":8,"method":"ping"}\n{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"delete_file","arguments":{"m":"${mark}"}}}`,
          ),
      ],
      [
        'a call without a session',
        (mark) =>
          post(daemon, 'fx', daemon.key, undefined, {
            jsonrpc: '2.0',
            id: 9,
            method: 'tools/call',
            params: { name: 'echo', arguments: { mark } },
          }),
      ],
      [
        'a call without a key',
        (mark) =>
          post(daemon, 'fx', undefined, session.id, {
            jsonrpc: '2.0',
            id: 9,
            method: 'tools/call',
            params: { name: 'echo', arguments: { mark } },
          }),
      ],
    ];
    for (const [what, send] of ways) {
      it(`${what} does not arrive`, async () => {
        const mark = `mark-${randomUUID()}`;
        await neverArrives(mark, () => send(mark));
      });
    }

    it('what is allowed does arrive, by the same ways of asking', async () => {
      const mark = `mark-${randomUUID()}`;
      const allowed = [
        ['tools/call', { name: 'read_file', arguments: { path: mark } }],
        ['resources/read', { uri: `file:///pub/${mark}` }],
        ...(sharing === 'session' ? [['resources/subscribe', { uri: `file:///pub/${mark}` }] as const] : []),
        ['prompts/get', { name: 'hello', arguments: { mark } }],
        [
          'completion/complete',
          { ref: { type: 'ref/prompt', name: 'hello' }, argument: { name: 'a', value: mark } },
        ],
      ] as const;
      for (const [method, params] of allowed) {
        const { body } = await session.request(method, params);
        assert.ok(body.result !== undefined, `${method}: ${JSON.stringify(body)}`);
      }
      assert.equal(daemon.raw().split(mark).length - 1, allowed.length);
    });

    it('what is denied stands in no listing', async () => {
      assert.deepEqual(await session.list('tools'), ['read_file', 'list_dir', 'echo']);
      assert.deepEqual(await session.list('prompts'), ['hello']);
      const resources = await session.request('resources/list');
      assert.deepEqual(
        (resources.body.result?.['resources'] as { uri: string }[]).map(({ uri }) => uri),
        ['file:///ok.txt', 'file:///pub/a.txt'],
      );
      const templates = await session.request('resources/templates/list');
      assert.deepEqual(
        (templates.body.result?.['resourceTemplates'] as { uriTemplate: string }[]).map(
          ({ uriTemplate }) => uriTemplate,
        ),
        ['file:///pub/{name}'],
      );
    });

    it('a denied thing is worded like one that does not exist', async () => {
      const pairs = [
        ['tools/call', (name: string) => ({ name, arguments: {} }), 'delete_file', 'no_such_tool'],
        ['prompts/get', (name: string) => ({ name }), 'danger', 'no_such_prompt'],
        ['resources/read', (uri: string) => ({ uri }), 'file:///secret.txt', 'file:///no-such'],
        ['resources/subscribe', (uri: string) => ({ uri }), 'file:///secret.txt', 'file:///no-such'],
        [
          'completion/complete',
          (name: string) => ({ ref: { type: 'ref/prompt', name }, argument: { name: 'a', value: '' } }),
          'danger',
          'no_such_prompt',
        ],
      ] as const;
      for (const [method, params, denied, unknown] of pairs) {
        const [no, none] = [
          await session.request(method, params(denied)),
          await session.request(method, params(unknown)),
        ];
        assert.equal(wording(no, denied), wording(none, unknown), method);
      }
      // What the server itself says of a tool it does not have.
      const [no, none] = [await session.call('delete_file'), await session.call('maybe_not')];
      assert.equal(wording(no, 'delete_file'), wording(none, 'maybe_not'));
    });

    it('a server that is not for this caller is worded like one that does not exist', async () => {
      const [no, none] = [
        await post(daemon, 'private', daemon.key, undefined, initialize()),
        await post(daemon, 'no-such', daemon.key, undefined, initialize()),
      ];
      assert.equal(no.headers.get('mcp-session-id'), null);
      assert.equal(wording(no, 'private'), wording(none, 'no-such'));
    });
  });
}
