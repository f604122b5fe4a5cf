import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonText } from '../../src/domain/message.ts';
import type { OfferedTool } from '../../src/domain/upstream.ts';
import { idlePatterns, preview } from '../../src/policy/preview.ts';
import { facts, knowing, me, ordersFor, ordersWith, referenceRules, rule } from './support.ts';

const orders = ordersFor(referenceRules);

const offered: OfferedTool = {
  digest: '',
  definition: '{}' as JsonText,
  inputSchema: undefined,
  admits: undefined,
};

const catalogOf = (...names: string[]) => ({
  serverName: '',
  serverVersion: '',
  protocolVersion: '',
  tools: new Map(names.map((name) => [name, offered])),
  resources: [],
  resourceTemplates: [],
  prompts: [],
  mirrored: new Map(),
});

test('a preview sorts the tools of a catalog as calls would find them', () => {
  assert.deepEqual(
    preview(orders, 'fx', me, catalogOf('echo', 'write_file', 'delete_file', 'other'), facts),
    {
      allowed: ['echo'],
      gated: ['write_file'],
      hidden: ['delete_file', 'other'],
    },
  );
});

test('a misspelt name in a rule does not go unnoticed, whatever the rule says', () => {
  const rules = [
    rule('all', 'allow', { tools: ['*'] }),
    rule('no forgetting', 'deny', { tools: ['deletes_*', 'delete_file'] }),
    rule('asking', 'confirm', { tools: ['wrote_file'] }),
  ];
  assert.deepEqual(idlePatterns(ordersFor(rules), 'fx', catalogOf('echo', 'delete_file')), [
    { rule: 'no forgetting', pattern: 'deletes_*' },
    { rule: 'asking', pattern: 'wrote_file' },
  ]);
  assert.deepEqual(idlePatterns(ordersFor(rules), 'elsewhere', catalogOf('echo')), []);
});

test('a preview counts what a tool admits, and what is in quarantine', () => {
  const reads = ordersWith([rule('reads', 'allow', { tools: ['*'], risk: ['read'] })]);
  const catalog = {
    ...catalogOf('echo', 'gone'),
    tools: new Map([
      ['echo', offered],
      ['gone', offered],
      ['graver', { ...offered, admits: 'write' as const }],
    ]),
  };
  assert.deepEqual(preview(reads, 'fx', me, catalog, knowing({ gone: { quarantined: 'changed' } })), {
    allowed: ['echo'],
    gated: [],
    hidden: ['gone', 'graver'],
  });
});
