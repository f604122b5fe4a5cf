import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { commands } from '../../src/operate/commands.ts';
import { readArgs } from '../../src/operate/args.ts';
import { FakePlane } from './plane.ts';

let dir = '';
let plane: FakePlane;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-secret-commands-'));
  plane = new FakePlane(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function order(name: string, given: object = {}) {
  const command = commands.get(name);
  assert.ok(command !== undefined);
  return command.does(plane, readArgs(command.args, given), 'lea', {
    name: 'lea',
    role: 'operator',
    as: 'user',
  });
}

test('secrets shows which server uses which, and no value', async () => {
  assert.deepEqual(await order('secrets'), {
    ok: true,
    command: 'secrets',
    secrets: [
      {
        server: 'files',
        variable: 'TOKEN',
        reference: 'vault:files',
        state: 'held',
        ttlMs: 60_000,
        because: null,
      },
    ],
  });
});

test('refresh-secret starts servers anew, unless they may keep what they have', async () => {
  const reply = await order('refresh-secret', { reference: 'vault:files' });
  assert.deepEqual(reply, {
    ok: true,
    command: 'refresh-secret',
    reference: 'vault:files',
    used: true,
    restarted: ['files'],
    retried: [],
    untouched: [],
  });
  const kept = await order('refresh-secret', { reference: 'vault:nobodys', keep: true });
  assert.deepEqual([kept['used'], kept['restarted']], [false, []]);
  assert.deepEqual(plane.told, ['secret vault:files', 'secret vault:nobodys keep']);
});
