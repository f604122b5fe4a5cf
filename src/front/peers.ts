import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Credentials, PeerCertificate } from '../domain/caller.ts';
import type { Peers } from './front-plane.ts';
import { credentialsOf } from './guard.ts';
import { certificateOf } from './peer-certificate.ts';

/** What an `Authorization` header alone can say. */
type Bearer = Extract<Credentials, { kind: 'none' | 'bearer' | 'malformed' }>;

/** A listener on the network. `X-Forwarded-For` counts only where the peer is one of the owner's proxies. */
export function networkPeers(trustedProxies: readonly string[]): Peers {
  if (trustedProxies.length === 0)
    return { credentials: credentialsOf, remote: ({ socket }) => socket.remoteAddress ?? '' };
  const proxies = networksOf(trustedProxies);
  return { credentials: credentialsOf, remote: (req) => clientOf(req, proxies) };
}

/**
 * A listener where every client has shown a certificate. Headers that speak of certificates count nowhere: a proxy that ends
 * TLS has nothing to say here. `isStale`: the connection was opened under issuers or lists that are not in force any more.
 */
export function certificatePeers(isStale: (socket: Socket) => boolean): Peers {
  const known = new WeakMap<Socket, PeerCertificate>();
  return {
    credentials: (req) => {
      const { socket } = req;
      if (isStale(socket))
        return { kind: 'malformed', why: 'the connection is older than the issuers in force' };
      const certificate = known.get(socket) ?? shownBy(socket);
      if (certificate === undefined) return { kind: 'malformed', why: 'no certificate' };
      known.set(socket, certificate);
      return { kind: 'certificate', certificate, and: credentialsOf(req) as Bearer };
    },
    remote: ({ socket }) => socket.remoteAddress ?? '',
  };
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

function shownBy(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const found = socket.getPeerX509Certificate();
  return found === undefined ? undefined : certificateOf(found);
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
