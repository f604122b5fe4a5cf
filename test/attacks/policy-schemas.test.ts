import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wrongArguments } from '../../src/call/check-arguments.ts';
import type { DataPlane } from '../../src/call/data-plane.ts';
import type { Json } from '../../src/domain/message.ts';
import { misfit } from '../../src/policy/arguments.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { calling } from '../confirm/support.ts';
import { ordersWith } from '../policy/support.ts';

/** As many branches as a schema may have, or nearly. */
const branches = 6000;
const wide = Object.fromEntries(Array.from({ length: 70_000 }, (_, at) => [`k${at}`, 0]));
const long = Array.from({ length: 200_000 }, () => 0);

function repeated(keyword: string, branch: Json): Json {
  return { properties: { a: { [keyword]: Array.from({ length: branches }, () => branch) } } };
}

/** Each of them took minutes: what is looked at in each branch was looked at without being paid for. */
const slow: readonly (readonly [name: string, schema: Json, args: Json])[] = [
  ['a choice of empty objects', repeated('enum', {}), wide],
  ['a choice of empty lists', repeated('enum', []), long],
  ['members that are counted', repeated('allOf', { minProperties: 1 }), wide],
  ['members that are refused', repeated('anyOf', { additionalProperties: false }), wide],
  ['members whose names are refused', repeated('anyOf', { propertyNames: false }), wide],
  ['members that nobody spoke of', repeated('anyOf', { unevaluatedProperties: false }), wide],
  ['items that anything fits', repeated('allOf', { contains: true }), long],
];

describe('a hostile schema does not keep the daemon busy with', () => {
  for (const [name, schema, args] of slow)
    it(name, () => {
      const said = misfit(schema, { a: args });
      // Given up, or found wrong at once: whichever, it ended, and the call is refused.
      assert.match(said ?? assert.fail('it was let through'), /too large to be checked|expected/);
    });

  it('addresses that are all counted from a long one', () => {
    const $id = `https://x/${'a'.repeat(1_000_000)}`;
    const parts = Array.from({ length: 4000 }, (_, at) => [`p${at}`, { $anchor: `x${at}` }] as const);
    assert.match(
      misfit({ $id, properties: Object.fromEntries(parts) }, {}) ?? '',
      /address that is too long/,
    );
    const named = { $id: 'https://x/y', properties: Object.fromEntries(parts) };
    assert.match(misfit(named, {}) ?? '', /too many of its parts/);
  });
});

describe('what a server writes into its schema', () => {
  const secret = 'fGh7-Kd93-mQ2x-Zp81';
  const redactor = new Redactor();
  redactor.learn(secret);
  const refused = (schema: Json, args: Json): string => {
    const fleet = { inputSchema: () => schema };
    // Only what the check reads of a plane.
    const plane = { fleet, redactor } as unknown as DataPlane;
    const call = calling({ server: 'fx', args: args as Record<string, Json> });
    return wrongArguments(call, ordersWith([]), plane)?.reason ?? assert.fail('it was let through');
  };

  it('does not bring its secret out in a refusal', () => {
    const schemas: readonly Json[] = [
      { properties: { a: { enum: [secret] } } },
      { properties: { a: { const: `${'x'.repeat(45)}${secret}` } } },
      { properties: { a: { pattern: `^${secret}$` } } },
      { required: [secret] },
      { required: [`${'x'.repeat(50)}${secret}`] },
      { properties: { a: { type: 'string', enum: ['b'] } }, propertyNames: { const: secret } },
    ];
    for (const schema of schemas) {
      const said = refused(schema, { a: 'A' });
      assert.ok(!said.includes(secret.slice(0, 8)), said);
    }
  });

  it('is still said where there is nothing secret in it', () => {
    assert.equal(
      refused({ properties: { a: { enum: ['b', 'c'] } } }, { a: 'A' }),
      'a: expected one of "b", "c".',
    );
  });
});
