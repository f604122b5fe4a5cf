/** Run by keychain.test.ts in a session of its own; prints what happened as one JSON line. Touches whatever keychain it finds. */
import { Fault } from '../../src/domain/faults.ts';
import { withKeychain } from '../../src/secrets/keychain.ts';
import { resolveSecrets } from '../../src/secrets/resolve.ts';
import { listSecrets, removeSecret, setSecret } from '../../src/secrets/store.ts';

const [names = '', stopped = ''] = process.argv.slice(2);

async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (reason) {
    const { code, detail, hint } = Fault.from(reason);
    return { code, detail, hint };
  }
}

if (stopped !== '') process.kill(Number(stopped), 'SIGSTOP');
let ticks = 0;
const ticking = setInterval(() => (ticks += 1), 20);
const told = {
  missing: await outcome(resolveSecrets({ A: 'keychain:test/a' }, '/')),
  ...(stopped === '' && {
    stored: await outcome(setSecret('test/a', 'värde "1"\n', names)),
    found: await outcome(resolveSecrets({ A: 'keychain:test/a', B: 'keychain:test/a' }, '/')),
    replaced: await outcome(setSecret('test/a', 'second', names)),
    again: await outcome(withKeychain((keychain) => keychain.get('test/a'))),
    listed: await outcome(listSecrets(names).then((all) => all.map(({ name }) => name))),
    probed: await outcome(withKeychain((keychain) => keychain.probe()).then(() => 'probed')),
    removed: await outcome(removeSecret('test/a', names)),
    absent: await outcome(removeSecret('test/a', names)),
  }),
};
clearInterval(ticking);
if (stopped !== '') process.kill(Number(stopped), 'SIGCONT');
console.log(JSON.stringify({ ...told, ticks }));
