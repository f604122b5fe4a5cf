// One caller that makes all the noise it can, in a process of its own: who measures beside it is not to be slowed by making it.
import { Caller, type Noise, type Place, type Told } from './flood.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as Place & Noise;
const { lanes, forMs, tool, args, fill = {}, calls = Infinity, ...at } = order;
const filled = Object.fromEntries(Object.entries(fill).map(([name, bytes]) => [name, 'x'.repeat(bytes)]));
const caller = Caller.at(at, lanes);
/** What a server could not do is said with 200, and told apart by its code. */
const whatIs = ({ status, body }: Told): string => {
  if (status !== 200) return String(status);
  if (body.includes('"result"')) return 'done';
  if (body.includes('"code":1504')) return 'timed out';
  return body.includes('"code":1506') ? 'busy' : '200';
};
const counts: Record<string, number> = {};
let told = 0;
await caller.pour(lanes, forMs, tool, { ...args, ...filled }, (one) => {
  if (++told >= calls) caller.stop();
  const what = whatIs(one);
  counts[what] = (counts[what] ?? 0) + 1;
});
caller.leave();
process.stdout.write(JSON.stringify(counts));
