/** Time is handed in, so that no test sleeps to find out. */
export type Clock = {
  /** Wall clock, milliseconds since 1970; for records and for people. It may jump. */
  readonly wallMs: () => number;
  /** Monotonic, milliseconds since some start; for waits and windows. It never jumps. */
  readonly steadyMs: () => number;
};

export const realClock: Clock = { wallMs: () => Date.now(), steadyMs: () => performance.now() };
