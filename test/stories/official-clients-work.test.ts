// What people connect with: the official client libraries, to a fixture server and to three servers that nobody here wrote.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, generations, type OfficialClient } from '../support/clients.ts';
import { alive, post, projectRoot, serving, TestDaemon, until } from '../support/daemon.ts';

const everything = `[[rule]]
name = "everything"
verdict = "allow"
tools = ["*"]
resources = ["**", "file:///**"]
prompts = ["*"]
upcalls = ["*"]
`;
/** The shipped policy of a server, with the way to its program that holds from the test's folder. */
const shipped = (name: string) =>
  readFileSync(join(projectRoot, 'policies', 'servers', `${name}.toml`), 'utf8').replaceAll(
    '"../../node_modules/',
    `"${projectRoot}/node_modules/`,
  );

const isModern = (generation: string): boolean => generation.includes('newer');

describe('official clients work', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', everything),
        shared: serving('answers', `sharing = "all"\n${everything}`),
        filesystem: shipped('filesystem'),
        memory: shipped('memory'),
        everything: shipped('everything'),
      },
      prepare: ({ policies }) => {
        for (const folder of ['sandbox', 'memory']) mkdirSync(join(policies, folder), { mode: 0o700 });
        writeFileSync(join(policies, 'sandbox', 'hello.txt'), 'hello from a file');
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  for (const generation of generations) {
    describe(generation, () => {
      const open: OfficialClient[] = [];
      const to = async (server: string) => {
        const client = await connect(generation, `${daemon.url}/servers/${server}/mcp`, daemon.key);
        open.push(client);
        return client;
      };
      after(async () => {
        for (const client of open) await client.end().catch(() => undefined);
      });

      it('a fixture server: every request has its answer', async () => {
        const client = await to('fx');
        assert.equal(client.serverName(), 'fx');
        if (!isModern(generation)) await client.ping();
        assert.ok((await client.tools()).includes('echo'));
        assert.deepEqual(await client.call('echo', { text: 'héllo 👋' }), {
          isError: false,
          text: 'héllo 👋',
          types: ['text'],
        });
        assert.ok((await client.resources()).includes('file:///ok.txt'));
        assert.deepEqual(await client.templates(), ['file:///pub/{name}']);
        assert.match(await client.read('file:///ok.txt'), /text of file:\/\/\/ok\.txt/);
        if (!isModern(generation)) await client.subscribe('file:///ok.txt');
        assert.deepEqual(await client.prompts(), ['hello', 'danger']);
        assert.match(await client.prompt('hello'), /hello/);
        assert.deepEqual(await client.complete('hello', 'a', 'o'), ['one', 'two']);
      });

      it('progress reaches its callback, step by step', async () => {
        const client = await to('fx');
        const steps: number[] = [];
        assert.equal(
          (await client.call('progress', { steps: 4 }, { onProgress: (step) => steps.push(step) })).text,
          'done',
        );
        assert.deepEqual(steps, [1, 2, 3, 4]);
      });

      it('sampling, elicitation and roots go to the client and back', async () => {
        const client = await to('fx');
        assert.match((await client.call('ask_sampling')).text, /"sampled"/);
        assert.match((await client.call('ask_elicitation', { message: 'your name?' })).text, /"Ada"/);
        assert.match((await client.call('ask_roots')).text, /file:\/\/\/home\/official/);
        assert.equal(client.heard.sampled.length, 1);
        assert.deepEqual(client.heard.elicited, ['your name?']);
        assert.equal(client.heard.rootsAsked, 1);
      });

      // What only sessions have; test/eras tells the modern side of it.
      const inSessions = (name: string, does: () => Promise<void>): void => {
        if (!isModern(generation)) it(name, does);
      };
      inSessions('a log message arrives while the call goes on', async () => {
        const client = await to('fx');
        assert.equal((await client.call('log', { text: 'working' })).text, 'logged');
        await until('the message is heard', () => client.heard.logged.includes('working'));
      });

      it('a cancelled call ends at the client and at the server, and the session goes on', async () => {
        const client = await to('fx');
        const stop = new AbortController();
        const answering = client.call('slow', { ms: 600_000 }, { signal: stop.signal });
        const failing = assert.rejects(answering);
        await until('it is in flight', async () => (await daemon.status('fx')).inFlight === 1);
        stop.abort();
        await failing;
        await until('it is in flight no more', async () => (await daemon.status('fx')).inFlight === 0);
        assert.equal((await client.call('echo', { text: 'on' })).text, 'on');
        const [record] = (await daemon.audit('--tool', 'fx/slow')).slice(-1);
        assert.equal(record?.['error'], 'CANCELLED');
      });

      for (const server of ['fx', 'shared'])
        inSessions(`a changed list of tools is told on the standing stream of ${server}`, async () => {
          const client = await to(server);
          const before = (await client.tools()).length;
          await client.call('change_tools');
          await until('the client is told', () => client.heard.toolsChanged > 0);
          assert.equal((await client.tools()).length, before + 1);
        });

      it('a tool that the policy denies is unknown to it', async () => {
        const client = await to('everything');
        assert.ok(!(await client.tools()).includes('get-env'));
        await assert.rejects(client.call('get-env'), /Unknown tool: get-env/);
      });

      inSessions('a session that is ended is gone', async () => {
        const before = new Set(daemon.children());
        const client = await to('fx');
        const id = client.sessionId();
        assert.ok(id !== undefined);
        const own = daemon.children().filter((pid) => !before.has(pid));
        assert.ok(own.length > 0);
        await client.end();
        open.splice(open.indexOf(client), 1);
        assert.equal(
          (await post(daemon, 'fx', daemon.key, id, { jsonrpc: '2.0', id: 1, method: 'ping' })).status,
          404,
        );
        await until('its child is gone', () => !own.some(alive));
      });

      it('the filesystem server reads, is limited, and is held at a write until the operator says yes', async () => {
        const client = await to('filesystem');
        const tools = await client.tools();
        assert.ok(tools.includes('read_text_file') && tools.includes('write_file'));
        assert.ok(!tools.includes('move_file') && !tools.includes('read_file'));
        assert.equal((await client.call('read_text_file', { path: 'hello.txt' })).text, 'hello from a file');
        assert.equal((await client.call('read_text_file', { path: '/etc/passwd' })).isError, true);

        const path = `${generation.length}.txt`;
        const writing = client.call('write_file', { path, content: 'written' });
        await until('the write waits', async () => (await daemon.approvals()).length === 1);
        await daemon.ctl('approve', (await daemon.approvals())[0]?.id ?? '');
        assert.equal((await writing).isError, false);
        assert.equal(readFileSync(join(daemon.policies, 'sandbox', path), 'utf8'), 'written');

        let limited = '';
        for (let tries = 0; limited === '' && tries < 10; tries++) {
          const { isError, text } = await client.call('list_directory', { path: '.' });
          if (isError) limited = text;
        }
        assert.match(limited, /5\/min.*Try again in \d+ s/);
      });

      it('the memory server learns after a yes, and remembers', async () => {
        const client = await to('memory');
        const name = `Ada ${generation}`;
        const learning = client.call('create_entities', {
          entities: [{ name, entityType: 'person', observations: ['first'] }],
        });
        await until('it waits', async () => (await daemon.approvals()).length === 1);
        await daemon.ctl('approve', (await daemon.approvals())[0]?.id ?? '');
        assert.equal((await learning).isError, false);
        assert.match((await client.call('open_nodes', { names: [name] })).text, /first/);
        assert.ok(!(await client.tools()).some((tool) => tool.startsWith('delete_')));
        await assert.rejects(client.call('delete_entities', { entityNames: [name] }), /Unknown tool/);
      });

      it('the everything server does everything that its policy leaves it', async () => {
        const client = await to('everything');
        assert.equal((await client.call('echo', { message: 'hi' })).text, 'Echo: hi');
        assert.match((await client.call('get-sum', { a: 2, b: 3 })).text, /5/);
        assert.ok((await client.call('get-tiny-image')).types.includes('image'));
        const steps: number[] = [];
        await client.call(
          'trigger-long-running-operation',
          { duration: 0.2, steps: 2 },
          { onProgress: (step) => steps.push(step) },
        );
        assert.deepEqual(steps, [1, 2]);
        const documents = await client.resources();
        assert.ok(documents.length > 0);
        assert.ok((await client.read(documents[0] ?? '')).length > 2);
        assert.ok((await client.prompts()).includes('completable-prompt'));
        assert.ok((await client.complete('completable-prompt', 'department', 'E')).includes('Engineering'));
        assert.match((await client.call('get-roots-list')).text, /home\/official/);
        for (const [tool, args, answer] of [
          ['trigger-sampling-request', { prompt: 'say something', maxTokens: 10 }, /sampled/],
          ['trigger-elicitation-request', {}, /Ada/],
        ] as const) {
          const asking = client.call(tool, args);
          await until('it waits', async () => (await daemon.approvals()).length === 1);
          await daemon.ctl('approve', (await daemon.approvals())[0]?.id ?? '');
          assert.match((await asking).text, answer);
        }
      });
    });
  }
});
