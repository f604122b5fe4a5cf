import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Target } from '../../src/domain/call.ts';
import type { Reach } from '../../src/domain/caller.ts';
import { decide } from '../../src/policy/decide.ts';
import { namePattern } from '../../src/policy/match.ts';
import { wordOutcome } from '../../src/protocol/wire-errors.ts';
import {
  classed,
  facts,
  ordersFor,
  ordersWith,
  prompt,
  resource,
  rule,
  serverFile,
  tool,
} from './support.ts';

const everything = ordersWith(
  [
    rule('all', 'allow', { tools: ['*'], resources: ['**'], prompts: ['*'], upcalls: ['*'], methods: ['*'] }),
    rule('reviewers only', 'deny', { tools: ['review_*'], roles: ['reviewer'] }),
  ],
  { tools: [classed('*', 'destructive')] },
  { roles: [['reviewer', ['nobody']]] },
);

function patterns(...texts: readonly string[]) {
  return texts.map((text) => {
    const compiled = namePattern(text);
    assert.ok(compiled.ok);
    return compiled.pattern;
  });
}

function ask(reach: Reach, target: Target, args: object | undefined = {}, server = 'fx') {
  const judged = { server, principal: { name: 'ana', reach }, target, args: args as never };
  return decide(everything, judged, facts);
}

const listing: Target = { kind: 'listing', of: 'tools' };
const ping: Target = { kind: 'protocol', method: 'ping' };
const sampling: Target = { kind: 'upcall', method: 'sampling/createMessage' };

describe('what a credential is good for', () => {
  test('a server that is not named does not exist, whatever the rules say', () => {
    for (const target of [tool('read'), resource('file:///a'), listing, ping]) {
      const decision = ask({ servers: patterns('other', 'x*') }, target);
      assert.deepEqual([decision.kind, decision.kind === 'deny' && decision.hidden], ['deny', true]);
      assert.equal(ask({ servers: patterns('f*') }, target).kind, 'allow');
    }
  });

  test('where tools are named nothing else can be used, and the conversation stays open', () => {
    const reach = { tools: patterns('fx/read_*', 'other/*') };
    assert.equal(ask(reach, tool('read_file')).kind, 'allow');
    for (const closed of [tool('write_file'), tool('other/read'), resource('file:///a'), prompt('p')])
      assert.equal(ask(reach, closed).kind, 'deny');
    assert.equal(ask(reach, { kind: 'unknown', method: 'x/read_file' }).kind, 'deny');
    assert.equal(ask(reach, { kind: 'subscription', uris: ['file:///a'] }).kind, 'deny');
    assert.equal(ask(reach, { kind: 'completion', of: { kind: 'prompt', name: 'p' } }).kind, 'deny');
    assert.equal(ask(reach, { kind: 'task', id: '1', tool: 'write_file' }).kind, 'deny');
    for (const open of [listing, ping, sampling]) assert.equal(ask(reach, open).kind, 'allow');
  });

  test('a stream tells of tasks of tools that are within reach, and of no others', () => {
    const follows = (...tools: string[]): Target => ({ kind: 'subscription', uris: [], tools });
    const reach = { tools: patterns('fx/read_*') };
    assert.equal(ask(reach, follows('read_file')).kind, 'allow');
    assert.equal(ask(reach, follows('read_file', 'write_file')).kind, 'deny');
    const both: Target = { kind: 'subscription', uris: ['file:///a'], tools: ['read_file'] };
    assert.equal(ask(reach, both).kind, 'deny');
    const lacks = ask({ risks: ['read'] }, follows('write_file'));
    assert.equal(lacks.kind === 'deny' && lacks.needs, 'destructive');
    assert.equal(ask({ risks: ['read', 'write', 'destructive'] }, follows('write_file')).kind, 'allow');
  });

  test('it narrows and never widens', () => {
    const wide = {
      servers: patterns('*'),
      tools: patterns('*'),
      risks: ['read', 'write', 'destructive'],
    } as const;
    const judged = { server: 'fx', principal: { name: 'ana', reach: wide }, target: tool('x'), args: {} };
    assert.equal(decide(ordersFor([]), judged, facts).kind, 'deny');
  });

  test('a role that it brings along counts like one that the policy gives', () => {
    const judged = (roles: readonly string[]) => ({
      server: 'fx',
      principal: { name: 'ana', roles },
      target: tool('review_all'),
      args: {},
    });
    assert.equal(decide(everything, judged([]), facts).kind, 'allow');
    assert.equal(decide(everything, judged(['reviewer']), facts).kind, 'deny');
    assert.equal(decide(everything, judged(['Reviewer', '__proto__']), facts).kind, 'allow');
  });
});

describe('a token that is good for some classes of tools', () => {
  test('lacks the class of the tool, and the caller is told which: 403, and no tool result', () => {
    const decision = ask({ risks: ['read'] }, tool('anything'));
    assert.equal(decision.kind, 'deny');
    assert.deepEqual(decision.kind === 'deny' && [decision.rule, decision.hidden, decision.needs], [
      'built-in: credential',
      false,
      'destructive',
    ]);
    if (decision.kind !== 'deny') return;
    const reply = wordOutcome({ kind: 'refused', why: decision, target: tool('anything') }, 'c', 'modern');
    assert.deepEqual([reply.status, reply.kind, reply.needs], [403, 'error', 'destructive']);
  });

  test('a method that nobody knows may do anything', () => {
    const unknown: Target = { kind: 'unknown', method: 'vendor/wipe' };
    const lacks = ask({ risks: ['read', 'write'] }, unknown);
    assert.equal(lacks.kind === 'deny' && lacks.needs, 'destructive');
    assert.equal(ask({ risks: ['destructive'] }, unknown).kind, 'allow');
  });

  test('a resource and a prompt count as read', () => {
    for (const target of [resource('file:///a'), prompt('p')]) {
      assert.equal(ask({ risks: ['read'] }, target).kind, 'allow');
      const none = ask({ risks: [] }, target);
      assert.deepEqual(none.kind === 'deny' && none.needs, 'read');
    }
  });

  test('is told nothing about what the policy denies anyway', () => {
    const judged = {
      server: 'fx',
      principal: { name: 'ana', reach: { risks: [] } },
      target: tool('x'),
      args: {},
    };
    const decision = decide(ordersFor([]), judged, facts);
    assert.equal(decision.kind === 'deny' && decision.needs, undefined);
  });

  test('sees in listings what a better one could call, and may talk', () => {
    assert.equal(
      decide(
        everything,
        {
          server: 'fx',
          principal: { name: 'ana', reach: { risks: [] } },
          target: tool('x'),
          args: undefined,
        },
        facts,
      ).kind,
      'allow',
    );
    for (const open of [listing, ping, sampling]) assert.equal(ask({ risks: [] }, open).kind, 'allow');
  });

  test('is held to it while a server only observes', () => {
    const { contract } = serverFile('fx', []);
    const observing = ordersWith([rule('all', 'allow', { tools: ['*'] })], {
      contract: { ...contract, mode: 'observe' },
    });
    const judged = {
      server: 'fx',
      principal: { name: 'ana', reach: { risks: [], servers: patterns('fx') } },
      target: tool('x'),
      args: {},
    };
    assert.equal(decide(observing, judged, facts).kind, 'deny');
  });
});
