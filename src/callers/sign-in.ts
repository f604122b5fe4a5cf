import type { Credentials, Principal, SignedIn } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import { holderOf, type CertificateCallers } from './certificates.ts';
import type { Guesses } from './guesses.ts';
import { anyone, keyOf, looksLikeKey, proofOf, type Owner } from './identify.ts';
import { isGood, type KeyRing } from './key-ring.ts';

/** Everything that credentials are held against: frozen, and replaced whole. A proof is good for the one it was made with. */
export type Admission = {
  readonly keys: KeyRing;
  readonly certificates: CertificateCallers;
  /** The user id at the other end of a Unix socket → the caller that it is. */
  readonly users: ReadonlyMap<number, string>;
  /** The owner said in the configuration that a caller without a key may come in. */
  readonly withoutKey: boolean;
};

/** Who knows bearer tokens that are no keys of ours. `resource`: what the token has to be for (RFC 8707). */
export type Tokens = {
  /** A token that was found good a moment ago. */
  readonly known: (token: string, resource: string) => Owner | undefined;
  /** Whether its issuer has to be asked about this very token, because we cannot read it. */
  readonly asks: (token: string) => boolean;
  /** Rejects with `UNAUTHENTICATED`, whose detail never holds the token. */
  readonly check: (token: string, resource: string) => Promise<Owner>;
};

export type SignInParts = {
  /** Undefined where the owner has named no issuer. */
  readonly tokens: Tokens | undefined;
  /** The resource that stands for a server, or for the house where it is `''`. */
  readonly resourceOf: (server: string) => string;
  readonly guesses: Guesses;
  /** Told of each use of a key. */
  readonly used: (keyId: string, nowMs: number) => void;
  readonly wallMs: () => number;
  readonly steadyMs: () => number;
};

/** Where somebody stands: the server in the address, and where they come from. */
export type At = {
  readonly server: string;
  readonly remote: string;
  /** It was let in here before, and is looked at again: no guess, and never `TOO_MANY`, whoever else guesses from this place. */
  readonly again?: boolean;
};

type Presented = SignedIn['presented'];

/** Where everybody signs in, whatever they bring. */
export class SignInDesk {
  readonly #parts: SignInParts;
  #admission: Admission;

  constructor(parts: SignInParts, admission: Admission) {
    this.#parts = parts;
    this.#admission = Object.freeze({ ...admission });
  }

  /** New keys are in force from the next look on, for requests whose body is on its way as well. */
  replaceKeys(keys: KeyRing): void {
    this.#admission = Object.freeze({ ...this.#admission, keys });
  }

  /**
   * Checks a credential once and gives the proof that the rest of the request shows instead; at once, unless a token is seen
   * for the first time. Throws `UNAUTHENTICATED`, or `TOO_MANY` to a place that guesses.
   */
  signIn(credentials: Credentials, at: At): Credentials | Promise<Credentials> {
    if (credentials.kind === 'checked') return credentials;
    const admission = this.#admission;
    try {
      const owner = this.#ownerOf(credentials, at, admission);
      if (!(owner instanceof Promise)) return proofOf(owner, credentials, admission);
      return owner.then(
        (it) => proofOf(it, credentials, admission),
        (reason: unknown) => {
          throw this.#counted(reason, at);
        },
      );
    } catch (reason) {
      // To come without anything is no guess: it is how a client asks what it should bring.
      const brought = credentials.kind !== 'none' && credentials.kind !== 'user';
      throw brought ? this.#counted(reason, at) : reason;
    }
  }

  /** Who it is that showed a proof. Throws `UNAUTHENTICATED` when it is not good any more. */
  identify(credentials: Credentials): Principal {
    if (credentials.kind !== 'checked') {
      const owner = this.#ownerOf(credentials, nowhere, this.#admission);
      if (!(owner instanceof Promise)) return owner.principal;
      // Nobody waits for it any more; whether it was good does not matter.
      owner.catch(() => undefined);
      throw new Fault('UNAUTHENTICATED', { detail: 'a token that was not checked at the door' });
    }
    const { proof } = credentials;
    if (proof.untilMs !== Infinity && this.#parts.wallMs() >= proof.untilMs)
      throw new Fault('UNAUTHENTICATED', { detail: `a credential of ${proof.principal.name} that ran out` });
    // A key may have been revoked while the body was on its way.
    return proof.against === this.#admission ? proof.principal : this.#again(proof.presented, proof);
  }

  /**
   * Whether what a caller once signed in with was not taken away since. That it runs out is another matter: each request is
   * held against the time, each open stream too, and a client goes on in its session with the key that follows.
   */
  stands({ name, via }: Principal): boolean {
    const { keys, withoutKey } = this.#admission;
    if (via === undefined) return withoutKey;
    const id = /^key ([0-9A-Za-z]{8})/.exec(via)?.[1];
    if (id === undefined) return true;
    const entry = keys.byId.get(id);
    return entry !== undefined && entry.principal.name === name && !entry.revoked;
  }

  /** The names of all who can sign in with a key, a certificate or as a user of this machine. */
  callerNames(): string[] {
    const { keys, certificates, users } = this.#admission;
    const nowMs = this.#parts.wallMs();
    const good = [...keys.byId.values()].filter((it) => isGood(it, nowMs));
    return [
      ...new Set([
        ...good.map(({ principal }) => principal.name),
        ...certificates.values(),
        ...users.values(),
      ]),
    ];
  }

  #ownerOf(credentials: Presented, at: At, admission: Admission): Owner | Promise<Owner> {
    switch (credentials.kind) {
      case 'bearer':
        return looksLikeKey(credentials.token)
          ? this.#byKey(credentials.token, admission)
          : this.#byToken(credentials.token, at);
      case 'none':
        if (admission.withoutKey) return { principal: anyone, untilMs: Infinity };
        throw new Fault('UNAUTHENTICATED', { detail: 'no key' });
      case 'malformed':
        throw new Fault('UNAUTHENTICATED', { detail: `malformed Authorization header: ${credentials.why}` });
      case 'user':
        return byUser(credentials.uid, admission);
      case 'certificate': {
        const { certificate, and } = credentials;
        const holder = {
          principal: holderOf(certificate, admission.certificates),
          untilMs: certificate.untilMs,
        };
        if (and.kind === 'none') return holder;
        const bearer = this.#ownerOf(and, at, admission);
        return bearer instanceof Promise ? bearer.then((it) => agreed(holder, it)) : agreed(holder, bearer);
      }
    }
  }

  #byKey(token: string, { keys }: Admission): Owner {
    const nowMs = this.#parts.wallMs();
    const entry = keyOf(token, keys, nowMs);
    this.#parts.used(entry.id, nowMs);
    return entry;
  }

  #byToken(token: string, { server, remote, again = false }: At): Owner | Promise<Owner> {
    const { tokens, guesses } = this.#parts;
    if (tokens === undefined) throw new Fault('UNAUTHENTICATED', { detail: 'not a key of mcpd' });
    const resource = this.#parts.resourceOf(server);
    const known = tokens.known(token, resource);
    if (known !== undefined) return known;
    // Bounded by the streams that are open; in a line behind guesses, a token that was taken back would keep its stream.
    if (again) return tokens.check(token, resource);
    const leave = guesses.begin(remote, this.#parts.steadyMs(), tokens.asks(token) ? 'its issuer' : 'nobody');
    if (leave === undefined)
      throw new Fault('TOO_MANY', { detail: `tokens from ${remote} are not checked: too many failed` });
    return tokens.check(token, resource).finally(leave.done);
  }

  /** The credential of a proof, held against what is in force now. A token was good at the door, and has not run out. */
  #again(presented: Presented, proof: SignedIn): Principal {
    if (presented.kind === 'bearer' && !looksLikeKey(presented.token)) return proof.principal;
    if (presented.kind === 'certificate' && presented.and.kind === 'bearer') {
      const holder = holderOf(presented.certificate, this.#admission.certificates);
      this.#again(presented.and, proof);
      if (holder.name === proof.principal.name) return proof.principal;
      throw new Fault('UNAUTHENTICATED', { detail: 'a certificate that is somebody else by now' });
    }
    return this.identify(presented);
  }

  /** What somebody is told whose sign-in failed: why, or that there were too many. */
  #counted(reason: unknown, { remote, again = false }: At): unknown {
    const isFailure = reason instanceof Fault && reason.code === 'UNAUTHENTICATED';
    if (!isFailure || again || this.#parts.guesses.failed(remote, this.#parts.steadyMs()) === 'said')
      return reason;
    return new Fault('TOO_MANY', { detail: `too many failed sign-ins from ${remote}: ${reason.message}` });
  }
}

const nowhere: At = { server: '', remote: '' };

function byUser(uid: number, { users, withoutKey }: Admission): Owner {
  const name = users.get(uid);
  if (name !== undefined) return { principal: { name, via: `user ${uid}` }, untilMs: Infinity };
  if (withoutKey) return { principal: anyone, untilMs: Infinity };
  throw new Fault('UNAUTHENTICATED', { detail: `no key, and user ${uid} is not mapped to a caller` });
}

/** Two credentials at once are those of one caller, or nobody's: which of them counted would be anybody's guess. */
function agreed(holder: Owner, bearer: Owner): Owner {
  if (holder.principal.name !== bearer.principal.name)
    throw new Fault('UNAUTHENTICATED', {
      detail: `a certificate of ${holder.principal.name} with a credential of ${bearer.principal.name}`,
    });
  const via = `${bearer.principal.via ?? ''} with ${holder.principal.via ?? ''}`;
  return { principal: { ...bearer.principal, via }, untilMs: Math.min(holder.untilMs, bearer.untilMs) };
}
