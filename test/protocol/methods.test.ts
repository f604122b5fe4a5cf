import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { methods, methodToClient, methodToServer, type Revision } from '../../src/protocol/methods.ts';
import { absent, corpusFile } from '../support/corpora.ts';

describe('the table of methods', () => {
  test('does not know what objects are born with', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      assert.equal(methodToServer(name), undefined);
      assert.equal(methodToClient(name), undefined);
    }
  });
  test('takes no other spelling', () => {
    for (const name of ['tools/call ', 'TOOLS/CALL', 'tools//call', 'tools/call\u0000', ''])
      assert.equal(methodToServer(name), undefined);
  });
  test('keeps what servers say from callers, and the other way round', () => {
    assert.equal(methodToServer('sampling/createMessage'), undefined);
    assert.equal(methodToClient('tools/call'), undefined);
    assert.equal(methodToServer('ping'), methodToClient('ping'));
  });
  test('carries no tasks', () => {
    assert.deepEqual(
      [...methods.keys()].filter((it) => it.includes('task')),
      [],
    );
  });
  test('calls notices by names of notices, and nothing else', () => {
    for (const [name, { form }] of methods)
      assert.equal(name.startsWith('notifications/'), form === 'notice', name);
  });

  const revisions: readonly Revision[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
  for (const revision of revisions) {
    test(
      `names the methods that the schema of ${revision} has, tasks aside`,
      { skip: absent(`mcp-spec/schema/${revision}`) },
      () => {
        const schema = readFileSync(corpusFile(`mcp-spec/schema/${revision}/schema.json`), 'utf8');
        const inSchema = new Set(
          [...schema.matchAll(/"const":\s*"([A-Za-z]+(?:\/[A-Za-z_/]+)?)"/g)]
            .map((it) => it[1] ?? '')
            .filter(
              (it) => (it.includes('/') || it === 'ping' || it === 'initialize') && !/tasks|^ref\//.test(it),
            ),
        );
        const inTable = [...methods]
          .filter(([, it]) => it.revisions.includes(revision))
          .map(([name]) => name);
        assert.deepEqual(inTable.sort(), [...inSchema].sort());
      },
    );
  }
});
