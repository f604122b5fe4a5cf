import { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { Answer } from '../domain/message.ts';
import type { Pass } from '../domain/pass.ts';
import { encode } from '../protocol/codec.ts';
import type { Connection } from './connection.ts';
import { followedMax, type Members } from './members.ts';
import { aFewAtATime } from './restore.ts';
import { Turns } from './turns.ts';

export type FollowingWork = {
  readonly members: Members;
  /** Carries a caller's request to the child, which may be on its way. */
  readonly ask: (pass: Pass) => Promise<Answer>;
  readonly answerWithinMs: number;
  readonly waitingMax: number;
  readonly failed: (why: string) => void;
};

const done: Answer = { kind: 'result', text: encode({}) };

/**
 * Subscriptions of several sessions to the resources of one child. The child knows one client, so it hears of each resource
 * once: from the first session that follows it, and from the last one that stops. What concerns one resource is done one
 * thing after the other; else the last to leave could take the subscription from the first to come.
 */
export class Following {
  readonly #work: FollowingWork;
  readonly #turns = new Map<string, Turns>();
  /** What the present child was told and has agreed to. */
  readonly #told = new Set<string>();
  /** What it was told and nobody wants any more. */
  readonly #leftOver = new Set<string>();
  #connection: Connection | undefined;
  #givingBack = false;

  constructor(work: FollowingWork) {
    this.#work = work;
  }

  /** `resources/subscribe`. Rejects like `ask`, and with `TOO_MANY`. */
  async subscribe(pass: Pass, uri: string): Promise<Answer> {
    const { members } = this.#work;
    const { id } = pass.call.session;
    // Before the child knows, so that no update is lost that it sends at once; and so that many at a time count.
    let isPending = members.follow(id, uri);
    const undo = () => {
      if (isPending) members.unfollow(id, uri);
      isPending = false;
      // Somebody may have left the child's subscription to this one.
      if (!members.isFollowed(uri)) this.#giveBack([uri]);
    };
    try {
      return await this.#inTurn(uri, pass.call.halt, () => this.#follow(pass, uri, undo));
    } catch (reason) {
      // It never had its turn.
      undo();
      throw reason;
    }
  }

  /** `resources/unsubscribe`. Rejects like `ask`; then the session follows it still. */
  unsubscribe(pass: Pass, uri: string): Promise<Answer> {
    const { members } = this.#work;
    const { id } = pass.call.session;
    return this.#inTurn(uri, pass.call.halt, async () => {
      if (members.isFollowedBesides(id, uri)) {
        pass.spend();
        members.unfollow(id, uri);
        return done;
      }
      // Whatever comes of it, who follows it next asks the child anew.
      this.#told.delete(uri);
      const answer = await this.#work.ask(pass);
      if (answer.kind === 'result') members.unfollow(id, uri);
      return answer;
    });
  }

  /** The child is told of a resource that a member follows already, as far as it does not know. */
  async want(uri: string): Promise<void> {
    const connection = this.#connection;
    if (connection !== undefined) await this.#renew(connection, uri);
  }

  /** The session is over. */
  leave(sessionId: string): void {
    this.#giveBack(this.#work.members.leave(sessionId));
  }

  /** A new child: it is told what its predecessor knew. Never rejects. */
  async restore(connection: Connection): Promise<void> {
    const { members, failed } = this.#work;
    this.#connection = connection;
    this.#told.clear();
    this.#leftOver.clear();
    let refused = 0;
    try {
      await aFewAtATime(members.uris(), async (uri) => {
        if (!(await this.#renew(connection, uri))) refused++;
      });
    } catch (reason) {
      failed(`subscriptions could not be renewed: ${Fault.from(reason).message}`);
    }
    if (refused > 0) failed(`the server refused ${refused} subscriptions that it had before`);
  }

  /** False: the child does not agree any more, and then nobody is left to believe that it does. */
  #renew(connection: Connection, uri: string): Promise<boolean> {
    const { members } = this.#work;
    return this.#inTurn(uri, new Halt(), async () => {
      // Its predecessor is gone, somebody was quicker, or nobody wants it now.
      if (this.#connection !== connection || this.#told.has(uri) || !members.isFollowed(uri)) return true;
      const answer = await this.#own(connection, 'resources/subscribe', uri);
      if (answer.kind === 'result') this.#told.add(uri);
      else members.drop(uri);
      return answer.kind === 'result';
    });
  }

  async #follow(pass: Pass, uri: string, undo: () => void): Promise<Answer> {
    const { members, ask } = this.#work;
    const { id } = pass.call.session;
    try {
      if (this.#told.has(uri)) pass.spend();
      const answer = this.#told.has(uri) ? done : await ask(pass);
      if (answer.kind === 'error') undo();
      else {
        this.#told.add(uri);
        // What went before it in the line may have taken it back.
        if (members.has(id)) members.follow(id, uri);
      }
      // The session ended while it was answered.
      if (!members.isFollowed(uri)) this.#giveBack([uri]);
      return answer;
    } catch (reason) {
      // Within its turn: the next one may be the same session's, and must find things as they are.
      undo();
      throw reason;
    }
  }

  #giveBack(uris: readonly string[]): void {
    for (const uri of uris) {
      if (!this.#told.has(uri)) continue;
      if (this.#leftOver.size < followedMax.perChild) this.#leftOver.add(uri);
      else this.#told.delete(uri);
    }
    if (!this.#givingBack && this.#leftOver.size > 0) void this.#giveAllBack();
  }

  async #giveAllBack(): Promise<void> {
    this.#givingBack = true;
    try {
      // One after the other: a session that ends with a thousand of them must not fill the child's pipe.
      for (const uri of this.#leftOver) {
        await this.#inTurn(uri, new Halt(), async () => {
          this.#leftOver.delete(uri);
          if (this.#connection === undefined || this.#work.members.isFollowed(uri)) return;
          if (this.#told.delete(uri)) await this.#own(this.#connection, 'resources/unsubscribe', uri);
        });
      }
    } catch {
      // The child is gone or does not answer: it is not asked a thousand times more. Its updates go to nobody.
      for (const uri of this.#leftOver) this.#told.delete(uri);
      this.#leftOver.clear();
    }
    this.#givingBack = false;
  }

  #own(connection: Connection, method: string, uri: string): Promise<Answer> {
    return connection.own(method, encode({ uri }), this.#work.answerWithinMs);
  }

  async #inTurn<T>(uri: string, halt: Halt, work: () => Promise<T>): Promise<T> {
    let turns = this.#turns.get(uri);
    if (turns === undefined) this.#turns.set(uri, (turns = new Turns(this.#work.waitingMax)));
    const giveTurn = await turns.take(this.#work.answerWithinMs, halt);
    try {
      return await work();
    } finally {
      giveTurn();
      if (turns.load === 0) this.#turns.delete(uri);
    }
  }
}
