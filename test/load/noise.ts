// One caller that makes all the noise it can, in a process of its own: who measures beside it is not to be slowed by making it.
import { Caller, type Told } from './flood.ts';

type Order = {
  readonly url: string;
  readonly server: string;
  readonly key: string;
  readonly id: string;
  readonly lanes: number;
  readonly forMs: number;
  readonly tool: string;
  readonly args: object;
};

const { lanes, forMs, tool, args, ...at } = JSON.parse(process.argv[2] ?? '{}') as Order;
const caller = Caller.at(at, lanes);
const told = await caller.flood(lanes, forMs, tool, args);
caller.leave();
const isDone = ({ status, body }: Told): boolean => status === 200 && body.includes('"result"');
const counts: Record<string, number> = {};
for (const one of told) {
  const what = isDone(one) ? 'done' : String(one.status);
  counts[what] = (counts[what] ?? 0) + 1;
}
process.stdout.write(JSON.stringify(counts));
