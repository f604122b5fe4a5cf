import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { descriptorsFor } from '../../src/front/descriptors.ts';

describe('connections', () => {
  const cases: readonly (readonly [
    what: string,
    wanted: number,
    children: number,
    limit: number,
    inUse: number,
    connections: number,
  ])[] = [
    ['as many as wanted where there is room', 1000, 10, 20_000, 50, 1000],
    ['fewer where the system allows fewer files', 16_384, 10, 1024, 50, 910],
    ['some, however few files there are', 16_384, 20, 128, 40, 16],
  ];
  for (const [what, wanted, children, limit, inUse, connections] of cases)
    it(`are ${what}`, () => {
      const found = descriptorsFor(wanted, children, limit, inUse);
      assert.equal(found.connectionsMax, connections);
      assert.equal(found.descriptorMax, limit - 24);
    });

  it('are counted against what the system really allows', () => {
    const { limit, connectionsMax } = descriptorsFor(1_000_000_000, 0);
    if (process.platform !== 'linux') assert.equal(limit, undefined);
    else assert.ok(limit !== undefined && connectionsMax < limit, `${connectionsMax} of ${limit}`);
  });
});
