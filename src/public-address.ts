import { BlockList, isIP } from 'node:net';

/**
 * How far an address reaches. `never`: no service of anybody's stands there on purpose, or it is one that tells its
 * machine's secrets to whoever asks from inside (cloud metadata at 169.254.169.254).
 */
export type Reaches = 'public' | 'private' | 'loopback' | 'never';

/** Where an address lies (IANA special-purpose address registries). What is not an address is `never`. */
export function reaches(address: string): Reaches {
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  // A zone names a link, and what is on a link is not public.
  if (isIP(plain) === 0 || plain.includes('%')) return 'never';
  const family = isIP(plain) === 4 ? 'ipv4' : 'ipv6';
  for (const [kind, list] of lists) {
    if (list.check(plain, family)) return kind;
  }
  return family === 'ipv4' || globalUnicast.check(plain, 'ipv6') ? 'public' : 'never';
}

const globalUnicast = listOf([], [['2000::', 3]]);

const lists: readonly (readonly [Reaches, BlockList])[] = [
  ['loopback', listOf([['127.0.0.0', 8]], [['::1', 128]])],
  [
    'private',
    listOf(
      [
        ['10.0.0.0', 8],
        ['100.64.0.0', 10],
        ['172.16.0.0', 12],
        ['192.168.0.0', 16],
        ['198.18.0.0', 15],
      ],
      // Unique local addresses, and IPv4 addresses behind a translator (RFC 6052), whatever they are.
      [
        ['fc00::', 7],
        ['64:ff9b::', 96],
      ],
    ),
  ],
  [
    'never',
    listOf(
      [
        ['0.0.0.0', 8],
        ['169.254.0.0', 16],
        ['192.0.0.0', 24],
        ['192.0.2.0', 24],
        ['192.88.99.0', 24],
        ['198.51.100.0', 24],
        ['203.0.113.0', 24],
        ['224.0.0.0', 3],
      ],
      // Teredo and 6to4 carry an IPv4 address inside, which could be any.
      [
        ['2001::', 23],
        ['2001:db8::', 32],
        ['2002::', 16],
        ['3fff::', 20],
      ],
    ),
  ],
];

type Net = readonly [string, number];

function listOf(v4: readonly Net[], v6: readonly Net[]): BlockList {
  const list = new BlockList();
  for (const [net, bits] of v4) list.addSubnet(net, bits, 'ipv4');
  for (const [net, bits] of v6) list.addSubnet(net, bits, 'ipv6');
  return list;
}
