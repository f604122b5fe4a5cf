/** How patient the fleet is, where owners have no say. One value, so that tests can hand in a quicker one. */
export type Pace = {
  /** Pause before the first restart; doubles with each death in a row. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** Between closing stdin, SIGTERM, SIGKILL, and giving up on a process that not even SIGKILL ends. */
  readonly stopStepMs: number;
  /** What a dead child's pipes may still deliver, while a grandchild holds them open. */
  readonly drainMs: number;
  /** How long a call waits for a child that is on its way back. */
  readonly readyWithinMs: number;
  /** How long a child waits for the answer to its own question. */
  readonly questionWithinMs: number;
  /** At most one `list_changed` of a kind in this time. */
  readonly stormMs: number;
  /** A child that ended a subscription of ours, and lives, is asked again after this. */
  readonly followAgainMs: number;
  /** How long one start may hold up the next ones: the time in which a program needs the processor most. */
  readonly turnMs: number;
};

export const standardPace: Pace = {
  backoffBaseMs: 250,
  backoffCapMs: 30_000,
  stopStepMs: 2_000,
  drainMs: 300,
  readyWithinMs: 5_000,
  questionWithinMs: 600_000,
  stormMs: 250,
  followAgainMs: 5_000,
  turnMs: 500,
};
