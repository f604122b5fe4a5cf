import type { PeerCertificate, Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';

/** A name in a certificate, with its kind in front → the caller that it is. Exact: no star, no beginning, no other kind. */
export type CertificateCallers = ReadonlyMap<string, string>;

/**
 * Whose certificate it is. The handshake has found it good; who that is, only the owner's table says. A name that is not
 * in the table does not matter, and a certificate whose names are of different callers is nobody's: whoever may choose one
 * name of a certificate could otherwise be two. Throws `UNAUTHENTICATED`.
 */
export function holderOf(certificate: PeerCertificate, callers: CertificateCallers): Principal {
  const found = new Set(certificate.names.flatMap((name) => callers.get(name) ?? []));
  const [caller, ...others] = found;
  const short = certificate.sha256.slice(0, 12);
  if (caller === undefined)
    throw new Fault('UNAUTHENTICATED', { detail: `no name in certificate ${short} is mapped to a caller` });
  if (others.length > 0)
    throw new Fault('UNAUTHENTICATED', {
      detail: `certificate ${short} has names of several callers: ${[...found].join(', ')}`,
    });
  return { name: caller, via: `certificate ${short}` };
}
