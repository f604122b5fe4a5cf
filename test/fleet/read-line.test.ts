import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readLine, wireIdAtTheEdge } from '../../src/fleet/read-line.ts';

const bounds = { bytesMax: 100_000, depthMax: 20 };
const read = (line: string | Buffer) => readLine(Buffer.from(line as string), bounds);

describe('readLine', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['a result', '{"jsonrpc":"2.0","id":1,"result":{}}', 'answer'],
    ['an error', '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}', 'answer'],
    ['a result beside error null', '{"jsonrpc":"2.0","id":1,"result":{},"error":null}', 'answer'],
    ['members nobody knows', '{"jsonrpc":"2.0","id":1,"result":{},"extra":[1]}', 'answer'],
    ['result and error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}', 'garbled'],
    ['neither', '{"jsonrpc":"2.0","id":1}', 'garbled'],
    ['result null', '{"jsonrpc":"2.0","id":1,"result":null}', 'garbled'],
    ['result scalar', '{"jsonrpc":"2.0","id":1,"result":5}', 'garbled'],
    ['result array', '{"jsonrpc":"2.0","id":1,"result":[]}', 'garbled'],
    ['another jsonrpc', '{"jsonrpc":"1.0","id":1,"result":{}}', 'garbled'],
    ['no id', '{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}', 'unplaced'],
    ['id null', '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}', 'unplaced'],
    ['look-alike members', '{"jsonrpc":"2.0","id":1,"result":{},"Result":{}}', 'unplaced'],
    ['too deep', `{"jsonrpc":"2.0","id":1,"result":{"a":${'['.repeat(50)}${']'.repeat(50)}}}`, 'unplaced'],
    ['id float', '{"jsonrpc":"2.0","id":1.5,"result":{}}', 'garbage'],
    ['a request', '{"jsonrpc":"2.0","id":"q","method":"roots/list"}', 'request'],
    ['a notice', '{"jsonrpc":"2.0","method":"notifications/x","params":{}}', 'notice'],
    ['request id null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 'bad-request'],
    ['request id float', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 'bad-request'],
    ['request id bool', '{"jsonrpc":"2.0","id":true,"method":"ping"}', 'bad-request'],
    ['request params array', '{"jsonrpc":"2.0","id":1,"method":"x","params":[]}', 'bad-request'],
    ['method no string', '{"jsonrpc":"2.0","id":1,"method":5}', 'bad-request'],
    ['notice params scalar', '{"jsonrpc":"2.0","method":"x","params":1}', 'garbage'],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"result":{}}]', 'garbage'],
    ['a scalar', '5', 'garbage'],
    ['null', 'null', 'garbage'],
    ['nothing', '', 'garbage'],
    ['a banner', 'Server started on stdio', 'garbage'],
    ['a colour', '\u001b[32mok\u001b[0m', 'garbage'],
    ['a byte order mark', '\ufeff{"jsonrpc":"2.0","id":1,"result":{}}', 'garbage'],
    ['two objects', '{"jsonrpc":"2.0","id":1,"result":{}}{"jsonrpc":"2.0","id":2,"result":{}}', 'garbage'],
    ['a duplicate member', '{"jsonrpc":"2.0","id":1,"id":2,"result":{}}', 'garbage'],
    ['half an object', '{', 'garbage'],
  ];
  for (const [what, line, kind] of cases)
    it(`takes ${what} as ${kind}`, () => assert.equal(read(line).kind, kind));

  it('never puts U+FFFD where a child wrote something else', () => {
    const line = Buffer.concat([
      Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":"'),
      Buffer.from([0xff]),
      Buffer.from('"}}'),
    ]);
    assert.equal(readLine(line, bounds).kind, 'garbage');
  });

  it('gives every error an integer code and a message, and keeps a proper one as it stands', () => {
    const errors: readonly (readonly [string, string])[] = [
      [
        '{"code":7,"message":"m","data":9007199254740993}',
        '{"code":7,"message":"m","data":9007199254740993}',
      ],
      ['{"code":"E","message":"m"}', '{"code":-32603,"message":"m"}'],
      [
        '{"code":7,"data":1}',
        '{"code":7,"message":"The server reported an error without a message.","data":1}',
      ],
      ['"bad"', '{"code":-32603,"message":"The server reported an error without saying which."}'],
    ];
    for (const [given, expected] of errors) {
      const said = read(`{"jsonrpc":"2.0","id":1,"error":${given}}`);
      assert.ok(said.kind === 'answer' && said.answer.kind === 'error');
      assert.equal(said.answer.text, expected);
    }
  });

  it('keeps the digits of large numbers', () => {
    const said = read('{"jsonrpc":"2.0","id":1,"result":{"n":9007199254740993,"m":1e400}}');
    assert.ok(said.kind === 'answer');
    assert.equal(said.answer.text, '{"n":9007199254740993,"m":1e400}');
  });
});

describe('wireIdAtTheEdge', () => {
  const cases: readonly (readonly [string, string, number | undefined])[] = [
    ['{"jsonrpc":"2.0","id":17,"result":{"a', 'xx"}}', 17],
    ['{"id":17,"result":{"a', 'xx"}}', 17],
    ['{"result":{"a', '"},"jsonrpc":"2.0","id":18}', 18],
    ['{"result":{"id":3,', 'xx"}}', undefined],
    ['xxxxxxx', 'xxxxxxxxx', undefined],
  ];
  for (const [head, tail, id] of cases) {
    it(`finds ${id} in ${head}…${tail}`, () =>
      assert.equal(wireIdAtTheEdge(Buffer.from(head), Buffer.from(tail)), id));
  }
});
