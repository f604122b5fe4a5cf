import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Call, Target } from '../../src/domain/call.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, JsonText } from '../../src/domain/message.ts';
import type { Channel, Orders } from '../../src/domain/orders.ts';
import { decide } from '../../src/policy/decide.ts';
import { narrow } from '../../src/policy/narrow.ts';
import { canonical } from '../../src/protocol/codec.ts';
import {
  asking,
  asks,
  classed,
  contract,
  facts,
  grant,
  knowing,
  me,
  noSwitches,
  ordersFor,
  ordersWith,
  referenceRules,
  rule,
  tool,
} from './support.ts';

const orders = ordersFor(referenceRules);

const callFor = (target: Target, method: string): Call => ({
  id: 'c',
  at: 0,
  remote: '',
  principal: me,
  session: { id: 's', principal: me, server: 'fx', era: 'legacy', agreed: undefined },
  server: 'fx',
  target,
  message: { kind: 'request', id: 1, method, params: undefined },
  params: {},
  userAgent: undefined,
  outlet: { send: () => 'sent' },
  halt: new Halt(),
  mirror: undefined,
  resumes: undefined,
});

const json = (text: string): JsonText => canonical(text, { bytesMax: 1e6, depthMax: 64 });
const result = (text: string): Answer => ({ kind: 'result', text: json(text) });
const listing = (of: Extract<Target, { kind: 'listing' }>['of'], text: string): string =>
  narrow(orders, callFor({ kind: 'listing', of }, 'list'), result(text), facts).text;

describe('a listing', () => {
  test('keeps what may be called or asked for, and nothing else', () => {
    assert.equal(
      listing(
        'tools',
        '{"tools":[{"name":"read_file"},{"name":"delete_file"},{"name":"write_file"},{"name":"new"}]}',
      ),
      '{"tools":[{"name":"read_file"},{"name":"write_file"}]}',
    );
  });
  test('keeps its entries and its other members as they stand, to the digit', () => {
    const kept = '{"name":"echo","inputSchema":{"maximum":12345678901234567890,"a":1.0},"_meta":{"x/y":1}}';
    assert.equal(
      listing('tools', `{"_meta":{"n":1e400},"tools":[${kept},{"name":"no"}],"nextCursor":""}`),
      `{"_meta":{"n":1e400},"tools":[${kept}],"nextCursor":""}`,
    );
  });
  test('may come out empty and still have a next page', () => {
    assert.equal(
      listing('prompts', '{"prompts":[{"name":"danger"}],"nextCursor":"c"}'),
      '{"prompts":[],"nextCursor":"c"}',
    );
  });
  test('of resources is trimmed by uri, of templates by the template as text', () => {
    assert.equal(
      listing(
        'resources',
        '{"resources":[{"uri":"file:///ok.txt"},{"uri":"file:///secret.txt"},{"uri":"file:///pub/../x"}]}',
      ),
      '{"resources":[{"uri":"file:///ok.txt"}]}',
    );
    assert.equal(
      listing(
        'resourceTemplates',
        '{"resourceTemplates":[{"uriTemplate":"file:///pub/{+path}"},{"uriTemplate":"file:///{path}"}]}',
      ),
      '{"resourceTemplates":[{"uriTemplate":"file:///pub/{+path}"}]}',
    );
  });
  test('drops entries that nobody could call', () => {
    const entries = [
      'null',
      '1',
      '"echo"',
      '["echo"]',
      '{}',
      '{"name":1}',
      '{"name":["echo"]}',
      '{"name":""}',
      '{"Name":"echo"}',
    ];
    assert.equal(listing('tools', `{"tools":[${entries.join(',')}]}`), '{"tools":[]}');
  });
  test('drops both of two tools of one name', () => {
    assert.equal(
      listing('tools', '{"tools":[{"name":"echo","description":"safe"},{"name":"slow"},{"name":"echo"}]}'),
      '{"tools":[{"name":"slow"}]}',
    );
  });
  test('that is no list shows nothing', () => {
    assert.equal(listing('tools', '{"tools":{"0":{"name":"delete_file"}}}'), '{"tools":[]}');
  });
  test('with nothing to trim comes back as the same object', () => {
    const answer = result('{"tools":[{"name":"echo"}]}');
    assert.equal(
      narrow(orders, callFor({ kind: 'listing', of: 'tools' }, 'tools/list'), answer, facts),
      answer,
    );
  });
  test('shows exactly what decide does not deny', () => {
    const all = ordersFor([rule('a', 'allow', { tools: ['a*'] }), rule('b', 'deny', { tools: ['*b'] })]);
    const names = ['a', 'ab', 'b', 'ac', '*', 'a\n', 'A', '__proto__', 'constructor'];
    const answer = result(JSON.stringify({ tools: names.map((name) => ({ name })) }));
    const shown = JSON.parse(
      narrow(all, callFor({ kind: 'listing', of: 'tools' }, 'tools/list'), answer, facts).text,
    ) as {
      tools: { name: string }[];
    };
    assert.deepEqual(
      shown.tools.map((it) => it.name),
      names.filter((name) => decide(all, asks(tool(name)), facts).kind !== 'deny'),
    );
  });
});

describe('other answers', () => {
  const initialize = callFor({ kind: 'protocol', method: 'initialize' }, 'initialize');
  test('to initialize lose the capabilities that are not carried, and only those', () => {
    const answer = result(
      '{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{"list":{}},"experimental":{"x":1.0},"other":{}},"serverInfo":{"name":"a","version":"1"}}',
    );
    assert.equal(
      narrow(orders, initialize, answer, facts).text,
      '{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{"list":{}},"experimental":{"x":1.0}},"serverInfo":{"name":"a","version":"1"}}',
    );
  });
  test('come back as the same object', () => {
    const error: Answer = { kind: 'error', text: json('{"code":1,"message":"tools"}') };
    assert.equal(
      narrow(orders, callFor({ kind: 'listing', of: 'tools' }, 'tools/list'), error, facts),
      error,
    );
    const called = result('{"tools":[{"name":"delete_file"}]}');
    assert.equal(narrow(orders, callFor(tool('echo'), 'tools/call'), called, facts), called);
    const plain = result('{"capabilities":{"tools":{}}}');
    assert.equal(narrow(orders, initialize, plain, facts), plain);
  });
});

describe('a listing of tools', () => {
  const toolsList = callFor({ kind: 'listing', of: 'tools' }, 'tools/list');
  const shown = (its: Orders, text: string, world = facts): string =>
    narrow(its, toolsList, result(text), world).text;
  const ask = (...channels: Channel[]) =>
    ordersWith([rule('r', 'confirm', { tools: ['*'], asking: { ...asking, channels } })]);

  test('leaves out what its own annotations make too grave, and never brings one in', () => {
    const reads = ordersWith([rule('r', 'allow', { tools: ['*'], risk: ['read'] })], {
      tools: [classed('a', 'read'), classed('b', 'read'), classed('c', 'write')],
    });
    const text =
      '{"tools":[{"name":"a","annotations":{"readOnlyHint":false}},{"name":"b","annotations":{"readOnlyHint":true}},{"name":"c","annotations":{"readOnlyHint":true}}]}';
    assert.equal(shown(reads, text), '{"tools":[{"name":"b","annotations":{"readOnlyHint":true}}]}');
  });
  test('leaves out what is in quarantine', () => {
    const world = knowing({ echo: { quarantined: 'it changed', admits: undefined } });
    const text = '{"tools":[{"name":"echo","annotations":{"readOnlyHint":false}},{"name":"slow"}]}';
    assert.equal(shown(orders, text, world), '{"tools":[{"name":"slow"}]}');
  });
  test('has a place for the ticket where a call is answered with one, and nothing else is changed by a digit', () => {
    const text =
      '{"tools":[{"name":"a","inputSchema":{"type":"object","properties":{"n":{"maximum":1.0}}},"x":1e400}]}';
    const listedTool = shown(ask({ kind: 'ticket' }), text);
    const added = /,"mcpd_ticket":(\{[^}]*\})/.exec(listedTool);
    assert.ok(added !== null);
    assert.equal((JSON.parse(added[1] ?? '') as { type: string }).type, 'string');
    assert.equal(listedTool.replace(added[0], ''), text);
  });
  test('has it beside other channels too, in a schema without properties, and not where nobody asks by ticket', () => {
    const bare = '{"tools":[{"name":"a","inputSchema":{"type":"object"}}]}';
    assert.match(shown(ask({ kind: 'operator' }, { kind: 'ticket' }), bare), /"properties":\{"mcpd_ticket"/);
    assert.equal(shown(ask({ kind: 'operator' }), bare), bare);
    assert.equal(shown(ordersWith([rule('r', 'allow', { tools: ['*'] })]), bare), bare);
  });
  test('leaves a schema alone that has an argument of that name, or is none', () => {
    for (const schema of [
      '{"properties":{"mcpd_ticket":{"type":"number"}}}',
      '{"properties":[]}',
      '[]',
      '"x"',
      'true',
    ]) {
      const text = `{"tools":[{"name":"a","inputSchema":${schema}}]}`;
      assert.equal(shown(ask({ kind: 'ticket' }), text), text);
    }
    assert.equal(shown(ask({ kind: 'ticket' }), '{"tools":[{"name":"a"}]}'), '{"tools":[{"name":"a"}]}');
  });
});

describe('an answer that anyone may keep', () => {
  const text = '{"cacheScope":"public","tools":[{"name":"echo"}]}';
  const scope = (its: Orders): unknown =>
    (
      JSON.parse(
        narrow(its, callFor({ kind: 'listing', of: 'tools' }, 'tools/list'), result(text), facts).text,
      ) as { cacheScope: string }
    ).cacheScope;
  const all = rule('all', 'allow', { tools: ['*'] });
  const off = { at: 0, by: 'op', reason: '' };

  test('stays so where all callers find the same', () => assert.equal(scope(ordersWith([all])), 'public'));
  test('is private for whoever shows a credential: another one of the same name may open less', () => {
    const call = callFor({ kind: 'listing', of: 'tools' }, 'tools/list');
    const keyed = { ...call, principal: { ...call.principal, via: 'key AbCd1234' } };
    assert.match(narrow(ordersWith([all]), keyed, result(text), facts).text, /"cacheScope":"private"/);
  });
  const notForAll: readonly (readonly [why: string, its: Orders])[] = [
    ['a rule names callers', ordersWith([all, rule('r', 'deny', { tools: ['x'], callers: ['you'] })])],
    [
      'a rule names roles',
      ordersWith([all, rule('r', 'deny', { tools: ['x'], roles: ['a'] })], {}, { roles: [['a', []]] }),
    ],
    ['a caller has a grant', ordersWith([all], {}, { grants: [grant('y')] })],
    [
      'a caller is switched off',
      ordersWith([all], {}, { switches: { ...noSwitches, callers: new Map([['you', off]]) } }),
    ],
    ['there are pilots', ordersWith([all], { contract: { ...contract, stage: 'pilot', pilots: ['me'] } })],
  ];
  for (const [why, its] of notForAll)
    test(`is private where ${why}`, () => assert.equal(scope(its), 'private'));
});
