import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Answer, JsonText } from '../../src/domain/message.ts';
import { canonical, encode, member, members, object, valueOf } from '../../src/protocol/codec.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import {
  answerForLegacy,
  answerForModern,
  capabilitiesForLegacy,
  discoveryOf,
  greetingOf,
  metaForModern,
  newsForLegacy,
  newsOf,
  paramsForLegacy,
  paramsForModern,
  questionForModern,
  speaksModern,
  type ClientFacts,
} from '../../src/protocol/translate.ts';

const bounds = { bytesMax: 10_000_000, depthMax: 64 };
const json = (text: string): JsonText => canonical(text, bounds);
const result = (text: string): Answer => ({ kind: 'result', text: json(text) });

/** What a value loses: digits beyond a double, trailing zeros, exponents, the order of members, names of all objects. */
const odd =
  '{"b":12345678901234567890,"a":1.0,"e":1E+2,"n":-0,"h":1e400,"__proto__":{"x":1},"2":0,"1":0,"u":"\\ud800"}';

const leaf = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    'false',
    '0',
    '-0',
    '1.0',
    '1E+2',
    '1e400',
    '12345678901234567890',
    '0.1e-7',
    '9007199254740993',
  ),
  fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
);
const { value: anyValue } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
    fc.dictionary(fc.string({ maxLength: 4 }), tie('value'), { maxKeys: 3 }).map(objectText),
  ),
}));

function objectText(entries: Readonly<Record<string, string>>): string {
  return `{${Object.entries(entries)
    .map(([key, text]) => `${JSON.stringify(key)}:${text}`)
    .join(',')}}`;
}

/** Members that both eras have: any but those that mean something to one of them alone. */
function anyMembers(but: readonly string[]): fc.Arbitrary<string> {
  const key = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom('name', 'arguments', 'cursor', '__proto__', 'constructor', 'x/y'),
  );
  return fc
    .dictionary(
      key.filter((it) => !but.includes(it)),
      anyValue,
      { maxKeys: 5 },
    )
    .map(objectText);
}
const ownMeta = anyMembers(Object.values(metaKeys));
const withMeta = (but: readonly string[]): fc.Arbitrary<JsonText> =>
  fc.tuple(anyMembers(['_meta', ...but]), fc.option(ownMeta)).map(([rest, meta]) => {
    const kept = members(json(rest));
    // An empty `_meta` says nothing, and may go.
    return meta === null || meta === '{}' ? object(kept) : object([...kept, ['_meta', json(meta)]]);
  });

const facts: ClientFacts = {
  client: encode({ name: 'c', version: '1' }),
  capabilities: encode({ roots: {} }),
  logLevel: 'info',
};

describe('a request that crosses', () => {
  it('to the modern era and back says to the letter what it said', () => {
    fc.assert(
      fc.property(withMeta(['task', 'inputResponses', 'requestState']), (params) => {
        assert.equal(paramsForLegacy(paramsForModern(params, facts)), params);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps digits, order and what nobody knows', () => {
    const params = json(
      `{"zz":${odd},"name":"n","arguments":${odd},"_meta":{"progressToken":1.5e3,"traceparent":"t","x/y":${odd}}}`,
    );
    assert.equal(paramsForLegacy(params), params);
    const there = paramsForModern(params, facts);
    for (const [key, text] of members(params))
      if (key !== '_meta') assert.equal(member(there, [key]), text, key);
    for (const [key, text] of members(member(params, ['_meta']) as JsonText))
      assert.equal(member(there, ['_meta', key]), text, key);
  });

  it('to the legacy era leaves behind what `initialize` has said, and all that belongs to rounds', () => {
    const params = encode({
      name: 'n',
      inputResponses: { a: {} },
      requestState: 's',
      arguments: { inputResponses: 1, requestState: 2, task: 3, _meta: { [metaKeys.version]: 'mine' } },
      _meta: {
        [metaKeys.version]: 'v',
        [metaKeys.capabilities]: {},
        [metaKeys.client]: {},
        [metaKeys.logLevel]: 'debug',
        progressToken: 'p',
      },
    });
    assert.equal(
      paramsForLegacy(params),
      encode({
        name: 'n',
        arguments: { inputResponses: 1, requestState: 2, task: 3, _meta: { [metaKeys.version]: 'mine' } },
        _meta: { progressToken: 'p' },
      }),
    );
    assert.equal(paramsForLegacy(encode({ _meta: { [metaKeys.version]: 'v' } })), '{}');
    assert.equal(paramsForLegacy(undefined), undefined);
  });

  it('does not become a task on the way: neither era knows those of the other', () => {
    const params = encode({ name: 'n', task: { ttl: 1 } });
    assert.equal(member(paramsForModern(params, facts), ['task']), undefined);
    assert.equal(paramsForLegacy(params), encode({ name: 'n' }));
  });

  it('to the modern era says in our words what the client cannot say for itself', () => {
    const forged = {
      [metaKeys.version]: '1900-01-01',
      [metaKeys.capabilities]: { sampling: {} },
      [metaKeys.logLevel]: 'debug',
    };
    const there = paramsForModern(
      encode({ inputResponses: {}, requestState: 'forged', _meta: forged }),
      facts,
    );
    assert.deepEqual(valueOf(there), {
      _meta: {
        [metaKeys.version]: '2026-07-28',
        [metaKeys.capabilities]: { roots: {} },
        [metaKeys.client]: { name: 'c', version: '1' },
        [metaKeys.logLevel]: 'info',
      },
    });
    const further = paramsForModern(undefined, facts, [['inputResponses', json('{"k":{"v":1.0}}')]]);
    assert.equal(member(further, ['inputResponses']), '{"k":{"v":1.0}}');
  });

  it('to the modern era claims no capability that means something else there', () => {
    const capabilities = encode({
      roots: {},
      tasks: { list: {} },
      extensions: { 'io.modelcontextprotocol/tasks': {} },
      experimental: { x: {} },
    });
    const said = Object.fromEntries(metaForModern({ ...facts, capabilities }));
    // With that extension the server may answer with a task, which nobody could fetch.
    assert.equal(said[metaKeys.capabilities], encode({ roots: {}, experimental: { x: {} } }));
    for (const strange of [undefined, json('null'), json('[]'), json('"x"')])
      assert.equal(
        Object.fromEntries(metaForModern({ client: strange, capabilities: strange, logLevel: undefined }))[
          metaKeys.capabilities
        ],
        '{}',
      );
    assert.deepEqual(
      metaForModern({ client: json('"x"'), capabilities: undefined, logLevel: undefined }).map(
        ([key]) => key,
      ),
      [metaKeys.version, metaKeys.capabilities],
    );
  });

  it('hands the legacy era only capabilities that mean the same there', () => {
    const modern = json(
      `{"elicitation":{"url":{}},"sampling":{"tools":{}},"roots":{},"experimental":${odd},"extensions":{"x":{}},"tasks":{},"Roots":{}}`,
    );
    assert.equal(
      capabilitiesForLegacy(modern),
      `{"elicitation":{"url":{}},"sampling":{"tools":{}},"roots":{},"experimental":${json(odd)}}`,
    );
    for (const strange of [undefined, json('null'), json('[]'), json('1')])
      assert.equal(capabilitiesForLegacy(strange), '{}');
  });
});

const methods = [
  'tools/call',
  'tools/list',
  'prompts/get',
  'prompts/list',
  'resources/read',
  'resources/templates/list',
  'completion/complete',
];

describe('an answer that crosses', () => {
  it('to the modern era and back says to the letter what it said', () => {
    const info = encode({ name: 's', version: '1' });
    fc.assert(
      fc.property(
        withMeta(['resultType', 'ttlMs', 'cacheScope']),
        fc.constantFrom(...methods),
        fc.constantFrom(info, undefined),
        (text, method, serverInfo) => {
          assert.equal(
            answerForLegacy(answerForModern(method, { kind: 'result', text }, serverInfo)).text,
            text,
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is the same when it is an error', () => {
    const error: Answer = { kind: 'error', text: json(`{"code":-32000,"message":"m","data":${odd}}`) };
    assert.equal(answerForModern('tools/call', error, encode({})), error);
    assert.equal(answerForLegacy(error), error);
  });

  it('keeps digits, order and what nobody knows', () => {
    const text = json(
      `{"zz":${odd},"content":[${odd}],"structuredContent":${odd},"_meta":{"x/y":${odd}},"isError":false}`,
    );
    const there = answerForModern('tools/call', { kind: 'result', text }, encode({ name: 's' })).text;
    for (const key of ['zz', 'content', 'structuredContent', 'isError'])
      assert.equal(member(there, [key]), member(text, [key]), key);
    assert.equal(member(there, ['_meta', 'x/y']), json(odd));
    assert.deepEqual(
      members(there).map(([key]) => key),
      ['zz', 'content', 'structuredContent', '_meta', 'isError', 'resultType'],
    );
  });

  it('says its type and that it must not be kept, where its server could not say so', () => {
    for (const method of methods) {
      const { text } = answerForModern(method, result('{}'), undefined);
      const cacheable = method.endsWith('/list') || method === 'resources/read';
      assert.equal(
        text,
        encode({ resultType: 'complete', ...(cacheable ? { ttlMs: 0, cacheScope: 'private' } : {}) }),
        method,
      );
    }
  });

  it('names its server once, and puts right a _meta that is none', () => {
    const name = (text: string) =>
      member(answerForModern('x', result(text), encode({ name: 's' })).text, ['_meta']);
    const named = `{"${metaKeys.server}":{"name":"s"}}`;
    for (const text of ['{}', '{"_meta":null}', '{"_meta":[1]}', '{"_meta":"x"}', '{"_meta":{}}'])
      assert.equal(name(text), named, text);
    assert.equal(
      name(`{"_meta":{"${metaKeys.server}":{"name":"own"}}}`),
      `{"${metaKeys.server}":{"name":"own"}}`,
    );
  });

  it('leaves behind in the legacy era only what stands at the top and belongs to the modern one', () => {
    const text = json(
      `{"resultType":"complete","ttlMs":1,"cacheScope":"public","content":[{"resultType":"x","ttlMs":1}],"_meta":{"${metaKeys.server}":{},"k":1}}`,
    );
    assert.equal(
      answerForLegacy({ kind: 'result', text }).text,
      '{"content":[{"resultType":"x","ttlMs":1}],"_meta":{"k":1}}',
    );
  });
});

describe('a greeting that crosses', () => {
  it('offers what the server offered, but for the tasks that have no modern form', () => {
    const greeting = json(
      `{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{},"experimental":${odd},"zz":{}},"serverInfo":{"name":"s","version":"1","n":1.0},"instructions":"do"}`,
    );
    const discovery = discoveryOf(greeting);
    assert.equal(
      member(discovery, ['capabilities']),
      `{"tools":{"listChanged":true},"experimental":${json(odd)},"zz":{}}`,
    );
    assert.equal(member(discovery, ['_meta', metaKeys.server]), '{"name":"s","version":"1","n":1.0}');
    assert.equal(member(discovery, ['supportedVersions']), '["2026-07-28"]');
    assert.equal(member(discovery, ['cacheScope']), '"private"');
    const back = greetingOf(discovery, '2025-11-25', 'fx');
    for (const key of ['protocolVersion', 'serverInfo', 'instructions'])
      assert.equal(member(back, [key]), member(greeting, [key]), key);
    assert.equal(member(back, ['capabilities']), member(discovery, ['capabilities']));
  });

  it('is made of nothing where the server said nonsense', () => {
    for (const part of ['null', '[]', '"x"', '7']) {
      const nonsense = json(
        `{"capabilities":${part},"serverInfo":${part},"instructions":${part === '"x"' ? '{}' : part},"_meta":${part}}`,
      );
      assert.deepEqual(
        valueOf(discoveryOf(nonsense)),
        {
          resultType: 'complete',
          supportedVersions: ['2026-07-28'],
          capabilities: {},
          ttlMs: 0,
          cacheScope: 'private',
        },
        part,
      );
      assert.deepEqual(
        valueOf(greetingOf(nonsense, '2025-03-26', 'fx')),
        { protocolVersion: '2025-03-26', capabilities: {}, serverInfo: { name: 'fx', version: '0' } },
        part,
      );
      assert.deepEqual(
        newsOf(nonsense),
        { tools: false, prompts: false, resources: false, subscribe: false },
        part,
      );
    }
  });

  it('takes no extension to the legacy era, which would use their names without their rules', () => {
    const discovery = encode({
      capabilities: { tools: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } },
    });
    assert.equal(member(greetingOf(discovery, '2025-11-25', 'fx'), ['capabilities']), '{"tools":{}}');
  });

  it('promises news only where the server said `true`', () => {
    const news = (capabilities: string) => Object.values(newsOf(json(`{"capabilities":${capabilities}}`)));
    assert.deepEqual(
      news(
        '{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true}}',
      ),
      [true, true, true, true],
    );
    for (const value of ['1', '"true"', 'null', '{}', 'false'])
      assert.deepEqual(news(`{"tools":{"listChanged":${value}},"resources":{"subscribe":${value}}}`), [
        false,
        false,
        false,
        false,
      ]);
    assert.deepEqual(news('{"__proto__":{"tools":{"listChanged":true}}}'), [false, false, false, false]);
  });
});

describe('whether a server speaks the modern protocol', () => {
  it('is what it says about a revision that we speak, and nothing that only looks like it', () => {
    assert.equal(speaksModern(json('{"supportedVersions":["2026-07-28"]}')), true);
    assert.equal(speaksModern(json('{"supportedVersions":["2031-01-01",7,null,"2026-07-28"]}')), true);
    const lies = [
      '{}',
      '{"supportedVersions":[]}',
      '{"supportedVersions":"2026-07-28"}',
      '{"supportedVersions":{"0":"2026-07-28"}}',
      '{"supportedVersions":[["2026-07-28"]]}',
      '{"supportedVersions":["2025-11-25"]}',
      '{"supportedVersions":["2026-07-28 "]}',
      '{"SupportedVersions":["2026-07-28"]}',
      '{"supportedVersions":null}',
    ];
    for (const lie of lies) assert.equal(speaksModern(json(lie)), false, lie);
  });
});

describe('a question and news that cross', () => {
  it('a question keeps everything but the id of a notification that cannot cross', () => {
    const params = json(
      `{"mode":"url","elicitationId":"e","message":"m","url":"https://x","zz":${odd},"requestedSchema":{"elicitationId":1.0}}`,
    );
    assert.equal(
      questionForModern('elicitation/create', params),
      `{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x","zz":${json(odd)},"requestedSchema":{"elicitationId":1.0}}}`,
    );
    assert.equal(questionForModern('roots/list', undefined), '{"method":"roots/list"}');
  });

  it('news lose the id of their stream and nothing else', () => {
    const news = json(`{"uri":"u","zz":${odd},"_meta":{"${metaKeys.subscription}":7,"k":1.0}}`);
    assert.equal(newsForLegacy(news), `{"uri":"u","zz":${json(odd)},"_meta":{"k":1.0}}`);
    assert.equal(newsForLegacy(json(`{"_meta":{"${metaKeys.subscription}":7}}`)), undefined);
    assert.equal(newsForLegacy(undefined), undefined);
  });
});
