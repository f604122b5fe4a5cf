/**
 * Where takes are kept, so that a restart does not refill. Keys are digests: the name of a target can be a URI with a
 * secret in it, and nothing unredacted is written down.
 */
export type TakeStore = {
  /** What earlier runs took, oldest first, stale ones included. Asked once, at the start. */
  readonly load: () => Iterable<KeptTake>;
  /**
   * Keeps what one call takes, all or none. When it returns, the operating system has it, and the death of the process
   * loses nothing. Throws `AUDIT_UNAVAILABLE`; then nothing was kept, and the call must not be made.
   */
  readonly add: (at: number, takes: readonly NewTake[]) => void;
  /** Whether so much stale is kept that `rewrite` would be worth it. */
  readonly isOvergrown: () => boolean;
  /** Puts these in the place of everything. Throws `AUDIT_UNAVAILABLE`, and then everything is as it was. */
  readonly rewrite: (takes: Iterable<KeptTake>) => void;
};

export type NewTake = {
  readonly key: string;
  /** For how long it counts. */
  readonly keepMs: number;
  /** A whole number. */
  readonly amount: number;
};

/** `at`: wall clock, whole milliseconds since 1970. */
export type KeptTake = NewTake & { readonly at: number };
