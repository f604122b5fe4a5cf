import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../src/domain/faults.ts';
import type { Message } from '../../src/domain/message.ts';
import { readMessage } from '../../src/protocol/codec.ts';
import {
  eraOf,
  eraOfLine,
  legacyRevisions,
  metaKeys,
  metaOf,
  modernRevisions,
  type EraHeaders,
} from '../../src/protocol/era.ts';

const bounds = { bytesMax: 1_000_000, depthMax: 64 };
const none: EraHeaders = { version: undefined, method: undefined, name: undefined };
const modern = '2026-07-28';
const meta = { [metaKeys.version]: modern, [metaKeys.capabilities]: {} };

const said = (message: object | string): Message =>
  readMessage(typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }), bounds);
const asks = (method: string, params?: object): Message => said({ id: 1, method, params });
const tells = (method: string, params?: object): Message => said({ method, params });
/** Headers as a modern client sends them with a call of a tool. */
const calling = (name: string | undefined, version: string | undefined = modern): EraHeaders => ({
  version,
  method: 'tools/call',
  name,
});
const outcome = (message: Message, headers: EraHeaders): string => {
  try {
    return eraOf(message, headers);
  } catch (reason) {
    assert.ok(reason instanceof Fault, String(reason));
    return reason.code;
  }
};

describe('the era of a message', () => {
  const versions = [
    undefined,
    '',
    ...legacyRevisions,
    modern,
    '2099-01-01',
    `${modern}, ${modern}`,
    'x'.repeat(9999),
  ];
  const claims = [undefined, ...legacyRevisions, modern, '2099-01-01', '', 7, null, {}, [modern]];

  for (const version of versions)
    for (const claim of claims)
      it(`is settled for the header ${brief(version)} and the claim ${brief(claim)}`, () => {
        const claimed = claim === undefined ? {} : { [metaKeys.version]: claim };
        const message = asks('tools/list', { _meta: { ...claimed, [metaKeys.capabilities]: {} } });
        const headers = { version, method: 'tools/list', name: undefined };
        assert.equal(outcome(message, headers), expected(version, claim));
      });

  function expected(version: string | undefined, claim: unknown): string {
    const isModern = version === modern;
    const isLegacy = version === undefined || legacyRevisions.includes(version);
    if (claim === undefined) return isModern ? 'MISSING_META' : isLegacy ? 'legacy' : 'UNSUPPORTED_VERSION';
    if (typeof claim !== 'string') return 'MISSING_META';
    if (claim !== version) return 'HEADER_MISMATCH';
    return isModern ? 'modern' : 'UNSUPPORTED_REVISION';
  }

  it('says which revisions are served when it is asked for another, and repeats no more than a little of that', () => {
    const version = `9999-${'9'.repeat(5000)}`;
    const message = asks('tools/list', { _meta: { ...meta, [metaKeys.version]: version } });
    assert.throws(
      () => eraOf(message, { version, method: 'tools/list', name: undefined }),
      (reason) => {
        assert.ok(reason instanceof Fault);
        assert.deepEqual(reason.data, { supported: [...modernRevisions], requested: version.slice(0, 64) });
        return reason.code === 'UNSUPPORTED_REVISION';
      },
    );
  });

  it('is not settled by a claim that stands anywhere but in the _meta of the params', () => {
    const hidden: object[] = [
      { name: 'echo', arguments: { _meta: meta } },
      { name: 'echo', arguments: { params: { _meta: meta } } },
      { name: 'echo', arguments: {}, [metaKeys.version]: modern },
      { name: 'echo', _meta: { deeper: meta } },
      { name: 'echo', _meta: { 'io.modelcontextprotocol/ProtocolVersion': modern } },
      { name: 'echo', _meta: { text: JSON.stringify({ _meta: meta }) } },
      { name: JSON.stringify({ _meta: meta }) },
    ];
    for (const params of hidden) {
      assert.equal(outcome(asks('tools/call', params), none), 'legacy', JSON.stringify(params));
      assert.equal(outcome(asks('tools/call', params), calling('echo')), 'MISSING_META');
    }
    // A message as a whole is no place for it either.
    assert.equal(outcome(said({ id: 1, method: 'tools/list', _meta: meta, params: {} }), none), 'legacy');
  });

  it('is seen however the claim is spelled', () => {
    for (const key of [
      '"io.modelcontextprotocol\\/protocolVersion"',
      '"\\u0069o.modelcontextprotocol/protocolVersion"',
    ]) {
      const text = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"\\u005fmeta" : { ${key} :\n"${modern}" } } }`;
      assert.equal(outcome(said(text), none), 'HEADER_MISMATCH');
      // Capabilities are missing, so somebody looked.
      assert.equal(
        outcome(said(text), { version: modern, method: 'tools/list', name: undefined }),
        'MISSING_META',
      );
      assert.equal(eraOfLine(said(text)), 'modern');
    }
  });

  it('does not come of a _meta that is no object', () => {
    for (const _meta of [null, [meta], metaKeys.version, 1])
      assert.equal(outcome(asks('tools/list', { _meta }), none), 'legacy');
  });

  it('needs capabilities from a request, and they are an object', () => {
    for (const capabilities of [undefined, null, [], 'all', 1, true]) {
      const message = asks('tools/list', { _meta: { ...meta, [metaKeys.capabilities]: capabilities } });
      assert.equal(
        outcome(message, { version: modern, method: 'tools/list', name: undefined }),
        'MISSING_META',
      );
    }
  });

  it('is nothing that a response can claim', () => {
    const replies = [
      said({ id: 1, result: { _meta: meta } }),
      said({ id: 1, error: { code: 1, message: 'no', data: meta } }),
    ];
    for (const reply of replies) {
      assert.equal(outcome(reply, none), 'legacy');
      assert.equal(outcome(reply, { ...none, version: '2025-11-25' }), 'legacy');
      assert.equal(outcome(reply, { ...none, version: modern }), 'BAD_MESSAGE');
      assert.equal(outcome(reply, { ...none, version: '2031-01-01' }), 'UNSUPPORTED_VERSION');
      assert.equal(eraOfLine(reply), 'legacy');
    }
  });

  it('of a notification without a claim is what the header says', () => {
    const notice = tells('notifications/progress', { progressToken: 1, progress: 1 });
    assert.equal(outcome(notice, none), 'legacy');
    assert.equal(outcome(notice, { ...none, version: modern }), 'modern');
    assert.equal(outcome(tells('notifications/progress'), { ...none, version: modern }), 'modern');
  });

  it('does not let a notification pass whose header names another method, with a claim or without', () => {
    for (const params of [undefined, {}, { _meta: meta }]) {
      const notice = tells('notifications/cancelled', params);
      const headers = { version: modern, method: 'notifications/progress', name: undefined };
      assert.equal(outcome(notice, headers), 'HEADER_MISMATCH', JSON.stringify(params ?? null));
      assert.equal(outcome(notice, { ...headers, method: 'notifications/cancelled' }), 'modern');
      // A notification needs no such header (2026-07-28 streamable-http: all requests).
      assert.equal(outcome(notice, { ...headers, method: undefined }), 'modern');
    }
  });

  it('of an old request under an old header does not depend on headers that its revision does not know', () => {
    const call = asks('tools/call', { name: 'echo' });
    assert.equal(outcome(call, { version: '2025-11-25', method: 'tools/list', name: 'other' }), 'legacy');
  });

  it('is what the line says where there are no headers', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(undefined, ...legacyRevisions, modern, 7, null),
        fc.boolean(),
        (claim, isNotice) => {
          const params = claim === undefined ? {} : { _meta: { [metaKeys.version]: claim } };
          const message = isNotice ? tells('a/b', params) : asks('a/b', params);
          assert.equal(eraOfLine(message), claim === undefined ? 'legacy' : 'modern');
        },
      ),
    );
  });
});

describe('the headers of a modern call', () => {
  const call = (params: object) => asks('tools/call', { ...params, _meta: meta });

  it('must name the method and the tool that the body names', () => {
    const read = call({ name: 'read' });
    const wrong: EraHeaders[] = [
      { version: modern, method: undefined, name: 'read' },
      { version: modern, method: 'tools/list', name: 'read' },
      { version: modern, method: 'TOOLS/CALL', name: 'read' },
      { version: modern, method: 'tools/call, tools/call', name: 'read' },
      { version: modern, method: ' tools/call', name: 'read' },
      calling(undefined),
      calling(''),
      calling('delete'),
      calling('READ'),
      calling('read, read'),
      calling('=?base64?cmVhZB==?='),
    ];
    for (const headers of wrong)
      assert.equal(outcome(read, headers), 'HEADER_MISMATCH', JSON.stringify(headers));
    assert.equal(outcome(read, calling('read')), 'modern');
    assert.equal(outcome(read, calling('=?base64?cmVhZA==?=')), 'modern');
  });

  it('must not name what the body does not', () => {
    assert.equal(outcome(call({}), calling('read')), 'HEADER_MISMATCH');
    assert.equal(outcome(call({ name: ['read'] }), calling('read')), 'HEADER_MISMATCH');
    assert.equal(
      outcome(asks('tools/list', { _meta: meta }), { version: modern, method: 'tools/list', name: 'x' }),
      'HEADER_MISMATCH',
    );
  });

  it('are looked at after the version, so that nobody learns of a mismatch in a language that is not spoken', () => {
    const message = asks('tools/call', {
      name: 'read',
      _meta: { ...meta, [metaKeys.version]: '2031-01-01' },
    });
    assert.equal(outcome(message, { version: '2031-01-01', method: 'x', name: 'y' }), 'UNSUPPORTED_REVISION');
  });
});

describe('_meta', () => {
  it('is an object, or as good as none', () => {
    assert.deepEqual(metaOf({ _meta: { a: 1 } }), { a: 1 });
    for (const _meta of [null, 1, 'x', true, [1]]) assert.deepEqual(metaOf({ _meta }), {});
    assert.deepEqual(metaOf({}), {});
  });
});

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'none').slice(0, 30);
}
