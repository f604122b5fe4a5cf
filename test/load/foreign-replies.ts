/**
 * A million replies to 200 sessions that share one child and use equal ids and progress tokens, each checked to be its own.
 * Exits with 1 when one was foreign, lost or of no call. `--replies N`, `--sessions N` and `--callers N` make it smaller.
 */
import { parseArgs } from 'node:util';
import { runCrowd } from './crowd.ts';

const { values } = parseArgs({
  options: {
    replies: { type: 'string', default: '1000000' },
    sessions: { type: 'string', default: '200' },
    callers: { type: 'string', default: '8' },
  },
});

const { samples, ...figures } = await runCrowd({
  replies: count(values.replies),
  sessions: count(values.sessions),
  callers: count(values.callers),
  notesEvery: 4,
  onProgress: (replies, seconds) =>
    console.log(`${replies} replies after ${seconds.toFixed(0)} s, ${(replies / seconds).toFixed(0)}/s`),
});
for (const what of samples) console.log(what);
const { replies, notes, logs, cancelled, foreign, lost, odd, seconds, children } = figures;
console.log(
  `${replies} replies and ${notes} progress notes in ${seconds.toFixed(1)} s to ${values.sessions} sessions of ${values.callers} callers at ${children} child: ${foreign} foreign, ${lost} lost, ${odd} of no call; ${cancelled} calls cancelled, ${logs} log lines delivered`,
);
process.exitCode = replies === count(values.replies) && foreign + lost + odd === 0 ? 0 : 1;

function count(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${text} is no count`);
  return number;
}
