import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { carryOut } from '../../src/operate/commands.ts';
import type { Reply } from '../../src/operate/reply.ts';
import type { PinReport } from '../../src/pins/report.ts';
import { definitionDigest } from '../../src/protocol/tool-definition.ts';
import { definitionOf, FakePlane, visitor } from './plane.ts';

let dir = '';
let plane: FakePlane;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-pins-'));
  plane = new FakePlane(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const order = (command: string, args: object = {}): Promise<Reply & Record<string, unknown>> =>
  carryOut(plane, { command, args, visitor: visitor('ops') });
const code = (reply: Reply) => (reply.ok ? 'ok' : reply.error.code);
const changed = definitionOf('write_file', { description: 'And tells everybody. s3cret' });
const lists = (...definitions: readonly ReturnType<typeof definitionOf>[]) =>
  plane.pins.saw('files', definitions, 'own', true);
const servers = (reply: Record<string, unknown>) => reply['servers'] as readonly PinReport[];

beforeEach(() => {
  lists(definitionOf('read_file'), definitionOf('write_file'));
  lists(definitionOf('read_file'), changed);
});

describe('mcpd ctl pins', () => {
  test('shows what is held back and what changed in it, without secrets', async () => {
    const reply = await order('pins');
    const [report] = servers(reply);
    assert.deepEqual([reply['durable'], report?.counts], [true, { changed: 1, pinned: 1 }]);
    assert.deepEqual(report?.tools[0]?.changes, [
      { at: 'description', was: '"The write_file tool"', is: '"And tells everybody. [redacted]"' },
    ]);
    assert.deepEqual(JSON.parse(JSON.stringify(reply)), reply);
    assert.deepEqual(
      plane.records.map(({ command, result }) => `${command} ${result}`),
      ['pins done'],
    );
  });

  test('is about one server or one tool, where it is told so', async () => {
    assert.equal(servers(await order('pins', { what: 'files' })).length, 1);
    const [report] = servers(await order('pins', { what: 'files/read_file' }));
    assert.deepEqual(
      report?.tools.map(({ tool }) => tool),
      ['read_file'],
    );
    // Known, and has listed nothing yet.
    assert.deepEqual(servers(await order('pins', { what: 'memory' })), []);
  });

  test('refuses what there is not, and names the nearest', async () => {
    const reply = await order('pins', { what: 'fils' });
    assert.equal(code(reply), 'NOT_FOUND');
    assert.match(reply.ok ? '' : (reply.error.hint ?? ''), /files/);
    assert.equal(code(await order('pins', { what: 'files/nothing' })), 'NOT_FOUND');
    assert.equal(code(await order('pins', { what: 'files/' })), 'BAD_ARGUMENTS');
  });

  test('says so when what is pinned is not on disk', async () => {
    plane.diskFull = true;
    plane.pins.saw('memory', [definitionOf('a')], 'own', true);
    const reply = await order('pins');
    assert.equal(reply['durable'], false);
    assert.match(String(reply['because']), /no space/);
  });

  test('fits into an answer, however many tools there are', async () => {
    const evil = '\u{e0041}'.repeat(250);
    const many = Array.from({ length: 9_000 }, (_, at) =>
      definitionOf(`${at}${evil}`, {
        description: '\u0001'.repeat(2000),
        title: evil,
        x: evil,
        y: evil,
        z: evil,
      }),
    );
    plane.pins.saw('memory', [], 'own', true);
    plane.pins.saw('memory', many, 'own', true);
    const reply = await order('pins');
    assert.ok(JSON.stringify(reply).length * 3 < 8 * 1024 * 1024, String(JSON.stringify(reply).length));
    assert.equal(servers(reply).at(-1)?.more, 8_000);
  });
});

describe('mcpd ctl pin', () => {
  test('frees a tool, is written down before it is done, and shows the digest', async () => {
    const digest = definitionDigest(changed);
    const reply = await order('pin', { what: 'files/write_file', digest });
    assert.deepEqual(reply, {
      ok: true,
      command: 'pin',
      server: 'files',
      tool: 'write_file',
      changed: true,
      pinned: [{ tool: 'write_file', digest }],
      left: [],
    });
    assert.equal(plane.pins.quarantine('files', 'write_file'), undefined);
    assert.match(plane.locked ?? '', new RegExp(digest));
    assert.deepEqual(plane.told, ['record begun', 'record done']);
    assert.deepEqual(plane.records.at(-1)?.args, ['what=files/write_file', `digest=${digest}`]);
    assert.equal((await order('pin', { what: 'files/write_file' }))['changed'], false);
  });

  test('of a server frees all that it shows', async () => {
    const reply = await order('pin', { what: 'files' });
    assert.deepEqual([reply['changed'], (reply['pinned'] as unknown[]).length], [true, 2]);
    assert.equal(plane.pins.quarantine('files', 'write_file'), undefined);
  });

  for (const [what, args, expected] of [
    ['a server that there is not', { what: 'fils' }, 'NOT_FOUND'],
    ['a tool that no listing shows', { what: 'files/nothing' }, 'NOT_FOUND'],
    ['a server that has listed nothing', { what: 'memory' }, 'NOT_FOUND'],
    ['another digest than what is shown', { what: 'files/write_file', digest: 'ab'.repeat(32) }, 'OVERTAKEN'],
    ['another digest than that of the listing', { what: 'files', digest: 'ab'.repeat(32) }, 'OVERTAKEN'],
    ['a part of a digest', { what: 'files/write_file', digest: 'abcdef' }, 'BAD_ARGUMENTS'],
    ['a pattern', { what: 'files/*' }, 'NOT_FOUND'],
  ] as const) {
    test(`refuses ${what}`, async () => {
      const before = plane.locked;
      assert.equal(code(await order('pin', args)), expected);
      assert.equal(plane.locked, before);
      assert.notEqual(plane.pins.quarantine('files', 'write_file'), undefined);
    });
  }

  test('pins nothing without the journal, or without the disk', async () => {
    plane.journalBroken = true;
    assert.equal(code(await order('pin', { what: 'files' })), 'AUDIT_UNAVAILABLE');
    plane.journalBroken = false;
    plane.diskFull = true;
    assert.equal(code(await order('pin', { what: 'files/write_file' })), 'NOT_DURABLE');
    assert.notEqual(plane.pins.quarantine('files', 'write_file'), undefined);
  });

  test('needs to be told which, when callers are shown yet another definition', async () => {
    plane.pins.saw('files', [definitionOf('write_file', { description: 'third' })], 'session S', false);
    assert.equal(code(await order('pin', { what: 'files/write_file' })), 'AMBIGUOUS');
    const third = definitionDigest(definitionOf('write_file', { description: 'third' }));
    const reply = await order('pin', { what: 'files/write_file', digest: third });
    assert.equal(reply['changed'], true);
    // What mcpd saw may be old. If it is not, its next listing holds the tool back again.
    assert.equal(plane.pins.quarantine('files', 'write_file'), undefined);
    lists(definitionOf('read_file'), changed);
    assert.notEqual(plane.pins.quarantine('files', 'write_file'), undefined);
  });
});
