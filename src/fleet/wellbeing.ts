/** How a server is, besides its state. Plain data, no secrets; times are of the wall clock. */
export type Wellbeing = {
  /** No child runs, because nobody wants one; the next call starts it. */
  readonly asleep: boolean;
  /** Children that were replaced because they hung. */
  readonly hung: number;
  /** Whether the server's own credential works; undefined where the owner names no call that would show it, or before the first. */
  readonly credential: Credential | undefined;
};

export type Credential =
  | { readonly kind: 'works'; readonly at: number }
  /** The calls of callers go out all the same. */
  | { readonly kind: 'fails'; readonly since: number; readonly because: string }
  /** The call may not be made. */
  | { readonly kind: 'not-asked'; readonly because: string };
