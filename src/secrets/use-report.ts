import type { SecretUse } from '../domain/orders.ts';

/** Variable → where its value is. */
export type Uses = Readonly<Record<string, SecretUse>>;

/** One variable of one server, for the operator. No value, and nothing about one. */
export type UseReport = {
  readonly server: string;
  readonly variable: string;
  readonly reference: string;
  readonly ttlMs: number | undefined;
  /** `held`: some child has it; `lacking`: the server waits for it; `idle`: nothing runs that needs it. */
  readonly state: 'held' | 'lacking' | 'idle';
  readonly because: string | undefined;
};

/** Every variable of every server. */
export function useReports(
  uses: ReadonlyMap<string, Uses>,
  known: {
    readonly because: (server: string, reference: string) => string | undefined;
    readonly isHeld: (server: string, reference: string) => boolean;
  },
): readonly UseReport[] {
  return [...uses].flatMap(([server, all]) =>
    Object.entries(all).map(([variable, { reference, ttlMs }]): UseReport => {
      const because = known.because(server, reference);
      const state = because !== undefined ? 'lacking' : known.isHeld(server, reference) ? 'held' : 'idle';
      return { server, variable, reference, ttlMs, state, because };
    }),
  );
}
