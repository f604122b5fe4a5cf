import { Fault } from '../domain/faults.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Launch } from '../domain/wall.ts';
import { Appetite } from './appetite.ts';
import { Connection, type Hearing } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { environmentOf, markOf } from './environment.ts';
import { Kin } from './kin.ts';
import { Lines } from './lines.ts';
import { Child } from './process.ts';
import { rowOf } from './process-table.ts';
import { Stderr } from './stderr.ts';
import { Tally } from './tally.ts';

const sampleChars = 200;

export type InstanceWork = {
  readonly deps: ChildDeps;
  readonly spec: ServerSpec;
  readonly secrets: Readonly<Record<string, string>>;
  readonly launch: Launch;
  readonly nextQuestionId: () => string;
  readonly hearing: Hearing;
  /** Added to every log line: which child it was. */
  readonly labels: object;
  /** Once. Everything that was open has failed by then. */
  readonly ended: (because: string) => void;
};

/** One run of one child: the process, its pipes, and the conversation over them, from start to end. */
export class Instance {
  readonly connection: Connection;
  readonly #work: InstanceWork;
  readonly #child: Child;
  readonly #tally: Tally;
  readonly #stderr: Stderr;
  readonly #stdout: Lines;
  readonly #appetite: Appetite;
  /** By it, what left its group is known for its own. */
  readonly #mark: string;
  readonly #kin: Kin | undefined;
  /** Why we ended it ourselves. */
  #verdict: string | undefined;

  constructor(work: InstanceWork) {
    this.#work = work;
    const { deps, spec } = work;
    this.#mark = markOf(deps.cookie);
    this.#tally = new Tally({
      clock: deps.clock,
      say: (why, sample) =>
        this.#log('warn', { sample: sample && deps.clean(sample).slice(0, sampleChars) }, `dropped: ${why}`),
      faulty: (why) => this.stop(why),
    });
    this.#stderr = new Stderr({
      clock: deps.clock,
      clean: deps.clean,
      say: (line) => this.#log('info', { stream: 'stderr' }, line),
      suppressed: (count) =>
        this.#log('warn', { stream: 'stderr', suppressed: count }, `suppressed ${count} lines`),
    });
    this.connection = new Connection({
      limits: spec,
      clock: deps.clock,
      answerWithinMsMax: spec.answerWithinMsMax,
      answerWithinMs: deps.answerWithinMs,
      bounds: { bytesMax: spec.lineBytesMax, depthMax: deps.bounds.depthMax },
      questionWithinMs: deps.pace.questionWithinMs,
      nextQuestionId: work.nextQuestionId,
      hearing: work.hearing,
      tally: this.#tally,
      write: (text) => this.#child.write(text),
    });
    this.#stdout = new Lines(spec.lineBytesMax, {
      line: (bytes) => this.#hear(() => this.connection.receive(bytes)),
      overlong: (head, tail) => this.#hear(() => this.connection.receiveOverlong(head, tail)),
    });
    this.#appetite = new Appetite(
      spec.wall.resources,
      deps.clock.steadyMs(),
      () => this.#tally.answeredBytes,
      (why) => {
        this.#log('error', { why }, 'a child is stopped because it takes too much');
        this.stop(why);
      },
    );
    this.#child = this.#launch();
    this.#kin = this.#meet();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get dropped(): number {
    return this.#tally.dropped;
  }

  /** It was told to go, or no longer listens; what comes now is for the next one. */
  get isLeaving(): boolean {
    return this.#verdict !== undefined;
  }

  /** The last lines of stderr, cleaned. */
  get lastWords(): string {
    return this.#stderr.tail.join('\n');
  }

  /** Takes no new calls, lets what was sent be answered while the child leaves, then insists. `ended` follows. */
  stop(why: string): void {
    this.#verdict ??= why;
    this.connection.close(new Fault('UPSTREAM_DOWN', { detail: `${this.#work.spec.name}: ${why}` }));
    this.#child.stop();
  }

  /** The child is stopped because it hangs: who waits for it is told at once, and it is not asked twice. */
  hangs(why: string): void {
    this.#verdict ??= why;
    this.connection.end(new Fault('UPSTREAM_DIED', { detail: `${this.#work.spec.name}: ${why}` }));
    this.#child.stop(true);
  }

  /** Its processes are watched from now on: what they use, and who they are. */
  #meet(): Kin | undefined {
    const { deps, spec } = this.#work;
    const root = this.#child.pid === undefined ? undefined : rowOf(this.#child.pid);
    if (root === undefined) return undefined;
    const kin = new Kin(root, (fresh, gone) => {
      for (const it of gone) deps.ledger?.went(it);
      for (const it of fresh) deps.ledger?.came(it, spec.name);
    });
    this.#appetite.watch((processesMax) => kin.look(processesMax));
    return kin;
  }

  #launch(): Child {
    const { deps, spec, secrets, launch } = this.#work;
    const { stopStepMs, drainMs } = deps.pace;
    const { execPath } = process;
    const own = { ...process.env, ...launch.env };
    const { command, args, cwd, walled, withheld = [] } = launch;
    const declared = Object.fromEntries(
      Object.entries(spec.env).filter(([name]) => !withheld.includes(name)),
    );
    const env = environmentOf({ own, execPath, declared, secrets, cookie: this.#mark });
    const order = { command, args, cwd, env, walled, stopStepMs, drainMs };
    const count = (chunk: Buffer) => this.#appetite.wrote(chunk.length, deps.clock.steadyMs);
    return new Child(order, {
      out: (chunk) => {
        count(chunk);
        this.#stdout.feed(chunk);
      },
      err: (chunk) => {
        count(chunk);
        this.#stderr.feed(chunk);
      },
      drained: () => this.connection.drained(),
      deaf: (why) => this.#deaf(why),
      leaving: () => this.#kin?.look(),
      ended: (why) => this.#end(why),
    });
  }

  /** Nothing a child writes may end the daemon; what slips through is a mistake of ours, and on record. */
  #hear(line: () => void): void {
    try {
      line();
    } catch (reason) {
      const fault = Fault.from(reason);
      this.#log('error', { code: fault.code, err: fault }, 'a line from a child could not be handled');
    }
  }

  /** EPIPE: calls that were just written will never be answered, so nobody waits for their deadlines. */
  #deaf(why: string): void {
    this.connection.end(
      new Fault('UPSTREAM_DIED', { detail: `${this.#work.spec.name}: closed its stdin (${why})` }),
    );
    this.stop(`closed its stdin (${why})`);
  }

  #end(how: string): void {
    this.#appetite.end();
    this.#endKin();
    this.#stdout.end();
    this.#stderr.end();
    const because = this.#verdict === undefined ? how : `${this.#verdict}; ${how}`;
    this.connection.end(new Fault('UPSTREAM_DIED', { detail: `${this.#work.spec.name}: ${because}` }));
    this.#work.deps.secretsBack?.(this.#work.secrets);
    this.#work.ended(because);
  }

  /** Whoever is left: in no group that was signalled, and perhaps without the mark. The others are found by it. */
  #endKin(): void {
    const pids = this.#kin?.end() ?? [];
    if (pids.length > 0) this.#log('warn', { pids }, 'ended processes that a child had left behind');
    if (this.#kin !== undefined) this.#work.deps.stragglers?.of(this.#mark);
  }

  #log(level: 'info' | 'warn' | 'error', fields: object, message: string): void {
    this.#work.deps.log(level, { ...this.#work.labels, ...fields }, message);
  }
}
