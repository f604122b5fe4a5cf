import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkHeaders } from '../../src/call/check-headers.ts';
import type { DataPlane } from '../../src/call/data-plane.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import type { MirroredArgument } from '../../src/domain/upstream.ts';
import { modern, type Asking } from '../rounds/support.ts';

const declared: readonly MirroredArgument[] = [
  { header: 'region', path: ['region'] },
  { header: 'deep', path: ['where', 'deep'] },
];
/** A fleet in which one server has one tool with such arguments. */
const plane = {
  fleet: {
    mirrored: (server: string, tool: string) => (server === 'fx' && tool === 'marked' ? declared : []),
  },
} as unknown as DataPlane;

function check(
  args: JsonObject | undefined,
  headers: Record<string, string> | undefined,
  asking: Asking = {},
): string {
  const { call } = modern({
    params: { name: 'marked', ...(args === undefined ? {} : { arguments: args }) },
    ...asking,
  });
  const mirror = headers === undefined ? undefined : new Map(Object.entries(headers));
  try {
    checkHeaders({ ...call, mirror }, plane);
    return 'ok';
  } catch (reason) {
    assert.ok(reason instanceof Fault && reason.code === 'HEADER_MISMATCH', String(reason));
    return JSON.stringify(reason.data?.['header']).slice(1, -1);
  }
}

describe('the arguments that a client repeats in headers', () => {
  it('must be repeated, all of them, as they are', () => {
    const args = { region: 'eu', where: { deep: 7 } };
    assert.equal(check(args, { region: 'eu', deep: '7' }), 'ok');
    assert.equal(check(args, { region: 'eu', deep: '7', other: 'x' }), 'ok');
    assert.equal(check(args, { region: 'us', deep: '7' }), 'Mcp-Param-region');
    assert.equal(check(args, { region: 'eu', deep: '8' }), 'Mcp-Param-deep');
    assert.equal(check(args, { region: 'eu' }), 'Mcp-Param-deep');
    assert.equal(check(args, { deep: '7' }), 'Mcp-Param-region');
    assert.equal(check(args, {}), 'Mcp-Param-region');
  });

  it('must not be repeated where there are none', () => {
    assert.equal(check({}, {}), 'ok');
    assert.equal(check(undefined, {}), 'ok');
    assert.equal(check({}, { region: 'eu' }), 'Mcp-Param-region');
    assert.equal(check(undefined, { deep: '7' }), 'Mcp-Param-deep');
    assert.equal(check({ region: null, where: { Deep: 7 } }, { deep: '7' }), 'Mcp-Param-deep');
  });

  it('need no headers where nobody on the way could have read them', () => {
    assert.equal(check({ region: 'eu' }, undefined), 'ok');
  });

  it('are those of this tool of this server', () => {
    assert.equal(
      check({ region: 'eu' }, {}, { params: { name: 'other', arguments: { region: 'eu' } } }),
      'ok',
    );
    assert.equal(check({ region: 'eu' }, {}, { server: 'fy' }), 'ok');
  });

  it('are looked at in calls of tools of the modern era only', () => {
    assert.equal(check({ region: 'eu' }, {}, { era: 'legacy' }), 'ok');
    assert.equal(check({ region: 'eu' }, {}, { method: 'prompts/get' }), 'ok');
  });

  it('are looked at again in each round', () => {
    const round = { name: 'marked', arguments: { region: 'eu' }, inputResponses: { a: {} } };
    assert.equal(check(undefined, { region: 'eu' }, { params: round }), 'ok');
    assert.equal(check(undefined, { region: 'us' }, { params: round }), 'Mcp-Param-region');
  });
});
