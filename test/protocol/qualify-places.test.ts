import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Listing } from '../../src/domain/call.ts';
import type { JsonText } from '../../src/domain/message.ts';
import {
  qualifyAnswer,
  qualifyEntry,
  qualifyParams,
  relatedTask,
  withApart,
} from '../../src/protocol/qualify-places.ts';

const json = (value: unknown): JsonText => JSON.stringify(value) as JsonText;
const result = (text: string) => ({ kind: 'result', text: text as JsonText }) as const;

/** Texts in which what stands after `@` is a name of the server's. */
const plain = (text: string) => text.replaceAll('@uri', 'file:///a').replaceAll('@id', 't-1') as JsonText;
const qualified = (text: string) =>
  text.replaceAll('@uri', 'mcpd.fs+file:///a').replaceAll('@id', 'fs.t-1') as JsonText;

describe('an answer with its names qualified', () => {
  const table: readonly (readonly [what: string, method: string, text: string])[] = [
    [
      'contents of a resource',
      'resources/read',
      '{"contents":[{"uri":"@uri","text":"file:///a"},{"uri":"@uri","blob":"","_meta":{"uri":"file:///a"}}]}',
    ],
    [
      'links and embedded resources of a tool, and nothing that only looks like one',
      'tools/call',
      '{"content":[{"type":"text","text":"file:///a"},{"type":"resource_link","uri":"@uri","name":"file:///a"},{"type":"resource","resource":{"uri":"@uri","text":"x"}}],"structuredContent":{"uri":"file:///a","content":[{"uri":"file:///a"}],"taskId":"t-1"},"taskId":"t-1"}',
    ],
    [
      'content of a prompt',
      'prompts/get',
      '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"@uri","text":""}}},{"role":"user","content":{"type":"resource_link","uri":"@uri","name":"n"}}]}',
    ],
    ['a task that was begun (2025-11-25)', 'tools/call', '{"task":{"taskId":"@id","status":"working"}}'],
    [
      'a task that was begun (2026-07-28)',
      'tools/call',
      '{"resultType":"task","taskId":"@id","status":"working"}',
    ],
    [
      'a task, asked about',
      'tasks/get',
      '{"taskId":"@id","result":{"content":[{"type":"resource_link","uri":"@uri"}]}}',
    ],
    [
      'what a task found',
      'tasks/result',
      '{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"@id"}}}',
    ],
    ['a task that was cancelled', 'tasks/cancel', '{"taskId":"@id"}'],
    [
      'digits, order and unknown members stay',
      'resources/read',
      '{"z":10000000000000000000001,"contents":[{"b":1.10,"uri":"@uri","a":-0}],"a":1e400}',
    ],
    ['a list where an object belongs', 'resources/read', '{"contents":{"uri":"file:///a"}}'],
    ['a number where a name belongs', 'resources/read', '{"contents":[{"uri":1}]}'],
    ['a method that names nothing', 'completion/complete', '{"contents":[{"uri":"file:///a"}]}'],
  ];
  for (const [what, method, text] of table)
    it(what, () => assert.equal(qualifyAnswer('fs', method, result(plain(text))).text, qualified(text)));

  it('an error names the resource, or what to visit', () => {
    const text =
      '{"code":-32002,"message":"file:///a","data":{"uri":"@uri","elicitations":[{"elicitationId":"@id"}]}}';
    assert.equal(
      qualifyAnswer('fs', 'resources/read', { kind: 'error', text: plain(text) }).text,
      qualified(text),
    );
  });

  it('is the same object where it names nothing', () => {
    const answer = result('{"content":[{"type":"text","text":"\\"uri\\":"}]}');
    assert.equal(qualifyAnswer('fs', 'tools/call', answer), answer);
  });
});

describe('a message of a server with its names qualified', () => {
  for (const [method, text] of [
    ['notifications/resources/updated', '{"uri":"@uri","title":"t"}'],
    ['notifications/tasks', '{"taskId":"@id"}'],
    [
      'notifications/tasks/status',
      '{"taskId":"@id","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"@id"}}}',
    ],
    ['notifications/elicitation/complete', '{"elicitationId":"@id"}'],
    ['elicitation/create', '{"mode":"url","elicitationId":"@id","url":"https://x.example/?uri=file:///a"}'],
    [
      'notifications/subscriptions/acknowledged',
      '{"notifications":{"resourceSubscriptions":["@uri","@uri"],"toolsListChanged":true}}',
    ],
    ['notifications/progress', '{"progressToken":7,"progress":1}'],
    ['notifications/message', '{"level":"info","data":{"uri":"file:///a","taskId":"t-1"}}'],
  ] as const)
    it(method, () => assert.equal(qualifyParams('fs', method, plain(text)), qualified(text)));

  it('a question bears its own token, which two servers may have given alike', () => {
    assert.equal(
      qualifyParams('fs', 'sampling/createMessage', json({ messages: [], _meta: { progressToken: 1 } })),
      json({ messages: [], _meta: { progressToken: 'fs.n1' } }),
    );
  });

  it('what was qualified is taken apart again at one place, and nowhere else', () => {
    const answer = { _meta: { 'io.modelcontextprotocol/related-task': { taskId: 'fs.t' } }, text: 'fs.t' };
    const back = withApart(json(answer), relatedTask, (id) => (id === 'fs.t' ? 't' : undefined));
    assert.equal(
      back,
      json({ ...answer, _meta: { 'io.modelcontextprotocol/related-task': { taskId: 't' } } }),
    );
    assert.equal(
      withApart(json(answer), relatedTask, () => undefined),
      json(answer),
    );
  });
});

describe('an entry of a listing', () => {
  for (const [of, entry, as] of [
    ['tools', { title: 'T', name: 'a', x: 1 }, { title: 'T', name: 'fs__a', x: 1 }],
    ['prompts', { name: 'a', arguments: [{ name: 'b' }] }, { name: 'fs__a', arguments: [{ name: 'b' }] }],
    ['resources', { uri: 'x:y', name: 'n' }, { uri: 'mcpd.fs+x:y', name: 'n' }],
    ['resourceTemplates', { uriTemplate: '{s}://y' }, { uriTemplate: 'mcpd.fs+{s}://y' }],
    ['tasks', { taskId: '1' }, { taskId: 'fs.1' }],
  ] as const satisfies readonly (readonly [Listing, object, object])[])
    it(`of ${of}`, () => assert.equal(qualifyEntry('fs', of, json(entry))?.text, json(as)));

  it('that cannot be named has no form', () => {
    for (const entry of [1, null, 'a', [], {}, { name: 1 }, { name: '' }, { name: '\ud800' }])
      assert.equal(qualifyEntry('fs', 'tools', json(entry)), undefined, JSON.stringify(entry));
  });
});
