import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '../../src/domain/message.ts';
import type { Returns } from '../../src/domain/orders.ts';
import { encode } from '../../src/protocol/codec.ts';
import { cut } from '../../src/redact/returns.ts';
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
