// Sessions that call at a steady pace, in a process of its own: who measures beside them is not to be slowed by being them.
import { text as textOf } from 'node:stream/consumers';
import { Caller, type Place } from './flood.ts';
import { Echo } from './echo.ts';
import { paced } from './pace.ts';

type Order = { readonly places: readonly Place[]; readonly perSecond: number; readonly forMs: number };

// On standard input, and not on the command line: there are keys in it.
const { places, perSecond, forMs } = JSON.parse(await textOf(process.stdin)) as Order;
const sessions = places.map((place, n) => new Echo(Caller.at(place, 1), `steady-${n}`));
const until = performance.now() + forMs;
const { done, seconds } = await paced(
  perSecond,
  sessions.length,
  () => performance.now() < until,
  async (lane) => void (await sessions[lane]?.call()),
);
const wrong = sessions.flatMap((it) => it.wrong);
for (const session of sessions) session.leave();
process.stdout.write(JSON.stringify({ done, seconds, wrong: wrong.length, samples: wrong.slice(0, 3) }));
