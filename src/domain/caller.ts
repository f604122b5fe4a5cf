/** Who is calling: the name of a verified credential, never anything a message says about itself. */
export type Principal = { readonly name: string };

/** What a caller presented, unverified. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'malformed'; readonly why: string };

/** What a client says about itself in `initialize`. Recorded, never trusted. */
export type ClientIdentity = { readonly name: string; readonly version: string };

/** A caller's standing conversation with one server. Its id is ours, random, and worth nothing without the credential. */
export type Session = {
  readonly id: string;
  readonly principal: Principal;
  readonly server: string;
  /** Known once the server has answered `initialize`. */
  readonly agreed: Agreed | undefined;
};

/** What `initialize` settled. */
export type Agreed = {
  readonly protocolVersion: string;
  readonly client: ClientIdentity;
  /** The client's capability names, for example `roots`, `sampling`, `elicitation`. */
  readonly clientCapabilities: readonly string[];
};
