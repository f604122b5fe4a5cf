// C-18: PM2 reloads and stops the daemon under load, as it is shipped, and with settings that are wrong. What a reload looks
// like from outside in more detail: test/stories/pm2-runs-it.test.ts.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LegacyCaller, ModernCaller, type Caller, type Deed } from '../load/callers.ts';
import {
  alive,
  processes,
  projectRoot,
  rawEnv,
  childMark,
  readOr,
  rule,
  serving,
  TestDaemon,
  until,
} from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { asShipped, byDefault, Pm2 } from './support/pm2.ts';
import { JournalTail, RawTail } from './support/tail.ts';
import { recordVerified, verifyJournal } from './support/verify.ts';
import { isReady } from './support/watch.ts';

const terms = `answer_within = "10m"\n${rawEnv}${rule('allow', ['*'], 'record = ["text"]\n')}`;
const servers = {
  own: serving('answers', terms),
  shared: serving('answers', `sharing = "all"\n${terms}`),
  stubborn: serving('ignores-sigterm', `sharing = "all"\n${rule('allow', ['*'])}`),
};

type Setting = {
  readonly name: string;
  readonly config: (daemon: TestDaemon) => string;
  readonly reloads: number;
  /** Whether calls under way may be cut off, and children stay until the next start. */
  readonly isRough: boolean;
};

const settings: readonly Setting[] = [
  { name: 'as it is shipped', config: () => asShipped(), reloads: times(1, 20), isRough: false },
  { name: 'with PM2’s own settings', config: byDefault, reloads: times(0, 10), isRough: true },
  {
    name: 'with treekill',
    config: () => asShipped({ treekill: true }),
    reloads: times(0, 10),
    isRough: true,
  },
  {
    name: 'with a kill_timeout that is too short',
    config: () => asShipped({ kill_timeout: 100 }),
    reloads: times(0, 10),
    isRough: true,
  },
];

/** The load, and what every caller was told. */
class Load {
  readonly deeds: Deed[] = [];
  readonly #callers: readonly Caller[];
  readonly #loops: readonly Promise<void>[];
  #going = true;

  constructor({ url, key }: TestDaemon) {
    this.#callers = [
      new LegacyCaller('legacy own', { url, server: 'own', key }),
      new LegacyCaller('legacy shared', { url, server: 'shared', key }),
      new ModernCaller('modern', { url, server: 'shared', key }),
    ];
    this.#loops = this.#callers.map((caller) => this.#keepCalling(caller));
  }

  get answers(): number {
    return this.deeds.filter(({ end }) => end === 'answered').length;
  }

  async #keepCalling(caller: Caller): Promise<void> {
    for (let turn = 0; this.#going; turn++) {
      const deed = await caller.call(turn % 2 === 0 ? 'slow' : 'echo', { text: randomUUID(), ms: 40 });
      this.deeds.push(deed);
      await sleep(deed.end === 'answered' ? 5 : 30);
    }
  }

  async end(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#loops);
    this.#callers.forEach((caller) => caller.hangUp());
  }
}

describe('PM2 reloads it under load', { timeout: isWhole ? 1_800_000 : 110_000 }, () => {
  it('C-18 the entry that is shipped signals mcpd alone, waits until it is ready, and gives it time to drain', () => {
    const { apps } = createRequire(import.meta.url)(join(projectRoot, 'ecosystem.config.cjs')) as {
      apps: Record<string, unknown>[];
    };
    const [app] = apps;
    assert.equal(app?.['treekill'], false);
    assert.equal(app['wait_ready'], true);
    assert.equal(app['exec_mode'], 'fork');
    assert.equal(app['instances'], 1);
    // drain_within is 10 s where nothing is said.
    assert.ok(Number(app['kill_timeout']) >= 12_000);
  });

  for (const { name, config, reloads, isRough } of settings)
    it(
      `C-18 ${name}: ${reloads} reloads lose nothing that was acknowledged, and leave no orphan`,
      { skip: reloads === 0 && 'only in the whole of the fault suite' },
      async () => {
        const daemon = await TestDaemon.start({ servers, boot: false });
        await using pm2 = new Pm2(daemon);
        await pm2.start(config(daemon));
        await until('it is ready', () => isReady(daemon), 600);
        const load = new Load(daemon);
        const more = async (): Promise<void> => {
          const seen = load.answers;
          await until('calls are answered', () => load.answers >= seen + 15, 600);
        };
        const marked = (): number[] => {
          const mark = `SUPERVISED_BY=${childMark(daemon.state)}`;
          return processes().filter(
            (pid) => alive(pid) && readOr(`/proc/${pid}/environ`, '').split('\0').includes(mark),
          );
        };
        try {
          await more();
          for (let reload = 0; reload < reloads; reload++) {
            const { pid } = await pm2.app();
            const old = [pid, ...marked()];
            await pm2.run('reload', 'mcpd');
            await until(
              'another daemon is ready',
              async () => {
                const app = await pm2.app();
                return app.pid !== pid && alive(app.pid) && (await isReady(daemon));
              },
              600,
            );
            await until('nothing is left of the one before', () => !old.some(alive), 400);
            await more();
          }
          if (!isRough) {
            // What PM2 does to its own files is nothing to mcpd.
            await pm2.run('flush');
            await pm2.run('reloadLogs');
            await more();
          }
        } finally {
          await load.end();
        }
        const stopped = [(await pm2.app()).pid, ...marked()];
        await pm2.run('stop', 'mcpd');
        if (isRough) {
          // What a killed daemon could not end, the next one does.
          await pm2.run('start', 'mcpd');
          await until('it is ready again', () => isReady(daemon), 600);
          await until('nothing is left of the one before', () => !stopped.some(alive), 400);
          await pm2.run('stop', 'mcpd');
        } else assert.deepEqual(stopped.filter(alive), []);

        checkHistory(daemon, load.deeds, isRough);
        assert.equal(await verifyJournal(daemon), '');
        const count = (end: Deed['end']): number => load.deeds.filter((deed) => deed.end === end).length;
        figure('C-18', `${name}: reloads`, reloads);
        figure('C-18', `${name}: answered`, count('answered'));
        figure(
          'C-18',
          `${name}: turned away or not heard`,
          count('turned away') + count('unheard') + count('over'),
        );
        recordVerified('C-18');
      },
    );
});

function checkHistory(daemon: TestDaemon, deeds: readonly Deed[], isRough: boolean): void {
  const journal = new JournalTail(daemon).read();
  assert.deepEqual(journal.wrong, []);
  const answered = deeds.filter(({ end }) => end === 'answered');
  assert.deepEqual(
    answered.filter(({ correlationId }) => !journal.intents.has(correlationId ?? '')),
    [],
    'answered, and not in the journal',
  );
  for (const { tool, said, text } of answered) assert.equal(said, tool === 'echo' ? text : 'done');
  const { texts: sent } = new RawTail(join(daemon.dir, 'raw.log')).read();
  for (const [text, { count }] of sent) {
    if (text === '') continue;
    assert.ok(journal.texts.has(text), 'went out, and not in the journal');
    assert.equal(count, 1);
  }
  for (const deed of deeds) {
    assert.notEqual(deed.end, 'garbled', deed.said);
    if (deed.end === 'turned away') assert.ok(deed.retryAfter >= 1 && !sent.has(deed.text));
  }
  if (isRough) return;
  assert.deepEqual(journal.endless(), []);
  // Nobody was cut off: what was refused was refused before it went out.
  const lost = deeds.filter(({ end, text }) => end === 'unheard' && sent.has(text));
  assert.deepEqual(lost, []);
  // The log of all of them together: each one has stopped before the next one listens.
  const turns = daemon
    .log()
    .split('\n')
    .filter((line) => /"msg":"mcpd (listens|has stopped)"/.test(line))
    .map((line) => JSON.parse(line) as { pid: number; msg: string })
    .map(({ pid, msg }) => [pid, msg === 'mcpd listens' ? 'started' : 'stopped'] as const);
  for (const [at, [pid, what]] of turns.entries()) {
    assert.equal(what, at % 2 === 0 ? 'started' : 'stopped', 'two daemons at once');
    if (what === 'stopped') assert.equal(pid, turns[at - 1]?.[0]);
  }
}
