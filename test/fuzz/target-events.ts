import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { endWithRetry, keepAlive, sendEvent, sendMark } from '../../src/front/stream.ts';
import { canonical, decodeUtf8 } from '../../src/protocol/codec.ts';
import { readEvents } from '../attacks/sse-reader.ts';
import type { Target } from './engine.ts';
import { filesOf, linesOf, texts } from './seeds.ts';

/** What is written as events is read back as the same messages by a reader that follows the standard. */
export const events: Target = {
  name: 'events',
  covers: /\/src\/(front\/stream|protocol\/)/,
  seeds: () => [
    ...texts(
      '{"a":"x\\ny"}',
      '{"a":"\\r\\nevent: endpoint\\ndata: /evil\\n\\n"}',
      '{"a":"\u2028\u0085"}',
      '[1,2]',
    ),
    ...linesOf('mcpd-own', /sse\.jsonl$/),
    ...filesOf('json-test-suite', /^test_parsing\/y_.*\.json$/),
  ],
  words: ['\\n', '\\r', '\n', '\r', 'data: ', 'event: ', 'id: ', 'retry: 1', '\u2028', '\\u000a', '\0', ':'],
  bytesMax: 2048,
  run: (input) => {
    const messages: string[] = [];
    let written = '';
    const res = {
      destroyed: false,
      writableEnded: false,
      writableLength: 0,
      write: (text: string) => (written += text),
      end: (text: string) => (written += text),
    } as unknown as ServerResponse;
    // The first byte says what else is on the stream.
    const [kind = 0, ...rest] = input;
    for (const part of Buffer.from(rest).toString('latin1').split('\n').slice(0, 8)) {
      let text: string;
      try {
        text = canonical(decodeUtf8(Buffer.from(part, 'latin1')), { bytesMax: 1e5, depthMax: 24 });
      } catch {
        continue;
      }
      if ((kind & 1) !== 0) keepAlive(res);
      if ((kind & 2) !== 0) sendMark(res, `mark-${messages.length}`);
      sendEvent(res, text as RedactedJson, 1e6, (kind & 4) === 0 ? undefined : `id-${messages.length}`);
      messages.push(text);
    }
    if ((kind & 8) !== 0) endWithRetry(res);
    const seen = readEvents(written).filter(({ data }) => data !== '');
    assert.deepEqual(
      seen.map(({ data }) => data),
      messages,
    );
    assert.ok(seen.every(({ type }) => type === 'message'));
  },
};
