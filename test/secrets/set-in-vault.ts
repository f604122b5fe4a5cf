/** Run by vault.test.ts: sets so many secrets, one after the other, and says when the first is there. */
import { join } from 'node:path';
import { Vault } from '../../src/secrets/vault.ts';

const [dir = '', name = '', times = '1'] = process.argv.slice(2);
const vault = new Vault({
  path: join(dir, 'vault.json'),
  source: { kind: 'file', path: join(dir, 'config', 'vault.key') },
  env: {},
  passphrase: undefined,
  wallMs: Date.now,
});
for (let count = 0; count < Number(times); count++) {
  await vault.set(`${name}-${count % 50}`, 'hunter2');
  if (count === 0) console.log('stored');
}
