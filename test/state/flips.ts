/**
 * Throws switches of a state directory and takes them back, and prints each change that was acknowledged: `N off|on NAME`, or
 * `N not NAME` where it was said not to be durable. Arguments: the directory, how many changes, and `close` or `die`.
 */
import { writeSync } from 'node:fs';
import { openState } from '../../src/open-state.ts';
import { switchedOff, SwitchStore, withSwitch } from '../../src/operate/switches.ts';

const [dir = '', count = '20', end = 'close'] = process.argv.slice(2);
// At once, and by the system: what a dead process had still in its memory would not count.
const say = (line: string) => writeSync(1, `${line}\n`);

const state = openState(dir);
const store = SwitchStore.open(state.database);
say(`open ${store.changes()}`);
for (let number = 0; number < Number(count); number++) {
  // 0 1 2 stay off for a while, and every third change takes one back.
  const name = `fx/${number % 3 === 2 ? number - 2 : number}`;
  const target = { kind: 'tool', name } as const;
  const isOff = switchedOff(store.current(), target) !== undefined;
  const off = { at: number, by: 'ana', reason: 'x'.repeat(number * 10) };
  const next = withSwitch(store.current(), target, isOff ? undefined : off);
  const saved = isOff ? store.relax(next) : store.impose(next);
  say(saved.durable ? `${number} ${isOff ? 'on' : 'off'} ${name}` : `${number} not ${name} ${saved.why}`);
}
say('done');
if (end === 'die') process.kill(process.pid, 'SIGKILL');
state.close();
