import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Credentials, PeerCertificate } from '../domain/caller.ts';
import type { Peers } from './front-plane.ts';
import { credentialsOf } from './guard.ts';
import { certificateOf } from './peer-certificate.ts';

/** What an `Authorization` header alone can say. */
type Bearer = Extract<Credentials, { kind: 'none' | 'bearer' | 'malformed' }>;

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

function shownBy(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const found = socket.getPeerX509Certificate();
  return found === undefined ? undefined : certificateOf(found);
}
