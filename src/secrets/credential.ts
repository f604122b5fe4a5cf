import { isAbsolute, join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { readMounted } from './secret-file.ts';

/**
 * A credential that systemd put into the folder of this service (`LoadCredential=`, `LoadCredentialEncrypted=`,
 * `SetCredentialEncrypted=`; systemd.exec(5), "Credentials"). Throws `SECRET_UNAVAILABLE`.
 */
export async function readCredential(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const folder = env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined || !isAbsolute(folder))
    throw new Fault('SECRET_UNAVAILABLE', {
      detail: 'systemd gave this process no credentials: CREDENTIALS_DIRECTORY is not set',
      hint: `run mcpd as a systemd service with LoadCredentialEncrypted=${name}`,
    });
  return readMounted(
    join(folder, name),
    `add LoadCredentialEncrypted=${name} to the service, then: systemctl restart`,
  );
}
