import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import type { Call } from '../../src/domain/call.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import { readPolicies } from '../../src/policy-files.ts';
import { decide } from '../../src/policy/decide.ts';
import { redactNames } from '../../src/redact/names.ts';
import { casesHold, facts } from './cases-hold.ts';
import { put, said, scratch } from './scratch.ts';

const policies = join(import.meta.dirname, '..', '..', 'policies');
const read = readPolicies(
  join(import.meta.dirname, '..', '..', 'policies'),
  { HOME: '/home/nobody' },
  () => ({
    switches: { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
    grants: [],
    version: 'test',
  }),
);
assert.ok(read.ok, JSON.stringify(read));
const { loaded, orders } = read;

/** What becomes of a call with these arguments; in a listing (no arguments) where none are given. */
function verdict(server: string, target: Call['target'], args?: JsonObject): string {
  return decide(orders, { server, target, principal: { name: 'anyone' }, args }, facts).kind;
}

/** Server → what every one of its tools is expected to meet. A tool that is not here is one we have not thought about. */
const tools: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  filesystem: {
    allow: [
      'read_text_file',
      'read_multiple_files',
      'read_media_file',
      'get_file_info',
      'list_directory',
      'list_directory_with_sizes',
      'list_allowed_directories',
      'search_files',
      'directory_tree',
    ],
    confirm: ['write_file', 'edit_file', 'create_directory'],
    deny: ['move_file', 'read_file'],
  },
  memory: {
    allow: ['read_graph', 'search_nodes', 'open_nodes'],
    confirm: ['create_entities', 'create_relations', 'add_observations'],
    deny: ['delete_entities', 'delete_observations', 'delete_relations'],
  },
  everything: {
    allow: [
      'echo',
      'get-sum',
      'get-tiny-image',
      'get-structured-content',
      'get-annotated-message',
      'get-resource-links',
      'get-resource-reference',
      'get-roots-list',
      'trigger-long-running-operation',
      'toggle-simulated-logging',
      'toggle-subscriber-updates',
    ],
    confirm: ['trigger-sampling-request', 'trigger-elicitation-request'],
    deny: ['get-env', 'gzip-file-as-resource', 'trigger-url-elicitation', 'simulate-research-query'],
  },
};

test('the shipped policy raises no complaint and no doubt', () => {
  assert.deepEqual(said(loaded), []);
  assert.deepEqual(
    loaded.servers.map(({ spec }) => spec.name),
    Object.keys(tools).sort(),
  );
});

test('every tool meets the verdict that was meant for it', () => {
  for (const [server, verdicts] of Object.entries(tools)) {
    for (const [expected, names] of Object.entries(verdicts)) {
      for (const name of names)
        assert.equal(verdict(server, { kind: 'tool', name }), expected, `${server}/${name}`);
    }
  }
});

test('a tool that nobody has thought about is closed', () => {
  for (const server of Object.keys(tools))
    assert.equal(verdict(server, { kind: 'tool', name: 'new-tool' }), 'deny');
});

test('documents and prompts are open, and nothing beside them', () => {
  const reads: readonly (readonly [string, string, string])[] = [
    ['everything', 'demo://resource/dynamic/text/1', 'allow'],
    ['everything', 'demo://resource/dynamic/blob/{resourceId}', 'allow'],
    ['everything', 'demo://resource/static/document/features.md', 'allow'],
    ['everything', 'demo://resource/session/x', 'deny'],
    ['everything', 'demo://resource/static/document/../../session/x', 'deny'],
    ['memory', 'memory://knowledge-graph', 'allow'],
    ['filesystem', 'file:///etc/passwd', 'deny'],
  ];
  for (const [server, uri, expected] of reads)
    assert.equal(verdict(server, { kind: 'resource', uri }), expected, uri);
  assert.equal(verdict('everything', { kind: 'prompt', name: 'args-prompt' }), 'allow');
  assert.equal(verdict('everything', { kind: 'prompt', name: 'other' }), 'deny');
});

test('a client cannot give the filesystem server another folder', () => {
  assert.equal(verdict('filesystem', { kind: 'upcall', method: 'roots/list' }), 'deny');
  for (const method of ['roots/list', 'sampling/createMessage', 'elicitation/create']) {
    assert.equal(verdict('everything', { kind: 'upcall', method }), 'allow', method);
    assert.equal(verdict('memory', { kind: 'upcall', method }), 'deny', method);
  }
});

test('what stands in the comments of the manual is as good as what stands beside them', (t) => {
  const dir = scratch(t);
  const manual = (name: string) =>
    readFileSync(join(policies, name), 'utf8')
      .split('\n')
      // Another base than the reader's, and a second way to write a line that is there.
      .filter((line) => !/^# (extends = |per_caller = )/.test(line))
      .map((line) => line.replace(/^# (?=[A-Za-z_]+ = |\[)/, ''))
      .join('\n');
  const [daemon, server] = [manual('mcpd.toml'), manual('servers/filesystem.toml')];
  for (const line of ['[webhooks.chat]', 'total = "100/s"']) assert.ok(daemon.includes(`\n${line}`), line);
  for (const line of ['[[limit]]', '[[redact]]', 'stage = ', 'DB_PASSWORD = '])
    assert.ok(server.includes(`\n${line}`), line);
  put(dir, {
    'mcpd.toml': daemon.replace('[roles]', '[roles]\nbeta = ["b"]').replace('http_sse = true', ''),
    'servers/filesystem.toml': server.replace(/^command = .*$/m, 'command = "/bin/cat"'),
    'servers/memory.toml': 'command = "/bin/cat"\n',
    'sandbox/README.txt': '',
  });
  const uncommented = loadPolicies(dir, { HOME: '/h' }, { detectors: [...redactNames] });
  assert.ok(uncommented.ok, said(uncommented).join('\n'));
});

test('one tool has a limit low enough to be seen', () => {
  const decision = decide(
    orders,
    {
      server: 'filesystem',
      target: { kind: 'tool', name: 'list_directory' },
      principal: { name: 'a' },
      args: { path: '.' },
    },
    facts,
  );
  assert.ok(decision.kind === 'allow');
  assert.deepEqual(
    decision.rates.map(({ text }) => text),
    ['5/min'],
  );
});

test('every case comes out as it says, and every rule is the reason in one', () => {
  for (const server of loaded.servers) casesHold(orders, server);
});

test('every server says what it is for, what not, and who answers for it', () => {
  for (const { contract } of loaded.servers) {
    for (const words of [contract.purpose, contract.owner, contract.outOfScope])
      assert.ok(words !== undefined);
  }
});

test('what the memory server remembers lies outside the folder that is served', () => {
  const cwd = (name: string) => loaded.servers.find(({ spec }) => spec.name === name)?.spec.cwd ?? '';
  const memory =
    loaded.servers.find(({ spec }) => spec.name === 'memory')?.spec.env['MEMORY_FILE_PATH'] ?? '';
  assert.ok(memory.startsWith('/') && !memory.includes('node_modules'));
  assert.ok(!memory.startsWith(`${cwd('filesystem')}/`));
});

describe('every tool that a server has was thought about', { concurrency: true }, () => {
  for (const { spec } of loaded.servers) {
    test(spec.name, async () => {
      const known = Object.values(tools[spec.name] ?? {}).flat();
      const classes = orders.servers.get(spec.name)?.tools ?? [];
      for (const name of await toolsOf(spec)) {
        assert.ok(known.includes(name), `${spec.name}/${name}`);
        assert.ok(
          classes.some(({ pattern }) => pattern.test(name)),
          `${spec.name}/${name} has no class`,
        );
      }
    });
  }
});

/** Starts a real server and asks it, as a client that can do everything, so that it hides nothing. */
async function toolsOf(spec: ServerSpec): Promise<readonly string[]> {
  const child = spawn(spec.command, spec.args, {
    cwd: spec.cwd,
    // It is only asked for its tools, so it never writes the memory file.
    env: { PATH: `${join(process.execPath, '..')}:/usr/bin:/bin`, ...spec.env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const send = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const capabilities = { roots: {}, sampling: {}, elicitation: { form: {}, url: {} } };
  send({
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'test', version: '1' } },
  });
  try {
    for await (const line of createInterface(child.stdout)) {
      const message = JSON.parse(line) as {
        id?: number;
        method?: string;
        result?: { tools?: { name: string }[] };
      };
      if (message.id === 1 && message.method === undefined) {
        send({ method: 'notifications/initialized' });
        send({ id: 2, method: 'tools/list' });
      } else if (message.id === 2 && message.method === undefined) {
        return (message.result?.tools ?? []).map(({ name }) => name);
      }
    }
    throw new Error('it ended before it answered');
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}
