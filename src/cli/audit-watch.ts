import { printable } from '../domain/printable.ts';
import type { Watcher } from '../audit/index-find.ts';
import type { Io } from './io.ts';

/** Before somebody at a terminal wonders. */
const quietMs = 1500;
const everyMs = 2000;

/** Says on stderr what takes long, and why it does. */
export function watcherFor(io: Io): Watcher {
  let nextMs = io.now() + quietMs;
  return {
    progress: (doneBytes, allBytes) => {
      const nowMs = io.now();
      if (nowMs < nextMs) return;
      nextMs = nowMs + everyMs;
      const percent = Math.floor((100 * doneBytes) / Math.max(1, allBytes));
      io.err(`mcpd: the journal is being indexed: ${percent} %\n`);
    },
    withoutIndex: (why) => {
      io.err(`mcpd: the whole journal is read, without an index: ${printable(why)}\n`);
    },
  };
}
