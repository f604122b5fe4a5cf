/** What somebody may ask of the daemon: look; answer questions too; everything. Each includes the one before. */
export type Role = 'viewer' | 'approver' | 'operator';

/** From the least to the most. */
export const roles: readonly Role[] = ['viewer', 'approver', 'operator'];

/** Somebody who gave a command, and how we know. */
export type Operator = {
  readonly name: string;
  readonly role: Role;
  /**
   * `user`: the kernel says which user of this machine it is. `claimed`: they hold the token of this start, and say that this
   * is their name. `person`: they hold that person's own token.
   */
  readonly as: 'user' | 'claimed' | 'person';
};

/** A person of `operators.json` whose token was presented. */
export type Person = { readonly name: string; readonly role: Role };

/** What came with a command. */
export type Presented = {
  readonly token: string | undefined;
  /** The name that the other side gives itself. */
  readonly claimed: string;
  /** The user at the other end, where the kernel could be asked. */
  readonly uid: number | undefined;
};

/** Who is at the control socket. A stranger has presented nothing that is good, whatever they call themselves. */
export type Visitor =
  | { readonly kind: 'operator'; readonly operator: Operator }
  | {
      readonly kind: 'stranger';
      /** For the journal: what they call themselves, and which user they are. */
      readonly seems: string;
      readonly why: string;
      readonly hint: string;
    };

export type Proofs = {
  /** Whether this is the token that was made at this start. Takes the same time for every wrong one. */
  readonly isOfThisStart: (token: string) => boolean;
  /** Whose token this is; undefined for one that is unknown, revoked or over. Throws `CONFIG_INVALID`. */
  readonly personOf: (token: string) => Person | undefined;
  /** The user that mcpd runs as; undefined where there are none. */
  readonly ownUid: number | undefined;
  readonly userName: (uid: number) => string;
};

/**
 * Who presents this. The token of this start lies in a file that only the user of mcpd and root can read, so whoever has it
 * is one of the two; which one, the kernel says where it can be asked. Throws `CONFIG_INVALID` when the persons cannot be read.
 */
export function recognise({ token, claimed, uid }: Presented, proofs: Proofs): Visitor {
  const name = plainName(claimed);
  const seems = `${name}${uid === undefined ? '' : ` (user ${String(uid)})`}`;
  const stranger = (why: string, hint: string): Visitor => ({ kind: 'stranger', seems, why, hint });
  if (token === undefined) return stranger('no operator token came with the command', ownTokenHint);
  if (proofs.isOfThisStart(token)) {
    if (uid === undefined) return { kind: 'operator', operator: { name, role: 'operator', as: 'claimed' } };
    // A token that got out is no use to the users of this machine whom it was not made for.
    if (proofs.ownUid !== undefined && uid !== proofs.ownUid && uid !== 0)
      return stranger(`this token is not for user ${String(uid)}`, ownTokenHint);
    return { kind: 'operator', operator: { name: proofs.userName(uid), role: 'operator', as: 'user' } };
  }
  const person = proofs.personOf(token);
  if (person !== undefined)
    return { kind: 'operator', operator: { name: person.name, role: person.role, as: 'person' } };
  return stranger(
    'the operator token is not valid: it is of an earlier start, was revoked or is over',
    ownTokenHint,
  );
}

const ownTokenHint =
  'use `mcpd ctl` as the user that mcpd runs as; or ask for a token of your own: mcpd operator add NAME --role approver';

/** Whether somebody of this role may do what asks for at least that role. */
export function mayDo(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

/**
 * For one vote each: all who say what they are called and can only show the token of this start may be one and the same.
 * Undefined: the name tells people apart.
 */
export function votesAs({ as }: Operator): string | undefined {
  return as === 'claimed' ? 'whoever holds the token of this start' : undefined;
}

/** A claimed name with nothing in it that could pass for another kind of name, such as `webhook:chat/bob`, or for two. */
function plainName(claimed: string): string {
  return claimed.replaceAll(/[^A-Za-z0-9._@-]/g, '-');
}
