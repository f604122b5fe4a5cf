import { join } from 'node:path';
import { projectRoot, rule, TestDaemon } from '../support/daemon.ts';
import { Member } from './member.ts';
import { judge, judgeLoose, nonceOf, type Expected } from './verdict.ts';

export type Plan = {
  readonly sessions: number;
  readonly callers: number;
  /** Answers to wait for, in all sessions together. */
  readonly replies: number;
  /** One call in so many is given two progress notes, and another one a log line. */
  readonly notesEvery: number;
  /** Told now and then how many there are. */
  readonly onProgress: (replies: number, seconds: number) => void;
};

export type Figures = {
  replies: number;
  notes: number;
  logs: number;
  /** Calls that their session took back while they were under way. */
  cancelled: number;
  foreign: number;
  /** Answers and notes that never came, and exchanges that broke. */
  lost: number;
  /** Messages that nobody should get. */
  odd: number;
  seconds: number;
  /** The first few things that were wrong. */
  readonly samples: string[];
  /** Processes of the shared server. */
  children: number;
};

/** The same in every session, and in use all the time: 1 and "1" are two ids, and each one's token looks like the other. */
const lanes: readonly (readonly [id: string, token: string])[] = [
  ['1', '"1"'],
  ['"1"', '1'],
  ['2', '"2"'],
  ['"2"', '2'],
];
const reportEvery = 50_000;
const samplesMax = 5;
/** For a call that lasts as long as the whole run. */
const patienceMs = 3_600_000;

/** Many sessions of several callers, all at one shared child, all with equal ids and tokens, until there are enough replies. */
export async function runCrowd(plan: Plan): Promise<Figures> {
  await using daemon = await TestDaemon.start({ servers: { shared: policy } });
  const keys = [daemon.key];
  while (keys.length < plan.callers) keys.push(await daemon.addKey(`caller-${keys.length}`));
  const url = `${daemon.url}/servers/shared/mcp`;
  const figures: Figures = {
    replies: 0,
    notes: 0,
    logs: 0,
    cancelled: 0,
    foreign: 0,
    lost: 0,
    odd: 0,
    seconds: 0,
    samples: [],
    children: 0,
  };
  const members: Member[] = [];
  try {
    for (let n = 0; n < plan.sessions; n++) {
      const member = await Member.join(url, keys[n % keys.length] ?? '', lanes.length + 2);
      members.push(member);
      // A stream that is open all the time would show what finds its way to the wrong session between calls.
      if (n % 4 === 0) await member.listen((text) => note(figures, text, judgeLoose(text, nonceOf(n, 0, 0))));
    }
    const from = performance.now();
    let begun = 0;
    const next = (): number | undefined => (begun < plan.replies ? begun++ : undefined);
    const done = (): void => {
      if (++figures.replies % reportEvery === 0)
        plan.onProgress(figures.replies, (performance.now() - from) / 1000);
    };
    const all = members.flatMap((member, session) =>
      lanes.map((_, lane) => new Lane(member, session, lane, plan.notesEvery, figures)),
    );
    const patient = all.filter((lane) => lane.isPatient);
    const waits = patient.map((lane) => lane.wait());
    await Promise.all(all.filter((lane) => !lane.isPatient).map((lane) => lane.run(next, done)));
    await all[0]?.release();
    await Promise.all(waits);
    figures.seconds = (performance.now() - from) / 1000;
    figures.children = (await daemon.status('shared')).children;
  } finally {
    for (const member of members) member.leave();
  }
  return figures;
}

const policy = `command = "$NODE"
args = [${JSON.stringify(join(projectRoot, 'test', 'load', 'echo-child.ts'))}]
sharing = "all"
concurrency = 256
waiting_max = 4096
answer_within = "1d"
${rule('allow', ['*'])}`;

/** One call after the other, always under the same id. */
class Lane {
  readonly #member: Member;
  readonly #session: number;
  readonly #lane: number;
  readonly #notesEvery: number;
  readonly #figures: Figures;
  readonly #id: string;
  readonly #token: string;
  #turn = 0;

  constructor(member: Member, session: number, lane: number, notesEvery: number, figures: Figures) {
    this.#member = member;
    this.#session = session;
    this.#lane = lane;
    this.#notesEvery = notesEvery;
    this.#figures = figures;
    [this.#id, this.#token] = lanes[lane] ?? ['', ''];
  }

  /** Some lanes only wait: everybody cancels calls of their id, and theirs must stand to the end. */
  get isPatient(): boolean {
    return this.#session % 8 === 4 && this.#lane === 2;
  }

  async wait(): Promise<void> {
    const expected = this.#expect(0);
    const texts = await this.#member
      .post(this.#call('wait', expected, false), undefined, patienceMs)
      .catch((reason: unknown) => [String(reason)]);
    for (const text of texts) {
      const verdict = judge(text, expected, 0);
      // It was somebody else who cancelled.
      if (verdict !== 'answer') note(this.#figures, text, verdict === 'cancelled' ? 'foreign' : verdict);
    }
    if (texts.length !== 1) this.#lost(`a call that waited: ${texts.join(' ')}`);
  }

  /** Has the child answer all who wait. */
  async release(): Promise<void> {
    await this.#member.post(this.#call('release', this.#expect(0), false));
  }

  async run(next: () => number | undefined, done: () => void): Promise<void> {
    for (let number = next(); number !== undefined; number = next()) {
      try {
        // Some sessions take calls back, and use the id again at once: the late answer must not pass for the new one's.
        if (this.#session % 8 === 0 && this.#lane > 1 && this.#turn % 8 === 4) await this.#takeBack();
        if (await this.#echo(number)) done();
      } catch (reason) {
        this.#lost(String(reason));
      }
    }
  }

  /** Whether the answer came. */
  async #echo(number: number): Promise<boolean> {
    const notes = number % this.#notesEvery === 0 ? 2 : 0;
    const expected = this.#expect(notes);
    const texts = await this.#member.post(this.#call('echo', expected, number % this.#notesEvery === 1));
    let [answers, noted] = [0, 0];
    for (const text of texts) {
      const verdict = judge(text, expected, noted);
      if (verdict === 'answer') answers++;
      else if (verdict === 'note') noted++;
      // Nobody cancelled this one; if another session did, that is as bad as an answer of another's.
      else note(this.#figures, text, verdict === 'cancelled' ? 'foreign' : verdict);
    }
    this.#figures.notes += noted;
    if (noted !== notes) this.#lost(`${noted} of ${notes} notes: ${texts.join(' ')}`);
    if (answers !== 1) this.#lost(`${answers} answers: ${texts.join(' ')}`);
    return answers === 1;
  }

  /** A call that is under way for certain, and is cancelled. It must end without an answer. */
  async #takeBack(): Promise<void> {
    const expected = this.#expect(1);
    let cancelling: Promise<unknown> | undefined;
    const cancel = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${this.#id}}}`;
    const texts = await this.#member.post(this.#call('hold', expected, false), () => {
      cancelling ??= this.#member.post(cancel);
    });
    await cancelling;
    let [noted, ended] = [0, 0];
    for (const text of texts) {
      const verdict = judge(text, expected, noted);
      if (verdict === 'note') noted++;
      else if (verdict === 'cancelled') ended++;
      else note(this.#figures, text, verdict === 'answer' ? 'odd' : verdict);
    }
    if (noted !== 1 || ended > 1) this.#lost(`a cancelled call: ${texts.join(' ')}`);
    this.#figures.cancelled++;
  }

  #expect(notes: number): Expected {
    const nonce = nonceOf(this.#session, this.#lane, this.#turn++);
    return { id: this.#id, token: this.#token, nonce, notes };
  }

  #call(tool: string, { id, token, nonce, notes }: Expected, log: boolean): string {
    const args = `{"nonce":"${nonce}","notes":${notes},"log":${log}}`;
    return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}","arguments":${args},"_meta":{"progressToken":${token}}}}`;
  }

  #lost(what: string): void {
    this.#figures.lost++;
    sample(this.#figures, `lost: ${what}`);
  }
}

function note(figures: Figures, text: string, verdict: ReturnType<typeof judge>): void {
  if (verdict === 'log') {
    figures.logs++;
    return;
  }
  if (verdict === 'foreign') figures.foreign++;
  else figures.odd++;
  sample(figures, `${verdict}: ${text}`);
}

function sample({ samples }: Figures, what: string): void {
  if (samples.length < samplesMax) samples.push(what.slice(0, 600));
}
