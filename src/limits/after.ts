/** Calls back once, later. Gives the way to call it off. Handed in, so that no test sleeps to find out. */
export type After = (ms: number, then: () => void) => () => void;

export const realAfter: After = (ms, then) => {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
};
