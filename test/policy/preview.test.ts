import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preview } from '../../src/policy/preview.ts';
import { me, ordersFor, referenceRules } from './support.ts';

const orders = ordersFor(referenceRules);

test('a preview sorts the tools of a catalog as calls would find them', () => {
  const tools = new Map(['echo', 'write_file', 'delete_file', 'other'].map((name) => [name, 'hash']));
  const catalog = {
    serverName: '',
    serverVersion: '',
    protocolVersion: '',
    tools,
    resources: [],
    resourceTemplates: [],
    prompts: [],
  };
  assert.deepEqual(preview(orders, 'fx', me, catalog), {
    allowed: ['echo'],
    gated: ['write_file'],
    hidden: ['delete_file', 'other'],
  });
});
