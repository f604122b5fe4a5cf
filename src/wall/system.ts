import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import type { Mount } from './mounts.ts';

/** What every program may need of the machine: programs, libraries, certificates, names. No accounts, no keys, no host's own settings. */
const folders = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/nix/store',
  '/run/current-system/sw',
];

const settings = [
  ...['alternatives', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'locale.alias', 'localtime', 'timezone'],
  ...['ca-certificates', 'crypto-policies', 'pki/tls/certs', 'pki/tls/cert.pem', 'pki/ca-trust/extracted'],
  // Not the whole of /etc/ssl, which holds the private keys of this machine's own certificates.
  ...['ssl/certs', 'ssl/cert.pem', 'ssl/openssl.cnf', 'fonts', 'gitconfig', 'mime.types', 'os-release'],
  ...['gai.conf', 'host.conf', 'hosts', 'nsswitch.conf', 'protocols', 'services', 'magic'],
];

/** Only for those on the network. */
const names = ['resolv.conf'];

/** What there is of it on this machine. */
export function systemMounts(network: boolean): readonly Mount[] {
  const wanted = [...settings, ...(network ? names : [])].map((name) => `/etc/${name}`);
  return [
    ...folders.filter((it) => existsSync(it)).map(folder),
    ...wanted.filter((it) => existsSync(it)).map((at): Mount => ({ kind: 'read', at, from: at })),
  ];
}

/** /bin is often a link to /usr/bin, and programs compare such paths. */
function folder(at: string): Mount {
  return lstatSync(at).isSymbolicLink()
    ? { kind: 'link', at, to: readlinkSync(at) }
    : { kind: 'read', at, from: at };
}
