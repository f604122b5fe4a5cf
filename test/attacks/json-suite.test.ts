import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { absent, corpusFile } from '../support/corpora.ts';
import type { TestSession } from '../support/daemon.ts';
import { at, readTree, writeTree } from '../support/oracle.ts';
import type { RawReply } from '../support/raw-http.ts';
import { assertServes, Ear, errorCode, headersOf, postBytes, startReference } from './reference.ts';

const folder = 'json-test-suite/test_parsing';

/** JSON by its grammar, but a member stands twice: readers disagree on which one counts. */
const repeated = new Set(['y_object_duplicated_key.json', 'y_object_duplicated_key_and_value.json']);
/** Not wrong in any one place, only nested beyond the bound, which is noticed first. */
const tooDeep = new Set([
  'n_structure_100000_opening_arrays.json',
  'n_structure_open_array_object.json',
  'i_structure_500_nested_arrays.json',
]);

const files = (): { name: string; bytes: Buffer }[] =>
  readdirSync(corpusFile(folder))
    .sort()
    .map((name) => ({ name, bytes: readFileSync(corpusFile(`${folder}/${name}`)) }));

function send(session: TestSession, body: Buffer): Promise<RawReply> {
  return postBytes(session.daemon, body, headersOf(session));
}

function assertRefused(name: string, reply: RawReply, ...codes: readonly number[]): void {
  assert.equal(reply.status, 400, `${name}: ${reply.status} ${reply.body.slice(0, 200)}`);
  assert.ok(codes.includes(errorCode(reply) ?? 0), `${name}: ${reply.body.slice(0, 200)}`);
}

describe('JSON at the edges of its grammar (JSONTestSuite)', () => {
  test(
    'as a whole body, none of it is a message, and what is no JSON is called that',
    { skip: absent('json-test-suite') },
    async () => {
      await using daemon = await startReference('all');
      const ear = new Ear(daemon);
      const session = await daemon.session('fx');
      const all = files();
      assert.equal(all.length, 318);
      for (const { name, bytes } of all) {
        const reply = await send(session, bytes);
        if (tooDeep.has(name)) assertRefused(name, reply, -32600);
        else if (name.startsWith('n_') || repeated.has(name)) assertRefused(name, reply, -32700);
        else if (name.startsWith('y_')) assertRefused(name, reply, -32600);
        else assertRefused(name, reply, -32700, -32600);
      }
      assert.deepEqual(ear.since(0), []);
      await assertServes(daemon);
    },
  );

  test(
    'inside arguments, what is JSON goes out as it is, to the digit, and the rest goes nowhere',
    { skip: absent('json-test-suite') },
    async () => {
      await using daemon = await startReference('all');
      const ear = new Ear(daemon);
      const session = await daemon.session('fx');
      const outcomes = { forwarded: 0, refused: 0 };
      for (const { name, bytes } of files()) {
        for (const [before, after] of [
          ['{"value":', '}'],
          ['', ''],
        ] as const) {
          const body = Buffer.concat([
            Buffer.from(
              `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${before}`,
            ),
            bytes,
            Buffer.from(`${after}}}`),
          ]);
          const { mark } = ear;
          const reply = await send(session, body);
          assert.ok(reply.status < 500, `${name}: ${reply.status}`);
          const heard = ear.since(mark);
          if (reply.status === 200 && errorCode(reply) === undefined) {
            outcomes.forwarded++;
            assert.ok(!name.startsWith('n_'), `${name} is no JSON and went out`);
            assert.equal(heard.length, 1);
            // A lossy decoder on our side would make the two sides differ here.
            const sent = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
            const params = at(readTree(sent), 'params');
            assert.equal(heard[0]?.params, params === undefined ? '' : writeTree(params), name);
          } else {
            outcomes.refused++;
            assert.deepEqual(heard, [], name);
            // By itself only an object can be the arguments.
            if (name.startsWith('y_') && (before !== '' || readTree(bytes.toString())?.kind === 'object'))
              assert.ok(repeated.has(name), `${name} was refused`);
            if (name.startsWith('n_') && !tooDeep.has(name)) assertRefused(name, reply, -32700);
          }
        }
      }
      assert.ok(outcomes.forwarded >= 93 && outcomes.refused > 2 * 188, JSON.stringify(outcomes));
      ear.assertClean();
      await assertServes(daemon);
    },
  );
});
