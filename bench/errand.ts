import type { Ask } from './caller.ts';
import type { Endpoint } from './http-caller.ts';
import type { Slice } from './slice.ts';
import type { Command } from './stdio-caller.ts';

/** How the driver reaches a target. */
export type Reach =
  | { readonly kind: 'stdio'; readonly command: Command }
  | { readonly kind: 'http'; readonly endpoint: Endpoint };

/** What the driver is asked to do, one thing at a time. */
export type Errand =
  | {
      readonly do: 'open';
      readonly target: string;
      readonly reach: Reach;
      readonly sessions: number;
      readonly ask: Ask;
    }
  | { readonly do: 'slice'; readonly target: string; readonly forMs: number }
  | { readonly do: 'close' };

/** Sessions stand ready; `pid` is the child's when the driver itself runs it. */
export type Opened = { readonly pid: number | undefined; readonly perSessionMs: number };

/** What came of an errand. */
export type Report =
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'slice'; readonly slice: Slice }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly reason: string };
