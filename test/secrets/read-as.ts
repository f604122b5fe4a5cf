/** Run by providers.test.ts as root: reads a file as another user in these groups, and prints what came of it. */
import { Fault } from '../../src/domain/faults.ts';
import { readSecretFile } from '../../src/secrets/secret-file.ts';

const [path = '', uid = '', ...groups] = process.argv.slice(2);
process.setgroups?.(groups.map(Number));
process.setgid?.(Number(groups[0]));
process.setuid?.(Number(uid));
try {
  await readSecretFile(path);
  console.log('read');
} catch (reason) {
  console.log(Fault.from(reason).detail);
}
