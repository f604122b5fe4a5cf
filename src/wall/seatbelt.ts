import type { WallSpec } from '../domain/wall.ts';
import type { Hidden, Shown } from './mounts.ts';

/**
 * The profile for macOS's sandbox-exec. Later rules win there, so what is hidden comes after what is shown. Paths are those
 * behind links, as the kernel sees them.
 */
export function seatbeltProfile(
  wall: WallSpec,
  view: {
    readonly shown: readonly Shown[];
    readonly hidden: readonly Hidden[];
    readonly home: string;
    readonly tmp: string;
  },
): string {
  const readable = [...system, ...view.shown.map(({ real }) => real), view.home, view.tmp];
  const writable = [
    ...view.shown.filter(({ how }) => how === 'write').map(({ real }) => real),
    view.home,
    view.tmp,
  ];
  return [
    '(version 1)',
    '(deny default)',
    '(allow process-fork)',
    '(allow process-exec)',
    '(allow signal (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow file-read-metadata)',
    `(allow file-read* ${readable.map(subpath).join(' ')})`,
    `(allow file-write* ${writable.map(subpath).join(' ')})`,
    '(allow file-read* file-write-data (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty"))',
    '(allow file-read* (literal "/dev/random") (literal "/dev/urandom"))',
    // Names of users and of hosts; not the keychain, which is com.apple.SecurityServer and securityd.
    '(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))',
    ...(wall.network
      ? ['(allow network*)', '(allow mach-lookup (global-name "com.apple.dnssd.service"))']
      : []),
    // Sockets of this machine lead to the keychain, to agents and to mcpd's own control, whatever the network.
    '(deny network-outbound (remote unix-socket))',
    ...view.hidden.map(({ real }) => `(deny file-read* file-write* ${subpath(real)})`),
    // The state holds the homes, and its own is the only one that it may see.
    `(allow file-read* file-write* ${subpath(view.home)})`,
  ].join('\n');
}

const system = [
  '/usr',
  '/bin',
  '/sbin',
  '/System',
  '/Library/Apple',
  '/private/etc/ssl',
  '/private/var/db/timezone',
  '/private/etc/hosts',
  '/private/etc/resolv.conf',
];

/** In a profile, a backslash and a quotation mark would end the text early. */
function subpath(path: string): string {
  return `(subpath "${path.replaceAll(/["\\]/g, (it) => `\\${it}`)}")`;
}
