// The comparison itself: it must notice whatever a client could notice, or the differential test proves nothing.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readTree } from '../support/oracle.ts';
import { compare, misplaced, tell } from './compare.ts';
import { EventReader } from './event-reader.ts';
import { streamOf, type Seen } from './transcript.ts';

const never = () => false;

/** Messages as a client sees them: stream, text, stream, text and so on. */
function seen(...parts: readonly string[]): readonly Seen[] {
  const all: Seen[] = [];
  for (let n = 0; n < parts.length; n += 2) {
    const message = readTree(parts[n + 1] ?? '');
    assert.ok(message !== undefined, parts[n + 1] ?? '');
    all.push({ stream: parts[n] ?? '', message });
  }
  return all;
}

const differ = (direct: readonly Seen[], through: readonly Seen[]): readonly string[] =>
  compare(tell(direct, []), tell(through, []), never);

const answer = (result: string, id = '1') => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
const note = (n: number) => `{"jsonrpc":"2.0","method":"notifications/message","params":{"n":${n}}}`;

describe('the comparison', () => {
  const changes: readonly (readonly [what: string, direct: string, through: string])[] = [
    ['a digit beyond 2^53', answer('{"n":9007199254740993}'), answer('{"n":9007199254740992}')],
    ['how a number is written', answer('{"n":1.0}'), answer('{"n":1}')],
    ['a minus before zero', answer('{"n":-0}'), answer('{"n":0}')],
    ['a number that no double holds', answer('{"n":1e400}'), answer('{"n":null}')],
    ['the order of members', answer('{"b":1,"a":2}'), answer('{"a":2,"b":1}')],
    ['the order of members that look like indices', answer('{"10":1,"9":2}'), answer('{"9":2,"10":1}')],
    ['a member that is gone', answer('{"a":1,"x":2}'), answer('{"a":1}')],
    ['a member that was added', answer('{"a":1}'), answer('{"a":1,"x":2}')],
    ['a member beside the result', answer('{}'), '{"jsonrpc":"2.0","id":1,"result":{},"x":1}'],
    ['the type of an id', answer('{}', '1'), answer('{}', '"1"')],
    ['an error for a result', answer('{}'), '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}'],
    ['a lone surrogate', answer('{"s":"\\ud800"}'), answer('{"s":"\\ufffd"}')],
  ];
  for (const [what, direct, through] of changes)
    it(`notices ${what}`, () => {
      assert.deepEqual(differ(seen('stdout', direct), seen('a', direct)), []);
      assert.equal(differ(seen('stdout', direct), seen('a', through)).length, 2);
    });

  it('notices a message that is missing, and one that comes twice', () => {
    const direct = seen('stdout', note(1), 'stdout', note(1));
    assert.deepEqual(differ(direct, seen('a', note(1), 'b', note(1))), []);
    assert.equal(differ(direct, seen('a', note(1))).length, 1);
    assert.equal(differ(direct, seen('a', note(1), 'a', note(1), 'b', note(1))).length, 1);
  });

  it('notices two messages that changed places on one stream, and only there', () => {
    const direct = seen('stdout', note(1), 'stdout', note(2), 'stdout', note(3));
    assert.deepEqual(differ(direct, seen('a', note(2), 'b', note(1), 'a', note(3))), []);
    assert.equal(differ(direct, seen('a', note(3), 'b', note(1), 'a', note(2))).length, 1);
  });

  it('takes escapes and white space for what they mean', () => {
    const direct = seen('stdout', '{ "jsonrpc":"2.0", "id": 1, "result": {"s": "\\u0041\\/"} }');
    assert.deepEqual(differ(direct, seen('a', answer('{"s":"A/"}'))), []);
  });

  it('leaves the ids of questions aside, and nothing else of them', () => {
    const question = (id: string, more: string) =>
      `{"jsonrpc":"2.0","id":${id},"method":"roots/list","params":{"x":${more}}}`;
    const withdrawn = (id: string) =>
      `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`;
    const direct = seen('stdout', question('7', '1'), 'stdout', withdrawn('7'));
    assert.deepEqual(differ(direct, seen('a', question('"s-1"', '1'), 'a', withdrawn('"s-1"'))), []);
    assert.equal(differ(direct, seen('a', question('"s-1"', '2'), 'a', withdrawn('"s-1"'))).length, 2);
    // The id of no question: a client could not tell what is taken back.
    assert.equal(differ(direct, seen('a', question('"s-1"', '1'), 'a', withdrawn('7'))).length, 2);
  });

  it('notices progress on the stream of another call', () => {
    const call = (id: string, token: string) =>
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"_meta":{"progressToken":${token}}}}`;
    const sent = seen('', call('1', '"1"'), '', call('"1"', '1')).map(({ message }) => message);
    const progress = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}';
    assert.deepEqual(misplaced(seen(streamOf('"1"'), progress), sent), []);
    assert.equal(misplaced(seen(streamOf('1'), progress), sent).length, 1);
  });
});

describe('the reader of event streams', () => {
  it('finds the same events however the stream is cut', () => {
    const stream =
      ': hello\n\nid: 1\ndata:\n\nevent: message\ndata: {"a":1}\n\ndata: two\r\ndata:  lines\r\n\r\nretry: 5\n\ndata: lost';
    for (let cut = 0; cut <= stream.length; cut++) {
      const found: string[] = [];
      const reader = new EventReader((data) => found.push(data));
      reader.feed(stream.slice(0, cut));
      reader.feed(stream.slice(cut));
      assert.deepEqual(found, ['{"a":1}', 'two\n lines'], `cut at ${cut}`);
    }
  });
});
