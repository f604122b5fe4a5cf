import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import type { Complaints } from './complain.ts';
import { quote } from './complaint.ts';
import { choice, count, list, named, said, table, text, words } from './fields.ts';

/** Who may come in besides those with a key over plain HTTP; a part of `DaemonFile['listen']`. Paths are absolute. */
export type ListenDoors = {
  /** The certificate and key of the front itself; undefined: it speaks plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** A listener of its own for clients with certificates. */
  readonly mutualTls:
    | {
        readonly host: string;
        readonly port: number;
        readonly cert: string;
        readonly key: string;
        /** Whoever signed a client's certificate; PEM, one or more. */
        readonly clientCa: string;
        /** Certificates that were taken back; PEM, one list for each issuer. */
        readonly crl: string | undefined;
        /** Name in a certificate → caller. Pairs, because the names come from outside. */
        readonly callers: readonly (readonly [name: string, caller: string])[];
      }
    | undefined;
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** A Unix socket besides `front.sock`, and who the users of this machine are on both. */
  readonly socket: {
    /** Undefined: there is only `front.sock`. */
    readonly path: string | undefined;
    readonly mode: number;
    /** User name or user id → caller. */
    readonly users: readonly (readonly [user: string, caller: string])[];
  };
};

const file = words('a file', 4096);
const caller = text(
  'the name of a caller: 1 to 64 letters, digits and . _ @ -, and not "anyone"',
  (written) => (/^[A-Za-z0-9._@-]{1,64}$/.test(written) && written !== 'anyone' ? written : undefined),
);
const network = text('an address or a network such as "127.0.0.1", "10.0.0.0/8" or "fd00::/8"', (written) =>
  isNetwork(written) ? written : undefined,
);
const modes = ['0600', '0660', '0666'] as const;

/** The keys that this adds to `[listen]`; `host` is what the front's own host is read with. */
export function listenShape(host: z.ZodType<string>) {
  return {
    tls: said(
      table({
        cert: said(file, 'The certificate and what leads to its issuer, PEM.'),
        key: said(file, 'Its private key, PEM; readable by its owner alone.'),
      }).optional(),
      'Speak HTTPS instead of HTTP.',
    ),
    mutual_tls: said(
      table({
        host: said(host.default('127.0.0.1'), 'The address: an IP address or "localhost".'),
        port: said(count(1, 65_535), 'The port.'),
        cert: said(file, 'The certificate and what leads to its issuer, PEM.'),
        key: said(file, 'Its private key, PEM; readable by its owner alone.'),
        client_ca: said(file, "Who signs clients' certificates, PEM."),
        crl: said(file.optional(), 'Certificates that were taken back, PEM.'),
        callers: said(
          named(caller, 'a table of callers').default({}),
          'Name in the certificate, exactly → caller: "uri:spiffe://corp/agent" = "agent".',
        ),
      }).optional(),
      'A listener for clients that show a certificate.',
    ),
    trusted_proxies: said(
      list(network, 'a list of addresses and networks', 64).default([]),
      'Proxies whose X-Forwarded-For is believed.',
    ),
    socket: said(
      table({
        path: said(words('a path', 100).optional(), 'A Unix socket for clients of this machine; absolute.'),
        mode: said(choice(modes).default('0600'), 'Who may open it.'),
        users: said(
          named(caller, 'a table of callers').default({}),
          'User name or user id → caller, for clients without a key.',
        ),
      }).prefault({}),
      'Clients of this machine.',
    ),
  };
}

type Written = z.output<z.ZodObject<ReturnType<typeof listenShape>>>;

/** What was written, with absolute paths; whatever does not fit is complained about. */
export function listenDoors(
  written: Written & { readonly host: string; readonly port: number },
  folder: string,
  complaints: Complaints,
): ListenDoors {
  const { tls, mutual_tls: mutual, trusted_proxies: trustedProxies, socket } = written;
  const at = (path: string) => resolve(folder, path);
  if (mutual !== undefined) {
    if (mutual.port === written.port && mutual.host === written.host)
      complaints.about(['listen', 'mutual_tls', 'port'], 'two listeners on one port', 'another port');
    const names = Object.keys(mutual.callers);
    if (names.length === 0)
      complaints.aboutKey(
        ['listen', 'mutual_tls'],
        'nobody has a certificate',
        'a table [listen.mutual_tls.callers]',
        undefined,
        'warning',
      );
    for (const name of names.filter((it) => !isCertificateName(it)))
      complaints.aboutKey(
        ['listen', 'mutual_tls', 'callers', name],
        `bad name of a certificate ${quote(name)}`,
        '"uri:…", "dns:…", "email:…" or "subject:CN=…,O=…", whole and without *',
      );
  }
  if (socket.path !== undefined && !isAbsolute(socket.path))
    complaints.about(['listen', 'socket', 'path'], 'the path of a socket is not absolute', 'a whole path');
  for (const user of Object.keys(socket.users).filter(
    (it) => !/^(\d{1,10}|[a-z_][a-z0-9_.-]{0,31}\$?)$/i.test(it),
  ))
    complaints.aboutKey(
      ['listen', 'socket', 'users', user],
      `bad user ${quote(user)}`,
      'the name of a user of this machine, or a user id',
    );
  return {
    tls: tls === undefined ? undefined : { cert: at(tls.cert), key: at(tls.key) },
    mutualTls:
      mutual === undefined
        ? undefined
        : {
            host: mutual.host,
            port: mutual.port,
            cert: at(mutual.cert),
            key: at(mutual.key),
            clientCa: at(mutual.client_ca),
            crl: mutual.crl === undefined ? undefined : at(mutual.crl),
            callers: Object.entries(mutual.callers),
          },
    trustedProxies,
    socket: {
      path: socket.path,
      mode: Number.parseInt(socket.mode, 8),
      users: Object.entries(socket.users),
    },
  };
}

/** A star would be read as a pattern by its writer, and never be found by us. */
function isCertificateName(name: string): boolean {
  return (
    name.length <= 1024 &&
    !/[*\u0000-\u001f\u007f]/.test(name) &&
    (/^uri:[a-z][a-z0-9+.-]*:\S+$/i.test(name) ||
      /^dns:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?$/.test(name) ||
      /^email:[^@\s]+@[^@\s]+$/.test(name) ||
      /^subject:[A-Za-z0-9.]+=.+$/.test(name))
  );
}

function isNetwork(written: string): boolean {
  const [, address = '', , bits] = /^([0-9a-f:.]{2,45})(\/(\d{1,3}))?$/i.exec(written) ?? [];
  const isV6 = address.includes(':');
  const isAddress = isV6
    ? URL.canParse(`http://[${address}]`)
    : URL.parse(`http://${address}`)?.hostname === address && /^\d+(\.\d+){3}$/.test(address);
  return isAddress && (bits === undefined || Number(bits) <= (isV6 ? 128 : 32));
}
