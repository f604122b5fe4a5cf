import { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { Answer, Notice } from '../domain/message.ts';
import type { Pass } from '../domain/pass.ts';
import { encode, errorBody } from '../protocol/codec.ts';
import type { Connection } from './connection.ts';
import { moreVerbose, passesLevel } from './log-level.ts';
import type { Members } from './members.ts';
import { Turns } from './turns.ts';

/** For sessions that have said nothing, once another has: else the wish of one would be the flood, or the silence, of all. */
const unsaid = 'info';

export type LoudnessWork = {
  readonly members: Members;
  readonly ask: (pass: Pass) => Promise<Answer>;
  /** The child, which may be on its way. */
  readonly ready: (halt: Halt) => Promise<Connection>;
  readonly answerWithinMs: number;
  readonly waitingMax: number;
  readonly failed: (why: string) => void;
};

const done: Answer = { kind: 'result', text: encode({}) };

/**
 * The log level of a child that several sessions share: the most verbose that any of them wants. Each session hears what it
 * asked for and no more.
 */
export class Loudness {
  readonly #work: LoudnessWork;
  readonly #turns: Turns;
  /** What the present child was told and has agreed to; undefined: its own default. */
  #told: string | undefined;
  #connection: Connection | undefined;

  constructor(work: LoudnessWork) {
    this.#work = work;
    this.#turns = new Turns(work.waitingMax);
  }

  /** `logging/setLevel`. Rejects like `ask`; then the session's old level stands. */
  async setLevel(pass: Pass, level: unknown): Promise<Answer> {
    const { members } = this.#work;
    const { session, halt } = pass.call;
    if (typeof level !== 'string' || moreVerbose(undefined, level) === undefined) {
      pass.spend();
      return { kind: 'error', text: errorBody(-32602, 'There is no such log level') };
    }
    return this.#inTurn(halt, async () => {
      const before = members.levelOf(session.id);
      // At once: the first lines may come in one piece with the child's answer.
      members.setLevel(session.id, level);
      try {
        const answer = await this.#agree(pass, level);
        if (answer.kind === 'error') members.setLevel(session.id, before);
        return answer;
      } catch (reason) {
        members.setLevel(session.id, before);
        throw reason;
      }
    });
  }

  /** Whether a session wants to hear a log line. */
  lets(sessionId: string, line: Notice): boolean {
    const level = this.#work.members.levelOf(sessionId);
    if (level === undefined && this.#told === undefined) return true;
    return passesLevel(line, level ?? unsaid);
  }

  /** A session is over: what only it wanted need not be said any more. Never rejects. */
  async settle(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || this.#told === undefined || this.#wanted() === this.#told) return;
    await this.#tell(connection);
  }

  /** A new child: it is told what its predecessor knew. Never rejects. */
  async restore(connection: Connection): Promise<void> {
    this.#connection = connection;
    this.#told = undefined;
    await this.#tell(connection);
  }

  async #tell(connection: Connection): Promise<void> {
    try {
      await this.#inTurn(new Halt(), async () => {
        const level = this.#wanted();
        if (this.#connection !== connection || level === undefined || level === this.#told) return;
        const answer = await this.#own(connection, level);
        if (answer.kind === 'error') this.#work.failed('the server refused the log level that it had before');
      });
    } catch (reason) {
      this.#work.failed(`the log level could not be set: ${Fault.from(reason).message}`);
    }
  }

  /** Makes the child as verbose as all sessions together want it. */
  async #agree(pass: Pass, level: string): Promise<Answer> {
    const wanted = this.#wanted() ?? level;
    if (wanted === this.#told) {
      pass.spend();
      return done;
    }
    if (wanted !== level) {
      const connection = await this.#work.ready(pass.call.halt);
      pass.spend();
      return this.#own(connection, wanted);
    }
    const answer = await this.#work.ask(pass);
    if (answer.kind === 'result') this.#told = wanted;
    return answer;
  }

  /** Undefined while nobody has said anything. */
  #wanted(): string | undefined {
    const levels = this.#work.members.levels();
    if (this.#told === undefined && levels.every((level) => level === undefined)) return undefined;
    return levels.reduce<string | undefined>((most, level) => moreVerbose(most, level ?? unsaid), undefined);
  }

  async #own(connection: Connection, level: string): Promise<Answer> {
    const answer = await connection.own('logging/setLevel', encode({ level }), this.#work.answerWithinMs);
    if (answer.kind === 'result') this.#told = level;
    return answer;
  }

  async #inTurn<T>(halt: Halt, work: () => Promise<T>): Promise<T> {
    const giveTurn = await this.#turns.take(this.#work.answerWithinMs, halt);
    try {
      return await work();
    } finally {
      giveTurn();
    }
  }
}
