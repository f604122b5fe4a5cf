import { constants as crypto, createPrivateKey, hash, X509Certificate } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { RequestListener, Server, ServerOptions } from 'node:http';
import { createServer } from 'node:https';
import { createSecureContext, Server as TlsServer, type TlsOptions } from 'node:tls';
import type { Socket } from 'node:net';
import { Fault } from '../domain/faults.ts';

/** PEM files; absolute paths. With `clientCa`, only clients with a certificate that it has signed come in. */
export type TlsFiles = {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string | undefined;
  readonly crl?: string | undefined;
};

type Terms = {
  readonly options: TlsOptions;
  readonly digest: string;
  /** Of what decides whose certificates are good. */
  readonly trust: string;
};

const fileBytesMax = 4 * 1024 * 1024;
/** A client that says nothing must not hold a connection. */
const handshakeWithinMs = 10_000;
/** What is under way on connections that were let in under an older list may take so long to finish. */
const lingerMs = 60_000;

/**
 * The keys and certificates of one listener: TLS 1.2 or 1.3. They are read again when their files change; where the new ones
 * are bad, the old ones stay.
 */
export class TlsDoor {
  readonly files: TlsFiles;
  #terms: Terms;
  #server: Server | undefined;
  #round = 0;
  readonly #roundOf = new Map<Socket, number>();
  /** Why the files are not what is in force; undefined when they are. */
  fault: Fault | undefined;

  /** Throws `CONFIG_INVALID`. */
  constructor(files: TlsFiles) {
    this.files = files;
    this.#terms = readTerms(files);
  }

  get options(): TlsOptions {
    return this.#terms.options;
  }

  /** A server that speaks TLS with these certificates. */
  make(options: ServerOptions, onRequest: RequestListener): Server {
    return createServer({ ...options, ...this.options }, onRequest);
  }

  /** Takes charge of the listener that was made with these options. */
  guard(server: Server): void {
    // Plain text where the owner wrote `tls` would be the worst of answers.
    if (!(server instanceof TlsServer))
      throw new Fault('BUG', { detail: 'a listener with certificates speaks plain HTTP' });
    this.#server = server;
    // Who fails the handshake, or never ends it, would otherwise be told so in plain words, and be waited for.
    server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
    server.on('secureConnection', (socket: Socket) => {
      this.#roundOf.set(socket, this.#round);
      socket.once('close', () => this.#roundOf.delete(socket));
    });
  }

  /** Whether a connection was let in by a list of issuers or of revoked certificates that is not in force any more. */
  isStale(socket: Socket): boolean {
    return this.#roundOf.get(socket) !== this.#round;
  }

  /** Reads the files again. `kept`: they are bad, or half written; `fault` says why. Never throws. */
  reload(): 'same' | 'new' | 'kept' {
    let next: Terms;
    try {
      next = readTerms(this.files);
    } catch (reason) {
      this.fault = Fault.from(reason);
      return 'kept';
    }
    this.fault = undefined;
    if (next.digest === this.#terms.digest) return 'same';
    const before = this.#terms;
    this.#terms = next;
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(next.options);
    if (next.trust !== before.trust) this.#letGo();
    return 'new';
  }

  /** A certificate may have been taken back that a connection was opened with; the handshake is not repeated on it. */
  #letGo(): void {
    this.#round++;
    this.#server?.closeIdleConnections();
    setTimeout(() => {
      for (const socket of [...this.#roundOf.keys()]) if (this.isStale(socket)) socket.destroy();
    }, lingerMs).unref();
  }
}

function readTerms(files: TlsFiles): Terms {
  const cert = readPem(files.cert, 'CERTIFICATE');
  const key = readKey(files.key);
  const ca = files.clientCa === undefined ? undefined : readPem(files.clientCa, 'CERTIFICATE');
  const crl = files.crl === undefined ? undefined : readPem(files.crl, 'X509 CRL');
  mustFit(cert, key, files);
  const options: TlsOptions = {
    cert: cert.join('\n'),
    key,
    minVersion: 'TLSv1.2',
    handshakeTimeout: handshakeWithinMs,
    ALPNProtocols: ['http/1.1'],
    ...(ca === undefined
      ? {}
      : {
          ca: [...ca],
          requestCert: true,
          rejectUnauthorized: true,
          // A session that is resumed shows no certificate again: it would outlive a list that takes it back.
          secureOptions: crypto.SSL_OP_NO_TICKET,
        }),
    ...(crl === undefined ? {} : { crl: [...crl] }),
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    throw unusable([files.cert, files.key, files.clientCa, files.crl].filter(Boolean).join(', '), cause);
  }
  const trust = digestOf([...(ca ?? []), '/', ...(crl ?? [])]);
  return { options, trust, digest: digestOf([trust, ...cert, key]) };
}

/** While one of two files is replaced, they do not belong together. */
function mustFit(cert: readonly string[], key: string, files: TlsFiles): void {
  let leaf: X509Certificate;
  let fits: boolean;
  try {
    leaf = new X509Certificate(cert[0] as string);
    fits = leaf.checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw unusable(`${files.cert}, ${files.key}`, cause);
  }
  if (!fits)
    throw new Fault('CONFIG_INVALID', {
      detail: `the key in ${files.key} is not that of the first certificate in ${files.cert}`,
      hint: `compare: openssl x509 -in ${files.cert} -noout -pubkey; openssl pkey -in ${files.key} -pubout`,
    });
  if (leaf.validToDate.getTime() <= Date.now())
    throw new Fault('CONFIG_INVALID', {
      detail: `the certificate in ${files.cert} ran out at ${leaf.validToDate.toISOString()}`,
      hint: 'put a new one there',
    });
}

/** The blocks of one kind in a PEM file. None at all is an error: with no issuers named, OpenSSL would trust the world's. */
function readPem(path: string, kind: 'CERTIFICATE' | 'X509 CRL'): readonly string[] {
  const { text } = readFile(path);
  const blocks = text.match(new RegExp(`-----BEGIN ${kind}-----[^-]+-----END ${kind}-----`, 'g'));
  if (blocks !== null) return blocks;
  throw new Fault('CONFIG_INVALID', {
    detail: `${path} holds no ${kind === 'CERTIFICATE' ? 'certificate' : 'list of revoked certificates'} in PEM`,
    hint: `look: openssl ${kind === 'CERTIFICATE' ? 'x509' : 'crl'} -in ${path} -noout -text`,
  });
}

function readKey(path: string): string {
  const { text, mode, uid } = readFile(path);
  const me = process.getuid?.();
  // Whoever can read it can be this daemon to every client.
  if ((mode & 0o077) !== 0 || (me !== undefined && uid !== me && uid !== 0))
    throw new Fault('CONFIG_INVALID', {
      detail: `others may open the private key ${path}`,
      hint: `chown "$(id -u)" ${path} && chmod 600 ${path}`,
    });
  return text;
}

/** Links are followed: certificates that renew themselves are often links to the newest. What they lead to is checked. */
function readFile(path: string): { readonly text: string; readonly mode: number; readonly uid: number } {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > fileBytesMax) throw new Error('not a plain file of moderate size');
      return { text: readFileSync(fd, 'utf8'), mode: stat.mode, uid: stat.uid };
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function unusable(what: string, cause: unknown): Fault {
  // Of what OpenSSL says, the reason and never the text that it read.
  const why = cause instanceof Error ? cause.message.slice(0, 200) : 'unknown error';
  return new Fault('CONFIG_INVALID', {
    detail: `${what} cannot be used: ${why}`,
    hint: 'see [listen] in mcpd.toml; a key must be PEM without a passphrase',
    cause,
  });
}

function digestOf(parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'hex');
}
