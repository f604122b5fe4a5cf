import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import type { Call } from '../../src/domain/call.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import { compile } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import { said } from './scratch.ts';

const loaded = loadPolicies(join(import.meta.dirname, '..', '..', 'policies'), { HOME: '/home/nobody' });
assert.ok(loaded.ok, said(loaded).join('\n'));
const compiled = compile(
  loaded.servers,
  { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
  undefined,
  'test',
);
assert.ok(compiled.ok, JSON.stringify(compiled));
const { orders } = compiled;

function verdict(server: string, target: Call['target']): string {
  return decide(orders, { server, target, principal: { name: 'anyone' } }).kind;
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

test('one tool has a limit low enough to be seen', () => {
  const decision = decide(orders, {
    server: 'filesystem',
    target: { kind: 'tool', name: 'list_directory' },
    principal: { name: 'a' },
  });
  assert.equal(decision.kind === 'allow' && decision.rate?.text, '5/min');
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
      for (const name of await toolsOf(spec)) assert.ok(known.includes(name), `${spec.name}/${name}`);
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
