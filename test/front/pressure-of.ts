import type { OverloadTerms } from '../../src/domain/care.ts';
import { Pressure, type PressureParts } from '../../src/front/pressure.ts';

export const roomy: OverloadTerms = {
  requestsMax: 100,
  perCallerMax: 50,
  connectionsMax: 100,
  bodyBytesMax: 1024 * 1024,
  lagMs: 60_000,
  unreadBytesMax: 1024 * 1024,
};

/** What lets in as much as a test needs, with some terms of its own. */
export function pressureOf(terms: Partial<OverloadTerms>, more: Partial<PressureParts> = {}): Pressure {
  return new Pressure({
    terms: { ...roomy, ...terms },
    readWithinMs: 30_000,
    children: 0,
    steadyMs: () => performance.now(),
    random: () => 0,
    ...more,
  });
}
