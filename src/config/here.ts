import type { Complaints } from './complain.ts';

/** The file that is being read: what relative paths in it start from, and where complaints about it go. */
export type Here = {
  /** Absolute. */
  readonly folder: string;
  readonly complaints: Complaints;
};
