/** Where the rests of failing tools are kept, so that a restart does not send everybody back to them at once. */
export type RestStore = {
  /** What earlier runs left. Asked once, at the start. */
  readonly load: () => Iterable<KeptRest>;
  /** Keeps a rest, in the place of an earlier one of the same tool. Must not throw. */
  readonly keep: (rest: KeptRest) => void;
  /** The tool works again, or is not watched any more. Must not throw. */
  readonly drop: (server: string, tool: string) => void;
};

/** Wall clock, milliseconds since 1970; whole numbers. */
export type KeptRest = {
  readonly server: string;
  readonly tool: string;
  readonly since: number;
  readonly untilMs: number;
  /** How long the rest was to be, so that a clock which was set back makes it no longer. */
  readonly restMs: number;
};
