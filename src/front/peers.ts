import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import type { Peers } from './front-plane.ts';
import { credentialsOf } from './guard.ts';

/** A listener on the network. `X-Forwarded-For` counts only where the peer is one of the owner's proxies. */
export function networkPeers(trustedProxies: readonly string[]): Peers {
  if (trustedProxies.length === 0)
    return { credentials: credentialsOf, remote: ({ socket }) => socket.remoteAddress ?? '' };
  const proxies = networksOf(trustedProxies);
  return { credentials: credentialsOf, remote: (req) => clientOf(req, proxies) };
}

/** A Unix socket. A key goes before the user; `uidOf` asks the kernel, and is undefined where nobody can. */
export function socketPeers(uidOf: ((fd: number) => number | undefined) | undefined): Peers {
  const known = new WeakMap<Socket, { readonly uid: number | undefined }>();
  const peer = (socket: Socket): number | undefined => {
    const found = known.get(socket) ?? { uid: askUid(socket, uidOf) };
    known.set(socket, found);
    return found.uid;
  };
  return {
    credentials: (req) => {
      const shown = credentialsOf(req);
      const uid = shown.kind === 'none' ? peer(req.socket) : undefined;
      return uid === undefined ? shown : { kind: 'user', uid };
    },
    remote: ({ socket }) => {
      const uid = peer(socket);
      return uid === undefined ? 'unix' : `unix:${uid}`;
    },
  };
}

function askUid(socket: Socket, uidOf: ((fd: number) => number | undefined) | undefined): number | undefined {
  // Node has no other way to the descriptor, and none to the peer.
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return uidOf === undefined || handle?.fd === undefined ? undefined : uidOf(handle.fd);
}

/** More hops than anybody has; what is left of them is not looked at. */
const hopsMax = 16;

/**
 * The client's address: the peer's, and where that is a proxy of the owner's, the last hop before the proxies. Only what
 * those wrote counts; everything to the left of it the client could have written itself.
 */
function clientOf({ socket, headers }: IncomingMessage, proxies: BlockList): string {
  let client = plainAddress(socket.remoteAddress ?? '');
  const hops = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',').slice(-hopsMax);
  while (isAmong(proxies, client)) {
    const hop = addressIn(hops.pop() ?? '');
    if (hop === undefined) break;
    client = hop;
  }
  return client;
}

/** One hop: an address, perhaps with a port behind it. */
function addressIn(written: string): string | undefined {
  const hop = written.trim();
  const bare =
    /^\[([^\]]{2,45})\](?::\d{1,5})?$/.exec(hop)?.[1] ?? /^([\d.]{7,15}):\d{1,5}$/.exec(hop)?.[1] ?? hop;
  // A zone is a word of the machine that wrote it, of any length, and would be taken into the record as part of an address.
  return isIP(bare) === 0 ? undefined : plainAddress(bare.replace(/%.*$/, ''));
}

function plainAddress(address: string): string {
  return /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)?.[1] ?? address;
}

function networksOf(written: readonly string[]): BlockList {
  const list = new BlockList();
  for (const one of written) {
    const [address = '', bits] = one.split('/');
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

function isAmong(list: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
}
