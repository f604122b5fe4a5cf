import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Json, JsonObject } from '../../src/domain/message.ts';
import type { MirroredArgument } from '../../src/domain/upstream.ts';
import {
  checkArguments,
  checkMirror,
  decodeHeader,
  encodeHeader,
  mirroredArguments,
  nameHeaderOf,
} from '../../src/protocol/mirror.ts';

const base64 = (text: string | Buffer): string =>
  `=?base64?${(typeof text === 'string' ? Buffer.from(text) : text).toString('base64')}?=`;
const object = (properties: JsonObject): JsonObject => ({ type: 'object', properties });
const mark = (header: Json, type: Json = 'string'): JsonObject => ({ type, 'x-mcp-header': header });

describe('the name header', () => {
  it('repeats the one member that names the target of its method', () => {
    const params = { name: 'n', uri: 'u', taskId: 't' };
    const names = (method: string) => nameHeaderOf(method, params);
    assert.deepEqual(['tools/call', 'prompts/get'].map(names), ['n', 'n']);
    assert.equal(names('resources/read'), 'u');
    assert.deepEqual(['tasks/get', 'tasks/update', 'tasks/cancel'].map(names), ['t', 't', 't']);
    for (const method of ['tools/list', 'tasks/list', 'completion/complete', 'constructor', ''])
      assert.equal(names(method), undefined, method);
  });

  it('repeats nothing that is no string', () => {
    for (const name of [null, 7, true, ['n'], { n: 1 }])
      assert.equal(nameHeaderOf('tools/call', { name }), undefined);
  });

  it('differs from the message when one of both is missing, or they are not the same to the letter', () => {
    const check = (name: string | undefined, params: JsonObject) =>
      checkMirror('tools/call', params, { method: 'tools/call', name });
    assert.equal(check('read', { name: 'read' }), undefined);
    for (const name of [
      undefined,
      '',
      'READ',
      'read2',
      'rea',
      'read,read',
      '"read"',
      'read;x',
      base64('delete'),
    ])
      assert.equal(check(name, { name: 'read' }), 'Mcp-Name', String(name));
    assert.equal(check('read', {}), 'Mcp-Name');
    assert.equal(check('7', { name: 7 }), 'Mcp-Name');
    assert.equal(
      checkMirror('tools/call', { name: 'read' }, { method: undefined, name: 'read' }),
      'Mcp-Method',
    );
    assert.equal(
      checkMirror('tools/call', { name: 'read' }, { method: 'Tools/Call', name: 'read' }),
      'Mcp-Method',
    );
  });
});

/** Any sequence of UTF-16 units, halves of pairs included. */
const anyText = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));

describe('a header value', () => {
  it('comes back as what was put in, whatever that was', () => {
    fc.assert(
      fc.property(anyText, (value) => {
        const header = encodeHeader(value);
        assert.match(header, /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);
        assert.equal(decodeHeader(header), value.toWellFormed());
      }),
      { numRuns: 500 },
    );
  });

  it('is wrapped when it looks as if it were', () => {
    for (const value of ['=?base64?', '=?base64?=', '=?base64??=', base64('x')]) {
      assert.notEqual(encodeHeader(value), value);
      assert.equal(decodeHeader(encodeHeader(value)), value);
    }
  });

  it('may have white space around it, of the two kinds that HTTP knows', () => {
    assert.equal(decodeHeader(' \tread\t '), 'read');
    // A no-break space, a line separator: to strip them would let a header pass that everybody else reads as another name.
    for (const space of ['\u00a0', '\u000b', '\u000c', '\u0085'])
      assert.notEqual(decodeHeader(`read${space}`), 'read');
  });

  it('holds nothing that is not visible ASCII, because its bytes would be read as Latin-1 here and as UTF-8 elsewhere', () => {
    // Two bytes: é to a gateway, Ã© to Node.
    for (const raw of ['Ã©', 'é', '\u00ff', 'read\u00a0', '\u0080', 'a\u0000b', 'a\u007fb'])
      assert.equal(decodeHeader(raw), undefined, JSON.stringify(raw));
    assert.equal(decodeHeader(base64('é')), 'é');
  });

  it('has one spelling in base64', () => {
    assert.equal(decodeHeader(base64('read')), 'read');
    assert.equal(decodeHeader(base64('')), '');
    const wrong = [
      '=?base64?cmVhZA?=',
      '=?base64?cmVhZA=?=',
      '=?base64?cmVhZB==?=',
      '=?base64?cmVh ZA==?=',
      '=?base64?cmVhZA==\t?=',
      '=?base64?cm-_?=',
      '=?base64?====?=',
      '=?base64?cmVhZA==cmVhZA==?=',
      '=?base64?=',
      '=?base64?cmVhZA==?=?=',
    ];
    for (const value of wrong) assert.equal(decodeHeader(value), undefined, value);
  });

  it('is not valid when its base64 is not UTF-8, rather than something that holds U+FFFD', () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x72, 0xfe]]) {
      const header = base64(Buffer.from(bytes));
      assert.equal(decodeHeader(header), undefined, header);
      const params = { name: Buffer.from(bytes).toString('utf8') };
      assert.equal(checkMirror('tools/call', params, { method: 'tools/call', name: header }), 'Mcp-Name');
    }
  });

  it('is what it says where the wrapping is not whole', () => {
    for (const value of ['=?base64?cmVhZA==', 'cmVhZA==?=', '=?BASE64?cmVhZA==?=', '=?utf-8?B?cmVhZA==?='])
      assert.equal(decodeHeader(value), value);
  });
});

describe('the arguments that a schema marks', () => {
  const marked = (schema: Json | undefined) =>
    mirroredArguments(schema).map(({ header, path }) => `${header}=${path.join('.')}`);

  it('are found through properties at any depth', () => {
    const schema = object({
      region: mark('Region'),
      deep: object({ er: object({ n: mark('N', 'integer') }) }),
    });
    assert.deepEqual(marked(schema), ['region=region', 'n=deep.er.n']);
    let nested: JsonObject = object({ leaf: mark('Leaf', 'boolean') });
    for (let depth = 0; depth < 60; depth++) nested = object({ a: nested });
    // What is not found is not checked, and a client sends it all the same.
    assert.deepEqual(marked(nested), [`leaf=${'a.'.repeat(60)}leaf`]);
  });

  it('are not found through anything else', () => {
    const leaf = object({ x: mark('X') });
    const keywords = [
      'items',
      'allOf',
      'anyOf',
      'oneOf',
      'not',
      'if',
      '$defs',
      'additionalProperties',
      'patternProperties',
    ];
    for (const keyword of keywords)
      for (const schema of [{ [keyword]: leaf }, { [keyword]: [leaf] }, { [keyword]: { p: leaf } }])
        assert.deepEqual(marked(object({ list: schema })), [], keyword);
    // A list of properties is a schema to nobody.
    assert.deepEqual(marked({ type: 'object', properties: [mark('X')] }), []);
  });

  it('are none when one mark breaks the rules, because clients drop such a tool', () => {
    const good = mark('Good');
    const bad: Json[] = [
      mark(''),
      mark('a b'),
      mark('a:b'),
      mark('a\r\nX: y'),
      mark('é'),
      mark('x'.repeat(129)),
      mark(7),
      mark(null),
      mark(['X']),
      mark('X', 'number'),
      mark('X', 'object'),
      mark('X', 'array'),
      mark('X', 'null'),
      mark('X', ['string']),
      { 'x-mcp-header': 'X' },
      mark('gOOD'),
    ];
    for (const it of bad) assert.deepEqual(marked(object({ good, it })), [], JSON.stringify(it));
    assert.deepEqual(marked({ ...object({ good }), 'x-mcp-header': 'Root' }), []);
    assert.deepEqual(marked(object({ good })), ['good=good']);
  });

  it('are not more than a request could carry', () => {
    const many = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`p${i}`, mark(`H${i}`)]));
    assert.equal(marked(object(many)).length, 64);
    assert.equal(marked(object({ ...many, last: mark('Last') })).length, 0);
  });

  it('are none where the schema is no schema', () => {
    for (const schema of [
      undefined,
      null,
      true,
      'x',
      1,
      [],
      [object({ x: mark('X') })],
      { properties: null },
    ])
      assert.deepEqual(marked(schema as Json), []);
    const poisoned = JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"string","x-mcp-header":"P"}}}',
    ) as Json;
    assert.deepEqual(marked(poisoned), ['p=__proto__']);
  });
});

describe('the headers of marked arguments', () => {
  const declared: readonly MirroredArgument[] = [{ header: 'x', path: ['a', 'b'] }];
  const check = (said: string | undefined, value: Json | undefined) =>
    checkArguments(declared, new Map(said === undefined ? [] : [['x', said]]), {
      arguments: value === undefined ? { a: {} } : { a: { b: value } },
    });
  const agree = (said: string | undefined, value: Json | undefined) =>
    assert.equal(check(said, value), undefined, `${said} and ${JSON.stringify(value)}`);
  const differ = (said: string | undefined, value: Json | undefined) =>
    assert.equal(check(said, value), 'Mcp-Param-x', `${said} and ${JSON.stringify(value)}`);

  it('say what the arguments say', () => {
    agree('eu', 'eu');
    agree(base64('eu'), 'eu');
    agree(base64('ü\n'), 'ü\n');
    agree('', '');
    agree('true', true);
    agree('false', false);
    agree('42', '42');
    for (const [said, value] of [
      ['us', 'eu'],
      ['EU', 'eu'],
      ['eu, eu', 'eu'],
      ['True', true],
      ['1', true],
      ['', false],
    ] as const)
      differ(said, value);
    differ('=?base64?ZXU?=', 'eu');
  });

  it('are there when the argument is, and not when it is not', () => {
    differ(undefined, 'eu');
    differ(undefined, '');
    differ(undefined, 0);
    differ(undefined, false);
    agree(undefined, undefined);
    agree(undefined, null);
    for (const said of ['', 'null', 'undefined', 'eu']) {
      differ(said, undefined);
      differ(said, null);
    }
  });

  it('say a number in digits, with or without a fraction of nothing', () => {
    for (const said of ['42', '42.0', '42.000']) agree(said, 42);
    for (const [said, value] of [
      ['-7', -7],
      ['0', 0],
      ['-0', 0],
      ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ] as const)
      agree(said, value);
    const wrong = [
      '043',
      '0042',
      '42.',
      '.42',
      '+42',
      '4.2e1',
      '42e0',
      '0x2a',
      '42n',
      '4 2',
      '42,0',
      '４２',
      '42.1',
      '42.00000000000000000001',
      '',
      'NaN',
    ];
    for (const said of wrong) differ(said, 42);
    differ('42', '42.0');
  });

  it('cannot vouch for a number that two readers may read as two', () => {
    // 2^53 + 1 is 2^53 to us and itself to the server.
    const [parsed] = JSON.parse('[9007199254740993]') as [number];
    differ('9007199254740993', parsed);
    differ('9007199254740992', parsed);
    // Clients send none for it.
    agree(undefined, parsed);
    differ('9007199254740993', Number.MAX_SAFE_INTEGER);
  });

  it('never agree with a list, an object, or a way that leads through one', () => {
    for (const value of [['eu'], { eu: 1 }, []] as Json[]) differ('eu', value);
    const through = (args: Json) => checkArguments(declared, new Map([['x', 'eu']]), { arguments: args });
    for (const args of ['eu', ['eu'], null, { a: ['eu'] }, { a: 'eu' }, { a: { B: 'eu' } }] as Json[])
      assert.equal(through(args), 'Mcp-Param-x', JSON.stringify(args));
  });

  it('see no member that every object has', () => {
    for (const key of ['constructor', 'toString', '__proto__'])
      assert.equal(
        checkArguments([{ header: 'x', path: [key] }], new Map(), { arguments: {} }),
        undefined,
        key,
      );
  });

  it('agree for every argument that a client encodes, and for no other', () => {
    const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), fc.boolean());
    fc.assert(
      fc.property(value, value, (one, other) => {
        agree(encodeHeader(String(one)), one);
        if (String(one) !== String(other)) differ(encodeHeader(String(one)), other);
      }),
      { numRuns: 500 },
    );
  });
});
