/** The parts of a plane that have nothing to say about a call: no limit, no question, nothing taken out. */
import type { DataPlane } from '../../src/call/data-plane.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';

export const quiet: Pick<DataPlane, 'facts' | 'limits' | 'breakers' | 'gate' | 'pins' | 'redactor'> = {
  facts: { nowMs: () => 0, tool: () => undefined, realPath: (path) => path },
  limits: { charge: () => ({ kind: 'paid', done: () => undefined, would: undefined }) },
  breakers: {
    admit: () => undefined,
    went: () => undefined,
    retryInMs: () => undefined,
    wait: async () => undefined,
  },
  gate: {
    ask: () => ({ kind: 'approved', by: 'policy' }),
    continues: () => false,
    awaits: () => false,
    hear: () => undefined,
  },
  pins: { saw: () => undefined },
  redactor: {
    clean: (text) => text as RedactedJson,
    inward: (_orders, call) => ({ kind: 'clean', call, found: [] }),
    outward: (_orders, _call, { kind, text }) => ({
      kind: 'clean',
      answer: { kind, text: text as RedactedJson },
      found: [],
    }),
    aside: (_orders, _server, text) => text as RedactedJson,
  },
};
