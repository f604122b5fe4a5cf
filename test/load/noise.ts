// One caller that makes all the noise it can, in a process of its own: who measures beside it is not to be slowed by making it.
import { Caller, type Noise, type Place, type Told } from './flood.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as Place & Noise;
const { lanes, forMs, tool, args, fill = {}, calls = Infinity, ...at } = order;
const filled = Object.fromEntries(Object.entries(fill).map(([name, bytes]) => [name, 'x'.repeat(bytes)]));
const caller = Caller.at(at, lanes);
const isDone = ({ status, body }: Told): boolean => status === 200 && body.includes('"result"');
const counts: Record<string, number> = {};
let told = 0;
await caller.pour(lanes, forMs, tool, { ...args, ...filled }, (one) => {
  if (++told + lanes > calls) caller.stop();
  const what = isDone(one) ? 'done' : String(one.status);
  counts[what] = (counts[what] ?? 0) + 1;
});
caller.leave();
process.stdout.write(JSON.stringify(counts));
