/** A bridge to real children of the puppet server, without the daemon around it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realClock } from '../../src/domain/clock.ts';
import type { Answer, Json, JsonObject } from '../../src/domain/message.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import type { Redacted } from '../../src/domain/redacted.ts';
import type { Upcall } from '../../src/domain/upstream.ts';
import { Bridge, type Around } from '../../src/fleet/bridge.ts';
import type { Pace } from '../../src/fleet/pace.ts';
import { quickPace, resultOf, specOf } from '../fleet/support.ts';
import { alive, processes, readOr } from '../support/daemon.ts';
import { modern, type Asked, type Asking } from './support.ts';

export const puppet = join(import.meta.dirname, 'servers', 'puppet.ts');
export type Step = JsonObject;

export type BenchOptions = {
  readonly era?: 'legacy' | 'modern' | 'dual';
  readonly spec?: Partial<ServerSpec>;
  readonly env?: Readonly<Record<string, string>>;
  readonly pace?: Partial<Pace>;
  readonly around?: Partial<Around>;
};

let benches = 0;

/** What a puppet says of a call that it answers in its own words. */
export type Played = {
  readonly pid: number;
  readonly replies: JsonObject[];
  readonly inputResponses?: JsonObject;
  readonly requestState?: string;
  readonly cancelled: boolean;
  readonly meta: JsonObject;
};

export class Bench {
  readonly bridge: Bridge;
  readonly dir = mkdtempSync(join(tmpdir(), 'mcpd-bridge-'));
  readonly cookie = `bench-${process.pid}-${++benches}-${Math.random().toString(36).slice(2)}-cookie`;
  readonly upcalls: Upcall[] = [];
  readonly spec: ServerSpec;
  /** What the policy says of a question. */
  judge: (upcall: Upcall) => 'ask' | 'deny' = () => 'ask';

  constructor(options: BenchOptions = {}) {
    const { era = 'legacy', env = {}, pace = {}, around = {} } = options;
    this.spec = specOf('answers', {
      args: [puppet],
      env: { PUPPET_ERA: era, FX_RAW: join(this.dir, 'raw'), ...env },
      protocol: era === 'legacy' ? 'legacy' : 'modern',
      ...options.spec,
    });
    let questions = 0;
    const deps = {
      clock: realClock,
      random: () => 0,
      cookie: this.cookie,
      log: () => undefined,
      clean: (text: string) => text as Redacted,
      secretsFor: () => Promise.resolve({}),
      onUpcall: (upcall: Upcall) => this.#hear(upcall),
      bounds: { depthMax: 64 },
      version: '0.0.0',
      pace: { ...quickPace, ...pace },
      nextQuestionId: () => `s-${++questions}`,
      changed: () => undefined,
    };
    const alone: Around = { isModern: () => false, othersChildren: () => 0, together: undefined };
    this.bridge = new Bridge(deps, this.spec, { ...alone, ...around });
  }

  #hear(upcall: Upcall): void {
    this.upcalls.push(upcall);
    if (upcall.message.kind !== 'request') return;
    if (this.judge(upcall) === 'ask') upcall.hold?.();
    else upcall.settle({ kind: 'error', text: '{"code":-32601,"message":"denied"}' as Answer['text'] });
  }

  forward({ pass }: Asked): Promise<Answer | undefined> {
    return this.bridge.forward(pass);
  }

  /** A call of the tool that does as it is told. */
  play(steps: readonly Step[], asking: Asking = {}): { asked: Asked; answer: Promise<Answer | undefined> } {
    const asked = modern({ params: { name: 'play', arguments: { steps: [...steps] } }, ...asking });
    const answer = this.forward(asked);
    answer.catch(() => undefined);
    return { asked, answer };
  }

  /** The next round of a call that asked something. */
  resume(before: Answer | undefined, responses: Json, asking: Asking = {}): Promise<Answer | undefined> {
    const held = before?.kind === 'result' ? before.held : undefined;
    if (held === undefined) throw new Error(`nothing to go on with: ${before?.text}`);
    return this.forward(
      modern({
        params: { name: 'play', arguments: {}, inputResponses: responses },
        resumes: held,
        ...asking,
      }),
    );
  }

  /** Methods and params of the notifications that reached a call. */
  heard({ call }: Asked): [string, JsonObject][] {
    return this.upcalls
      .filter(({ callId, message }) => callId === call.id && message.kind === 'notice')
      .map(({ message }) => [message.method, JSON.parse(message.params ?? '{}') as JsonObject]);
  }

  /** A step at which a child waits until `letGo` is called with the same name. */
  gate(name: string): Step {
    return { file: join(this.dir, `gate-${name}`) };
  }

  letGo(name: string): void {
    writeFileSync(join(this.dir, `gate-${name}`), '');
  }

  /** Everything that any child was written, one message each. */
  raw(): JsonObject[] {
    return readOr(join(this.dir, 'raw'), '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JsonObject);
  }

  /** The children that live. */
  pids(): number[] {
    return processes().filter(
      (pid) => readOr(`/proc/${pid}/environ`, '').includes(this.cookie) && alive(pid),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bridge.stop('the test is over');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function played(answer: Answer | undefined): Played {
  const [{ text }] = resultOf(answer)['content'] as [{ text: string }];
  return JSON.parse(text) as Played;
}

/** What an answer asks, by its keys. */
export function asked(answer: Answer | undefined): JsonObject {
  return resultOf(answer)['inputRequests'] as JsonObject;
}

export const accepted = (name: string): JsonObject => ({ action: 'accept', content: { name } });
export const elicit = (message: string): Step => ({
  ask: { method: 'elicitation/create', params: { message } },
});
export const answersAll = (answer: Answer | undefined): JsonObject =>
  Object.fromEntries(Object.keys(asked(answer)).map((key) => [key, accepted(key)]));
