import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Storm } from '../faults/support/storm.ts';
import { verifyJournal } from '../faults/support/verify.ts';
import { Watched, type Seen } from '../faults/support/watch.ts';
import { Dice } from '../support/dice.ts';
import { acts, clockEnv, type Stage } from './chaos.ts';
import { flatness, type Flatness, type Point } from './flat.ts';
import { Broken, certified, listener, member, old, reader, rememberer, type Guest } from './guests.ts';
import { furnish } from './house.ts';
import { brokenBy, slopesJudged } from './judge.ts';

export type Plan = {
  readonly minutes: number;
  readonly seed: number;
  readonly chaosEveryMs: number;
  /** Goes on for longer, where so many kinds of trouble have not happened by then: on a slow machine each takes its time. */
  readonly kindsMin?: number;
  /** The longest pause of a caller between two calls. */
  readonly pauseMs: number;
  readonly print: (line: string) => void;
};

export type Summary = {
  readonly seed: number;
  readonly minutes: number;
  readonly broken: readonly string[];
  readonly calls: number;
  readonly ends: Readonly<Record<string, number>>;
  readonly guests: Readonly<Record<string, { readonly turns: number; readonly troubles: number }>>;
  readonly acts: Readonly<Record<string, number>>;
  readonly records: number;
  readonly marks: Readonly<Record<string, number>>;
  /** Calls that could have slipped past a switch, a denial or a missing yes, and did not. */
  readonly watchedFor: number;
  /** Commands of which mcpd said that the disk did not take them. */
  readonly unsure: number;
  readonly seen: Seen;
  readonly flat: Flatness;
  /** Whether the life that was judged was long enough to say something about slopes. */
  readonly slopesJudged: boolean;
};

const lookEveryMs = 5000;

/** Works a daemon for a while, with something going wrong all the time, and says whether every promise was kept. */
export async function runSoak(plan: Plan): Promise<Summary> {
  const clock = mkdtempSync(join(tmpdir(), 'mcpd-clock-'));
  const clockFile = join(clock, 'offset');
  const faked = clockEnv(clockFile);
  const collectEveryMs = Math.min(30_000, Math.round(plan.minutes * 2000));
  const house = await furnish({ collectEveryMs, ...(faked === undefined ? {} : { env: faked }) });
  try {
    await using watched = await Watched.start(house.options);
    const soak = new Soak(plan, watched, house.tlsPort, faked === undefined ? undefined : clockFile);
    return await soak.run();
  } finally {
    rmSync(clock, { recursive: true, force: true });
  }
}

class Soak {
  readonly #plan: Plan;
  readonly #watched: Watched;
  readonly #storm: Storm;
  readonly #guests: readonly Guest[];
  readonly #dice: Dice;
  readonly #clockFile: string | undefined;
  readonly #broken: string[] = [];
  readonly #turns = new Map<string, { turns: number; troubles: number }>();
  readonly #acted = new Map<string, number>();
  readonly #untilMs: number;
  readonly #fromMs = performance.now();
  #fds: Point[] = [];
  #lifeFromMs = performance.now();
  #going = true;

  constructor(plan: Plan, watched: Watched, tlsPort: number | undefined, clockFile: string | undefined) {
    this.#plan = plan;
    this.#watched = watched;
    this.#dice = new Dice(plan.seed);
    this.#storm = new Storm(watched.daemon, this.#dice, Math.max(60, plan.pauseMs * 4));
    this.#clockFile = clockFile;
    this.#untilMs = this.#fromMs + plan.minutes * 60_000;
    const { daemon } = watched;
    this.#guests = [
      ...[1, 2, 3, 4].map((number) => member(daemon, number)),
      ...[5, 6].map((number) => listener(daemon, number)),
      reader(daemon),
      rememberer(daemon),
      old(daemon),
      ...(tlsPort === undefined ? [] : [certified(daemon, tlsPort)]),
    ];
  }

  async run(): Promise<Summary> {
    const { daemon } = this.#watched;
    this.#storm.begin(this.#plan.pauseMs);
    this.#storm.operate();
    const loops = [...this.#guests.map((guest) => this.#entertain(guest)), this.#look()];
    let flat: Flatness;
    try {
      await this.#makeTrouble();
    } finally {
      this.#going = false;
      await Promise.all(loops);
      await this.#storm.end();
      for (const guest of this.#guests) guest.drop();
      flat = flatness(this.#watched.pulses(), this.#fds);
    }
    const code = await this.#watched.end('SIGTERM');
    if (code !== 0) this.#say(`at the end the daemon ended with ${code}`);
    this.#storm.checkRecord();
    const verified = await verifyJournal(daemon);
    if (verified !== '') this.#say(verified);
    if (this.#watched.marked().length > 0) this.#say('children outlived the daemon');
    return this.#sumUp(flat);
  }

  #say(what: string): void {
    if (this.#broken.length < 30) this.#broken.push(what);
    this.#plan.print(`BROKEN ${what}`);
  }

  async #entertain(guest: Guest): Promise<void> {
    const counted = { turns: 0, troubles: 0 };
    this.#turns.set(guest.name, counted);
    while (this.#going) {
      try {
        await guest.turn();
        counted.turns++;
      } catch (reason) {
        if (reason instanceof Broken) this.#say(`${guest.name}: ${reason.message}`);
        counted.troubles++;
        guest.drop();
        await sleep(200);
      }
      await sleep(this.#dice.upTo(this.#plan.pauseMs * 2));
    }
  }

  /** One act after the other. The daemon itself dies in the first third only, so that one life is long enough to be judged. */
  async #makeTrouble(): Promise<void> {
    const { chaosEveryMs, kindsMin = 0 } = this.#plan;
    const lastRestartMs = this.#fromMs + (this.#untilMs - this.#fromMs) / 3;
    let deck: (typeof acts)[number][] = [];
    while (performance.now() + chaosEveryMs < this.#untilMs || this.#acted.size < kindsMin) {
      await sleep(chaosEveryMs);
      const mayRestart = performance.now() < lastRestartMs;
      if (deck.length === 0) deck = this.#shuffled();
      const act = deck.pop();
      if (act === undefined || (act.restarts === true && !mayRestart)) continue;
      if (act.needs === 'a clock' && (this.#clockFile === undefined || mayRestart)) continue;
      await this.#perform(act);
    }
    await sleep(Math.max(0, this.#untilMs - performance.now()));
  }

  async #perform(act: (typeof acts)[number]): Promise<void> {
    this.#acted.set(act.name, (this.#acted.get(act.name) ?? 0) + 1);
    const stage: Stage = {
      watched: this.#watched,
      storm: this.#storm,
      guests: this.#guests,
      dice: this.#dice,
      clockFile: this.#clockFile,
      say: (what) => this.#say(`${act.name}: ${what}`),
    };
    await act.does(stage);
    if (act.restarts !== true) return;
    this.#fds = [];
    this.#lifeFromMs = performance.now();
  }

  #shuffled(): (typeof acts)[number][] {
    return acts
      .map((act) => ({ act, at: this.#dice.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ act }) => act);
  }

  /** Holds what was promised against what is there, all the time; prints a line a minute. */
  async #look(): Promise<void> {
    let printedMs = this.#fromMs;
    let operatedMs = this.#fromMs;
    this.#plan.print(headings.map((it) => it.padStart(9)).join(' '));
    while (this.#going) {
      await sleep(Math.min(lookEveryMs, this.#plan.minutes * 6000));
      this.#storm.checkRecord();
      for (const what of [...this.#storm.broken.splice(0), ...this.#storm.journal.wrong.splice(0)])
        this.#say(what);
      this.#fds.push([performance.now() - this.#lifeFromMs, this.#watched.fds()]);
      const now = performance.now();
      if (now - printedMs < Math.min(60_000, this.#plan.minutes * 12_000)) continue;
      printedMs = now;
      this.#printRow();
      // Whoever waited for a yes has waited long enough.
      if (now - operatedMs > 60_000) {
        operatedMs = now;
        this.#storm.renew();
      }
    }
  }

  #printRow(): void {
    const { ends, journal } = this.#storm;
    const pulse = this.#watched.pulses().at(-1);
    const row = [
      ((performance.now() - this.#fromMs) / 60_000).toFixed(1),
      ends.get('answered') ?? 0,
      ends.get('refused') ?? 0,
      (ends.get('failed') ?? 0) + (ends.get('turned away') ?? 0),
      ends.get('unheard') ?? 0,
      [...this.#turns.values()].reduce((all, { turns }) => all + turns, 0),
      journal.records,
      this.#watched.seen.lives,
      Math.round(this.#watched.rssMiB()),
      pulse?.heapMiB ?? 0,
      this.#watched.fds(),
      pulse?.handles['Timeout'] ?? 0,
      this.#broken.length,
    ];
    this.#plan.print(row.map((it) => String(it).padStart(9)).join(' '));
  }

  #sumUp(flat: Flatness): Summary {
    const { storm } = { storm: this.#storm };
    for (const what of [...storm.broken, ...storm.journal.wrong]) this.#say(what);
    const { minutes, seed } = this.#plan;
    const { seen } = this.#watched;
    const names = acts.map(({ name }) => name);
    for (const what of brokenBy({ minutes, flat, seen, acts: names, acted: this.#acted })) this.#say(what);
    return {
      seed,
      minutes,
      broken: this.#broken,
      calls: [...storm.ends.values()].reduce((all, it) => all + it, 0),
      ends: Object.fromEntries(storm.ends),
      guests: Object.fromEntries(this.#turns),
      acts: Object.fromEntries(this.#acted),
      records: storm.journal.records,
      marks: Object.fromEntries(storm.journal.marks),
      watchedFor: storm.never.size,
      unsure: storm.unsure,
      seen,
      flat,
      slopesJudged: slopesJudged(flat),
    };
  }
}

const headings = [
  ...['minute', 'answered', 'refused', 'failed', 'unheard', 'guests', 'records'],
  ...['lives', 'rss MiB', 'heap MiB', 'fds', 'timers', 'broken'],
];
