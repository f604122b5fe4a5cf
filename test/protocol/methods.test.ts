import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { methods, methodToClient, methodToServer, type Revision } from '../../src/protocol/methods.ts';
import { absent, corpusFile } from '../support/corpora.ts';

describe('the table of methods', () => {
  test('does not know what objects are born with', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      assert.equal(methodToServer(name, 'legacy'), undefined);
      assert.equal(methodToClient(name), undefined);
    }
  });
  test('takes no other spelling', () => {
    for (const name of ['tools/call ', 'TOOLS/CALL', 'tools//call', 'tools/call\u0000', ''])
      assert.equal(methodToServer(name, 'legacy'), undefined);
  });
  test('keeps what servers say from callers, and the other way round', () => {
    assert.equal(methodToServer('sampling/createMessage', 'legacy'), undefined);
    assert.equal(methodToClient('tools/call'), undefined);
    assert.equal(methodToServer('ping', 'legacy'), methodToClient('ping'));
  });
  test('keeps the eras apart', () => {
    for (const name of ['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'tasks/list'])
      assert.equal(methodToServer(name, 'modern'), undefined, name);
    for (const name of ['server/discover', 'subscriptions/listen', 'tasks/update'])
      assert.equal(methodToServer(name, 'legacy'), undefined, name);
    assert.equal(methodToServer('tools/call', 'modern'), methodToServer('tools/call', 'legacy'));
    assert.equal(methodToServer('tasks/get', 'modern'), methodToServer('tasks/get', 'legacy'));
  });
  test('calls notices by names of notices, and nothing else', () => {
    for (const [name, { form }] of methods)
      assert.equal(name.startsWith('notifications/'), form === 'notice', name);
  });

  const revisions: readonly Revision[] = [
    '2024-11-05',
    '2025-03-26',
    '2025-06-18',
    '2025-11-25',
    '2026-07-28',
  ];
  for (const revision of revisions) {
    test(
      `names the methods that the schema of ${revision} has`,
      { skip: absent(`mcp-spec/schema/${revision}`) },
      () => {
        const schema = readFileSync(corpusFile(`mcp-spec/schema/${revision}/schema.json`), 'utf8');
        const inSchema = new Set(
          [...schema.matchAll(/"const":\s*"([A-Za-z]+(?:\/[A-Za-z_/]+)?)"/g)]
            .map((it) => it[1] ?? '')
            .filter(
              (it) => (it.includes('/') || it === 'ping' || it === 'initialize') && !it.startsWith('ref/'),
            ),
        );
        // In 2026-07-28 tasks are an extension, with a schema of its own.
        const extension = revision === '2026-07-28' ? /tasks/ : /^$/;
        const inTable = [...methods]
          .filter(([name, it]) => it.revisions.includes(revision) && !extension.test(name))
          .map(([name]) => name);
        assert.deepEqual(inTable.sort(), [...inSchema].sort());
      },
    );
  }
});
