import assert from 'node:assert/strict';
import { Fault } from '../../src/domain/faults.ts';
import { writeLine } from '../../src/fleet/write-line.ts';
import type { JsonText, Message } from '../../src/domain/message.ts';
import {
  decodeUtf8,
  elements,
  members,
  noticeText,
  readMessage,
  requestText,
} from '../../src/protocol/codec.ts';
import { canonicalOutput, hasTwins, readTree } from '../support/oracle.ts';
import type { Target } from './engine.ts';
import { filesOf, linesOf, texts } from './seeds.ts';

const bounds = { bytesMax: 64 * 1024, depthMax: 24 };

/** What is accepted is JSON to everybody, says the same to everybody, and is written on in canonical form. */
export const envelope: Target = {
  name: 'envelope',
  covers: /\/src\/protocol\//,
  seeds: () => [
    ...texts(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":[1,2.5,"\\u00e9",null,true]}}}',
      '{"jsonrpc":"2.0","id":"x","method":"ping"}',
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
      '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}',
    ),
    ...linesOf('mcpd-own', /jsonrpc\.jsonl$/),
    ...filesOf('json-test-suite', /\.json$/),
    ...filesOf('mcp-spec', /\.json$/),
  ],
  words: [
    '"jsonrpc":"2.0"',
    '"id":',
    '"method":',
    '"params":',
    '"Method":',
    '"NAME":',
    '"param\u017f":',
    '"__proto__":',
    '\\u0000',
    '\\ud800',
    '\u2028',
    '1e400',
    ',',
    '{',
    '[',
    '"arguments":{',
  ],
  bytesMax: 4096,
  run: (input) => {
    let message: Message;
    try {
      message = readMessage(decodeUtf8(input), bounds);
    } catch (reason) {
      // It is refused by a fault that names the reason; anything else is an accident.
      if (reason instanceof Fault && reason.code !== 'BUG') return;
      throw reason;
    }
    const text = input.toString('utf8');
    const parsed = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const tree = readTree(text);
    assert.ok(tree !== undefined && !hasTwins(tree), 'two members of one name');
    if (message.kind === 'reply') return;
    assert.equal(message.method, parsed['method']);
    const { params } = message;
    if (params !== undefined) {
      assert.deepEqual(JSON.parse(params), parsed['params']);
      walk(params, 0);
    }
    const line =
      message.kind === 'request'
        ? requestText(message.id, message.method, params)
        : noticeText(message.method, params);
    assert.deepEqual(
      canonicalOutput(Buffer.from(writeLine(line)), { lineBytesMax: 1e6, depthMax: bounds.depthMax + 1 }),
      [],
    );
  },
};

/** The readers that never build a value see the same members as the one that does. */
function walk(text: JsonText, depth: number): void {
  const value = JSON.parse(text) as unknown;
  if (typeof value !== 'object' || value === null || depth > 24) return;
  if (Array.isArray(value)) {
    const items = elements(text);
    assert.equal(items.length, value.length);
    for (const item of items) walk(item, depth + 1);
    return;
  }
  const all = members(text);
  assert.deepEqual(new Set(all.map(([key]) => key)), new Set(Object.keys(value)));
  for (const [, item] of all) walk(item, depth + 1);
}
