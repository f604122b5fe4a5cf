import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalOutput, oracle, readTree, writeTree } from '../support/oracle.ts';
import { permitted } from './reference.ts';

const bounds = { lineBytesMax: 1000, depthMax: 8 };
const call = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}\n`;
const seen = (text: string) => oracle(Buffer.from(text), permitted).map(({ reader }) => reader);

describe('the judges of what a child was told', () => {
  test('an allowed call is seen as allowed by every reader', () => {
    assert.deepEqual(seen(call('{"name":"read_file","arguments":{"name":"delete_file"}}')), []);
  });

  for (const [what, text] of [
    ['the last of two members', call('{"name":"read_file","name":"delete_file"}')],
    ['the first of two members', call('{"name":"delete_file","name":"read_file"}')],
    ['an escaped twin', call('{"name":"read_file","n\\u0061me":"delete_file"}')],
    ['another case', call('{"name":"read_file","Name":"delete_file"}')],
    ['another case of params', call('{"name":"read_file"},"PARAMS":{"name":"delete_file"}')],
    ['a long s', `{"method":"ping","param\u017f":{},"Method":"tools/call"}\n`],
    [
      'a Kelvin sign',
      `{"method":"tools/call","params":{"name":"read_file"},"\u212aey":1,"METHOD":"x/exec"}\n`,
    ],
    ['a carriage return', `{"a":"\r{"method":"tools/call","params":{"name":"delete_file"}}\r"}\n`],
    ['a line separator', `{"a":"\u2028{"method":"tools/call","params":{"name":"delete_file"}}\u2028"}\n`],
    ['a batch', `[{"method":"tools/call","params":{"name":"delete_file"}}]\n`],
    ['a method that nothing allows', `{"method":"x/exec"}\n`],
    [
      'a completion of a denied prompt',
      `{"method":"completion/complete","params":{"ref":{"name":"danger"}}}\n`,
    ],
  ] as const) {
    test(`a reader that believes ${what} is heard`, () => assert.notDeepEqual(seen(text), []));
  }

  for (const [what, bytes] of [
    ['no LF at the end', '{"id":1}'],
    ['a CR', '{"id":1}\r\n'],
    ['a byte order mark', '\ufeff{"id":1}\n'],
    ['a raw line separator', '{"a":"\u2028"}\n'],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d, 0x0a])],
    ['a repeated member', '{"a":{"b":1,"\\u0062":2}}\n'],
    ['a look-alike', '{"id":1,"param\u017f":{}}\n'],
    ['a look-alike in params', '{"id":1,"params":{"_META":{}}}\n'],
    ['a fractional id', '{"id":1.0}\n'],
    ['an unsafe id', '{"id":9007199254740993}\n'],
    ['a boolean id', '{"id":true}\n'],
    ['white space', '{"id": 1}\n'],
    ['a needless escape', '{"a":"\\/"}\n'],
    ['depth', '{"a":[[[[[[[[1]]]]]]]]}\n'],
    ['length', `{"a":"${'a'.repeat(1000)}"}\n`],
    ['a list', '[1]\n'],
  ] as const) {
    test(`output with ${what} is not canonical`, () =>
      assert.notDeepEqual(canonicalOutput(Buffer.from(bytes), bounds), []));
  }

  test('canonical output is left alone, with its digits and its order', () => {
    const line =
      '{"id":-1,"a":[1e400,12345678901234567890,-0,1.0],"2":1,"1":{"__proto__":"\\u2028\\ud800\\n"}}\n';
    assert.deepEqual(canonicalOutput(Buffer.from(line), bounds), []);
  });

  test('the tree keeps what JSON.parse would lose', () => {
    const text = '{"a":1e400,"a":1.0,"2":"\\u0041","1":null}';
    const tree = readTree(` ${text} `);
    assert.equal(tree === undefined ? '' : writeTree(tree), '{"a":1e400,"a":1.0,"2":"A","1":null}');
    for (const bad of ['', '{', '{"a":1,}', '[1 2]', '01', '"\n"', 'NaN', '1 2', '{"a"}'])
      assert.equal(readTree(bad), undefined, bad);
  });
});
