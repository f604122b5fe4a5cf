import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Json, JsonText } from '../../src/domain/message.ts';
import type { Returns } from '../../src/domain/orders.ts';
import { encode } from '../../src/protocol/codec.ts';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { now } from '../../src/redact/drive.ts';
import { curb, cut } from '../../src/redact/returns.ts';
import { textOf, treeOf } from '../../src/redact/tree.ts';
import { given, ordersWith, redactorWith, result, toolCall } from './support.ts';

const token = `ghp_${'aB3dE5gH7jK9'.repeat(3)}`;
const text = (it: string): object => ({ type: 'text', text: it });

async function seen(value: object, returns: Returns, hasSchema = false): Promise<Json> {
  const redactor = redactorWith(() => (hasSchema ? true : undefined));
  return given(await redactor.outward(ordersWith([], { read: returns }), toolCall('read'), result(value)));
}
const firstText = (value: Json): string => (value as { content: { text: string }[] }).content[0]?.text ?? '';

describe('full', () => {
  const full = (bytesMax: number): Returns => ({ mode: 'full', bytesMax });
  test('gives everything that is not larger than the cap', async () => {
    const value = { content: [text('abc')], structuredContent: { a: 1 } };
    assert.deepEqual(await seen(value, full(1000)), value);
  });
  test('cuts the text that goes over the cap of the whole result, and marks it', async () => {
    const value = { content: [text('a'.repeat(90)), text('b'.repeat(90)), text('c'.repeat(90))] };
    assert.deepEqual(await seen(value, full(100)), {
      content: [
        text('a'.repeat(90)),
        text(`${'b'.repeat(10)}[cut by mcpd: 10 of 90 bytes shown]`),
        text('[cut by mcpd: 0 of 90 bytes shown]'),
      ],
    });
  });
  test('drops structured content that is too large, or refuses where its schema asks for it', async () => {
    const value = { content: [text('a')], structuredContent: { long: 'x'.repeat(300) } };
    assert.deepEqual(await seen(value, full(100)), { content: [text('a')] });
    assert.match(JSON.stringify(await seen(value, full(100), true)), /larger than the 100 bytes/);
  });
});

describe('snippet', () => {
  const snippet = (bytesMax: number): Returns => ({ mode: 'snippet', bytesMax });
  test('shows the begin of each text, and how much there was', async () => {
    const value = {
      content: [
        text('x'.repeat(3000)),
        { type: 'resource', resource: { uri: 'file:///a', text: 'é'.repeat(20) } },
      ],
      structuredContent: { a: 'y'.repeat(20), b: [1, 'z'] },
    };
    assert.deepEqual(await seen(value, snippet(11)), {
      content: [
        text(`${'x'.repeat(11)}[cut by mcpd: 11 of 3000 bytes shown]`),
        {
          type: 'resource',
          resource: { uri: 'file:///a', text: `${'é'.repeat(5)}[cut by mcpd: 10 of 40 bytes shown]` },
        },
      ],
      structuredContent: { a: `${'y'.repeat(11)}[cut by mcpd: 11 of 20 bytes shown]`, b: [1, 'z'] },
    });
  });
  test('does not cut files, it says that there was one', async () => {
    const data = Buffer.alloc(300, 1).toString('base64');
    const value = { content: [{ type: 'image', mimeType: 'image/png', data }] };
    assert.match(
      firstText(await seen(value, snippet(100))),
      /^\[image\/png, 300 bytes, sha256 [0-9a-f]{64}; withheld by mcpd\]$/,
    );
    assert.deepEqual(await seen(value, snippet(1000)), value);
  });
  test('takes secrets out before it cuts', async () => {
    assert.ok(!firstText(await seen({ content: [text(`a ${token}`)] }, snippet(20))).includes('ghp_'));
  });
});

describe('metadata', () => {
  const metadata: Returns = { mode: 'metadata', bytesMax: 1000 };
  test('says type, size and digest of the redacted text, and nothing else', async () => {
    const long = 'words '.repeat(20);
    const value = {
      content: [
        text(`${long}${token}`),
        text('4711'),
        { type: 'resource_link', uri: 'file:///secret-name', name: 'n' },
      ],
      _meta: { note: 'secret note' },
      extra: 'secret extra',
      isError: false,
    };
    const shown = `${long}[redacted:github-token]`;
    const digest = createHash('sha256').update(shown).digest('hex');
    assert.deepEqual(await seen(value, metadata), {
      content: [
        text(`[text, ${shown.length} bytes, sha256 ${digest}; withheld by mcpd]`),
        // A digest of four digits would only have to be tried out.
        text('[text, 4 bytes; withheld by mcpd]'),
        text('[resource_link; withheld by mcpd]'),
      ],
      isError: false,
    });
  });
  test('drops structured content, or refuses where its schema asks for it', async () => {
    const value = { content: [], structuredContent: { a: 1 } };
    assert.deepEqual(await seen(value, metadata), { content: [] });
    assert.match(JSON.stringify(await seen(value, metadata, true)), /output schema/);
  });
  test('goes for what a task came to', async () => {
    const value = { taskId: 't', status: 'completed', result: { content: [text('4711')] } };
    assert.deepEqual(await seen(value, metadata), {
      ...value,
      result: { content: [text('[text, 4 bytes; withheld by mcpd]')] },
    });
  });
  test('goes for errors', async () => {
    const answer = {
      kind: 'error',
      text: encode({ code: -32000, message: 'no such row 4711', data: { row: 4711 } }),
    } as const;
    const outward = await redactorWith().outward(
      ordersWith([], { read: metadata }),
      toolCall('read'),
      answer,
    );
    assert.deepEqual(given(outward), { code: -32000, message: '[16 bytes; withheld by mcpd]' });
  });
});

describe('what is no list of blocks', () => {
  const metadata: Returns = { mode: 'metadata', bytesMax: 1000 };
  const file = `${'all of the file '.repeat(20)}the end`;
  const leaks: object[] = [
    { content: { type: 'text', text: file }, x: file },
    { x: file },
    { toolResult: { a: [file] } },
    { content: file },
    { content: [file, [file], { type: 'text', text: { a: file } }] },
    { content: [{ type: 'text', text: '', data: file, note: file, _meta: { a: file } }] },
    { content: [], isError: file, resultType: file, _meta: { a: file }, inputRequests: { a: file } },
    { content: [], result: { content: file } },
    { task: { taskId: 't', status: 'working', statusMessage: file, x: file } },
    { taskId: 't', status: 'completed', result: file, error: file, statusMessage: file },
    { taskId: 't', status: 'completed', result: { x: file } },
    { taskId: 't', status: 'completed', result: { content: { text: file } } },
    { taskId: 't', status: 'failed', error: { code: 1, message: file, data: file, x: file } },
    { structuredContent: file },
    { content: [], _meta: { 'io.modelcontextprotocol/related-task': file } },
    { content: [], _meta: { 'io.modelcontextprotocol/related-task': { taskId: file, note: file } } },
    { taskId: 't', status: 'completed', result: { taskId: 'u', status: 'completed', result: { x: file } } },
    { taskId: 't', status: 'completed', result: { taskId: 'u', status: 'failed', error: { message: file } } },
    { content: [], [file]: 1 },
    { content: [], _meta: { [file]: 1 } },
    { content: [{ type: 'text', text: '', [file]: 1 }] },
    { content: [{ type: 'text', text: '', annotations: { audience: [file] } }] },
    { content: [{ type: 'resource_link', name: 'n', uri: `file:///${file}` }] },
    { content: [{ type: 'resource', resource: file }] },
  ];
  for (const value of leaks)
    for (const returns of [
      metadata,
      { mode: 'snippet', bytesMax: 30 },
      { mode: 'full', bytesMax: 30 },
    ] as const)
      test(`is held to ${returns.mode}: ${JSON.stringify(value).replaceAll(file, 'FILE')}`, async () => {
        const shown = JSON.stringify(await seen(value, returns));
        assert.ok(!shown.includes('the end'), shown);
        assert.ok(returns.mode !== 'metadata' || !shown.includes('all of'), shown);
        assert.ok(returns.mode !== 'full' || shown.split('all of').length <= 4, shown);
      });
  test('gives way to an empty list where nothing else may be given', async () => {
    assert.deepEqual(await seen({ content: { type: 'text', text: 'a' }, x: 'a' }, metadata), { content: [] });
    assert.deepEqual(await seen({ x: 'a' }, metadata), { content: [] });
    assert.deepEqual(await seen({ taskId: 't', status: 'completed', result: { x: 'a' } }, metadata), {
      taskId: 't',
      status: 'completed',
      result: { content: [] },
    });
  });
  const protocols: object[] = [
    {},
    { resultType: 'complete' },
    {
      task: {
        taskId: 'a-task-of-somebody-with-a-long-id-0123456789',
        status: 'working',
        createdAt: '2026-01-02T03:04:05.678Z',
        lastUpdatedAt: '2026-01-02T03:04:05.678Z',
        ttl: null,
        pollInterval: 500,
      },
    },
    { resultType: 'task', taskId: 'a-task-of-somebody-with-a-long-id', status: 'working', ttlMs: 6000 },
    {
      resultType: 'input_required',
      requestState: 'a state that the server must have back as it was',
      inputRequests: { q: { method: 'elicitation/create', params: { message: 'may I look at the file?' } } },
    },
    {
      taskId: 't',
      status: 'input_required',
      inputRequests: { q: { method: 'elicitation/create', params: { message: 'may I look at the file?' } } },
    },
  ];
  for (const value of protocols)
    for (const mode of ['metadata', 'snippet', 'full'] as const)
      test(`of the protocol stays with ${mode}: ${JSON.stringify(value).slice(0, 60)}`, async () => {
        assert.deepEqual(await seen(value, { mode, bytesMax: 20 }), value);
      });
  test('of the protocol stays: which task a result is of', async () => {
    const related = {
      'io.modelcontextprotocol/related-task': { taskId: 'a-task-of-somebody-with-a-long-id' },
    };
    const value = { content: [], _meta: related };
    assert.deepEqual(await seen({ content: [], _meta: { ...related, x: file } }, metadata), value);
    assert.deepEqual(await seen(value, { mode: 'snippet', bytesMax: 20 }), value);
    assert.deepEqual(await seen(value, { mode: 'full', bytesMax: 20 }), value);
  });
  test('in a block is cut too, but not the name of its type', async () => {
    const link = {
      type: 'resource_link',
      uri: 'file:///a/long/way',
      name: 'way',
      description: 'x'.repeat(30),
    };
    assert.deepEqual(await seen({ content: [link] }, { mode: 'snippet', bytesMax: 10 }), {
      content: [{ ...link, description: `${'x'.repeat(10)}[cut by mcpd: 10 of 30 bytes shown]` }],
    });
  });
});

describe('a result that was cut is still one', () => {
  const long = 'x'.repeat(300);
  const annotations = { audience: ['user'], priority: 1, lastModified: '2025-01-12T15:00:58Z' };
  const icons = [{ src: 'data:,', mimeType: 'image/png', sizes: ['48x48'], theme: 'dark' }];
  const uri = `file:///${'a'.repeat(300)}`;
  const blocks: object[] = [
    { ...text(long), annotations },
    { ...text(long), annotations: { ...annotations, note: long }, _meta: { a: long } },
    {
      type: 'resource_link',
      uri: 'file:///a',
      name: 'a',
      title: long,
      description: long,
      annotations,
      icons,
    },
    { type: 'resource_link', uri, name: 'a' },
    { type: 'resource_link', uri: 'file:///a', name: long },
    { type: 'resource', resource: { uri: 'file:///a', mimeType: 'text/plain', text: long }, annotations },
    { type: 'resource', resource: { uri, text: long }, annotations },
    { type: 'resource', resource: { uri: 'file:///a', blob: 'AAAA'.repeat(100) }, annotations },
    { type: 'image', data: 'AAAA', mimeType: 'image/png', annotations, _meta: { a: long } },
    { type: 'audio', data: 'AAAA', mimeType: 'audio/wav', annotations },
  ];
  for (const block of blocks)
    for (const mode of ['full', 'snippet', 'metadata'] as const)
      for (const bytesMax of [0, 2, 200])
        test(`${mode} of ${bytesMax}: ${JSON.stringify(block).slice(0, 90)}`, async () => {
          const shown = await seen({ content: [text(long), block] }, { mode, bytesMax });
          assert.equal(CallToolResultSchema.safeParse(shown).success, true, JSON.stringify(shown));
        });
  test('and says as before for whom it is', async () => {
    assert.deepEqual(
      await seen({ content: [{ ...text(long), annotations }] }, { mode: 'full', bytesMax: 2 }),
      {
        content: [{ ...text('xx[cut by mcpd: 2 of 300 bytes shown]'), annotations }],
      },
    );
  });
  test('and a place is whole or not there', async () => {
    const link = { type: 'resource_link', uri, name: 'a' };
    assert.deepEqual(await seen({ content: [link, text(long)] }, { mode: 'full', bytesMax: 400 }), {
      content: [link, text(`${long.slice(0, 90)}[cut by mcpd: 90 of 300 bytes shown]`)],
    });
    assert.equal(
      firstText(await seen({ content: [link] }, { mode: 'full', bytesMax: 99 })),
      '[resource_link; withheld by mcpd]',
    );
  });
});

// Members taken out one by one cost the square of their number: two megabytes held up everybody for seconds.
describe('of very many members none is moved more than once', () => {
  const pairs = Array.from({ length: 200_000 }, (_, index) => `"a${index}":{},"b${index}":1`).join();
  const moved = (value: string, isError: boolean, returns: Returns): number => {
    const root = now(treeOf(value as JsonText));
    const { splice } = Array.prototype;
    let count = 0;
    Array.prototype.splice = function (this: unknown[], from: number, ...rest: [number]): unknown[] {
      count += this.length - from;
      return splice.call(this, from, ...rest);
    };
    try {
      curb(root, isError, returns, false);
    } finally {
      Array.prototype.splice = splice;
    }
    JSON.parse(textOf(root));
    return count;
  };
  const cases: [string, boolean, Returns][] = [
    [`{"code":1,"message":"x",${pairs}}`, true, { mode: 'snippet', bytesMax: 100 }],
    [`{"code":1,"message":"x",${pairs}}`, true, { mode: 'metadata', bytesMax: 0 }],
    [`{"content":[],${pairs}}`, false, { mode: 'full', bytesMax: 20_000 }],
    [`{"content":[],${pairs}}`, false, { mode: 'metadata', bytesMax: 0 }],
    [`{"content":[],"_meta":{${pairs}}}`, false, { mode: 'full', bytesMax: 20_000 }],
    [`{"content":[{"type":"text","text":"",${pairs}}]}`, false, { mode: 'full', bytesMax: 20_000 }],
  ];
  for (const [value, isError, returns] of cases)
    test(`${returns.mode}: ${value.slice(0, 60)}`, () => {
      assert.ok(moved(value, isError, returns) <= 400_010);
    });
});

test('the least of what fits a tool counts', async () => {
  const orders = ordersWith([], {
    'r*': { mode: 'snippet', bytesMax: 500 },
    read: { mode: 'full', bytesMax: 5 },
  });
  const outward = await redactorWith().outward(
    orders,
    toolCall('read'),
    result({ content: [text('123456789')] }),
  );
  assert.equal(firstText(given(outward)), '12345[cut by mcpd: 5 of 9 bytes shown]');
});

test('a cut never leaves half a character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.nat(60), (value, most) => {
      const bytes = Buffer.byteLength(value);
      const shown = cut(value, bytes, most);
      const begin = shown.replace(/\[cut by mcpd: .*$/s, '');
      if (bytes <= most) assert.equal(shown, value);
      else
        assert.ok(
          value.startsWith(begin) && Buffer.byteLength(begin) <= most && Buffer.byteLength(begin) > most - 4,
        );
    }),
    { numRuns: 500 },
  );
});
