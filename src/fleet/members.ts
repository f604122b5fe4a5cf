import type { Session } from '../domain/caller.ts';
import type { Era } from '../domain/era.ts';
import { Fault } from '../domain/faults.ts';
import type { Notice } from '../domain/message.ts';

/** Resources that one session may follow, and all sessions of one child together, and how long their URIs may be in all. */
export const followedMax = { perSession: 1_000, perChild: 10_000, uriChars: 4 * 1024 * 1024 } as const;

/** So many steps up from a resource are looked at for somebody who follows what contains it. */
const stepsMax = 64;
const uriCharsMax = 64 * 1024;

type Member = {
  readonly sessionId: string;
  readonly principal: string;
  readonly era: Era;
  readonly uris: Set<string>;
  level: string | undefined;
};

/**
 * The sessions that use one child together, and what each wants of it. It outlives the child, so that the next one can be
 * told the same. No I/O.
 */
export class Members {
  /** Who else wants to hear of changes: streams of modern clients. */
  readonly listeners = new Set<(notice: Notice) => void>();
  readonly #all = new Map<string, Member>();
  readonly #followers = new Map<string, Set<Member>>();
  #uriChars = 0;

  get size(): number {
    return this.#all.size;
  }

  /** Resources that somebody follows. */
  get followed(): number {
    return this.#followers.size;
  }

  /** The session that came last, of those that have a stream for what belongs to no call. */
  get newest(): string | undefined {
    let last: string | undefined;
    for (const { sessionId, era } of this.#all.values()) if (era === 'legacy') last = sessionId;
    return last;
  }

  join({ id, principal, era }: Session): void {
    if (this.#all.has(id)) return;
    this.#all.set(id, { sessionId: id, principal: principal.name, era, uris: new Set(), level: undefined });
  }

  /** Gives the resources that nobody follows any more. */
  leave(sessionId: string): readonly string[] {
    const member = this.#all.get(sessionId);
    if (member === undefined) return [];
    const left = [...member.uris].filter((uri) => this.#unfollow(member, uri));
    this.#all.delete(sessionId);
    return left;
  }

  has(sessionId: string): boolean {
    return this.#all.has(sessionId);
  }

  sessionIds(): readonly string[] {
    return [...this.#all.keys()];
  }

  /** Whose sessions want something that the next child must be told. */
  principalsToRestore(): readonly string[] {
    const wanting = [...this.#all.values()].filter(({ uris, level }) => uris.size > 0 || level !== undefined);
    return wanting.map(({ principal }) => principal);
  }

  /** Throws `TOO_MANY`, and `UNKNOWN_SESSION` for a session that has ended meanwhile. False: it follows it already. */
  follow(sessionId: string, uri: string): boolean {
    const member = this.#all.get(sessionId);
    if (member === undefined) throw new Fault('UNKNOWN_SESSION', { detail: 'the session has ended' });
    if (member.uris.has(uri)) return false;
    const followers = this.#followers.get(uri);
    if (member.uris.size >= followedMax.perSession)
      throw tooMany(`a session follows ${followedMax.perSession} resources`);
    if (followers === undefined) this.#makeRoomFor(uri);
    member.uris.add(uri);
    if (followers === undefined) this.#followers.set(uri, new Set([member]));
    else followers.add(member);
    return true;
  }

  unfollow(sessionId: string, uri: string): void {
    const member = this.#all.get(sessionId);
    if (member !== undefined) this.#unfollow(member, uri);
  }

  /** Nobody follows it any more: the child does not have it. */
  drop(uri: string): void {
    for (const member of [...(this.#followers.get(uri) ?? [])]) this.#unfollow(member, uri);
  }

  isFollowed(uri: string): boolean {
    return this.#followers.has(uri);
  }

  /** Whether a session other than this one follows it. */
  isFollowedBesides(sessionId: string, uri: string): boolean {
    const followers = this.#followers.get(uri);
    if (followers === undefined) return false;
    const own = this.#all.get(sessionId);
    return followers.size > (own !== undefined && followers.has(own) ? 1 : 0);
  }

  uris(): readonly string[] {
    return [...this.#followers.keys()];
  }

  /** The sessions that follow what was updated, or something that contains it (2025-11-25 schema, ResourceUpdatedNotification). */
  followersOf(updated: string): readonly string[] {
    const found = new Set<string>();
    if (updated.length > uriCharsMax) return [];
    for (const uri of selfAndAbove(updated))
      for (const { sessionId } of this.#followers.get(uri) ?? []) found.add(sessionId);
    return [...found];
  }

  levelOf(sessionId: string): string | undefined {
    return this.#all.get(sessionId)?.level;
  }

  setLevel(sessionId: string, level: string | undefined): void {
    const member = this.#all.get(sessionId);
    if (member !== undefined) member.level = level;
  }

  /** What each session said, undefined for those that have not. */
  levels(): readonly (string | undefined)[] {
    return [...this.#all.values()].map(({ level }) => level);
  }

  #makeRoomFor(uri: string): void {
    if (this.#followers.size >= followedMax.perChild)
      throw tooMany(`${followedMax.perChild} resources are followed in one child`);
    if (this.#uriChars + uri.length > followedMax.uriChars)
      throw tooMany(`the URIs followed in one child have ${followedMax.uriChars} characters`);
    this.#uriChars += uri.length;
  }

  /** True: nobody follows it any more. */
  #unfollow(member: Member, uri: string): boolean {
    if (!member.uris.delete(uri)) return false;
    const followers = this.#followers.get(uri);
    followers?.delete(member);
    if (followers === undefined || followers.size > 0) return false;
    this.#followers.delete(uri);
    this.#uriChars -= uri.length;
    return true;
  }
}

/** `a:/b/c` → `a:/b/c`, `a:/b/`, `a:/b`, `a:/`, `a:`. Bounded, because the URI is a child's. */
function* selfAndAbove(uri: string): Generator<string> {
  yield uri;
  let at = uri.length;
  for (let steps = 0; steps < stepsMax; steps++) {
    at = at < 1 ? -1 : uri.lastIndexOf('/', at - 1);
    if (at < 1) return;
    yield uri.slice(0, at + 1);
    yield uri.slice(0, at);
  }
}

function tooMany(detail: string): Fault {
  return new Fault('TOO_MANY', { detail });
}
