import type { Clock } from '../domain/clock.ts';
import type { Connection } from './connection.ts';

const lookEveryMs = 50;

/** Tells when everything that was sent to a child is answered, or the time is over; at once where nothing is open. */
export function whenAnswered(
  connection: Connection,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
  done: () => void,
): void {
  const untilMs = clock.steadyMs() + withinMs;
  const look = () => {
    if (connection.inFlight + connection.waiting === 0 || clock.steadyMs() >= untilMs) done();
    else setTimeout(look, lookEveryMs);
  };
  look();
}
