/** How patient the fleet is. One value, so that tests can hand in a quicker one. */
export type Pace = {
  /** Pause before the first restart; doubles with each death in a row. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** More deaths than this within `deathsWithinMs` and the child is given up. */
  readonly deathsMax: number;
  /** Also the length of a good run that forgives all earlier deaths. */
  readonly deathsWithinMs: number;
  /** Between closing stdin, SIGTERM, SIGKILL, and giving up on a process that not even SIGKILL ends. */
  readonly stopStepMs: number;
  /** What a dead child's pipes may still deliver, while a grandchild holds them open. */
  readonly drainMs: number;
  readonly healthEveryMs: number;
  readonly pingWithinMs: number;
  /** How long a call waits for a child that is on its way back. */
  readonly readyWithinMs: number;
  /** How long a child waits for the answer to its own question. */
  readonly questionWithinMs: number;
  /** At most one `list_changed` of a kind in this time. */
  readonly stormMs: number;
};

export const standardPace: Pace = {
  backoffBaseMs: 250,
  backoffCapMs: 30_000,
  deathsMax: 5,
  deathsWithinMs: 60_000,
  stopStepMs: 2_000,
  drainMs: 300,
  healthEveryMs: 15_000,
  pingWithinMs: 5_000,
  readyWithinMs: 5_000,
  questionWithinMs: 600_000,
  stormMs: 250,
};
