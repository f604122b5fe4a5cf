/**
 * Work that grows with a message: patterns of the owner's, detectors, conditions, on the largest message that is let in. Every
 * call ends with an answer or a reason, a denial is not dodged by being too long to read, what takes too long is no leave, and
 * others are served meanwhile. How long they waited, and the loop worked, is asserted in the whole run alone.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { rawEnv, rule, serving, textOf, type Rpc, type TestDaemon } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { went } from './support/history.ts';
import { againSays, undisturbed, type Again } from './support/stolen.ts';
import { verified } from './support/verified.ts';
import { Watched } from './support/watch.ts';

const size = isWhole ? 4 * 1024 * 1024 - 2048 : 256 * 1024;
const filled = (piece: string) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size - 64);

/** What costs a reader the most: all of it begins like something that would be found, and nearly nothing is. */
const texts: Readonly<Record<string, string>> = {
  letters: filled('a'),
  'nearly e-mail addresses': filled('a.b-c@d.'),
  'nearly tokens': filled('eyJhbGciOiJ.'),
  'nearly keys': filled('ghp_sk-AKIAxoxb-'),
  base64: filled('QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo='),
  digits: filled('4111 1111 1111 '),
  'nearly the pattern': filled('EMP-12345 '),
};

const redacting = `[[redact]]\nname = "staff"\nwhat = ["pii"]\npatterns = ["EMP-[0-9]{6}(?:[a-z]+[0-9]*){1,20}x"]\ndirection = "both"\n`;
const passing = `sharing = "all"\n${rule('allow', ['echo', 'list_dir'])}`;
const detecting = `[[redact]]\nname = "persons"\nwhat = ["pii"]\ndirection = "both"\n`;
const open = serving('answers', passing + detecting);
const staff = serving('answers', passing + redacting);
/** Near the most that an owner's patterns read of one message (128 KiB): what is longer is refused, and not looked through. */
const readable = 120 * 1024;
const guarded = serving(
  'answers',
  `sharing = "all"\n${rawEnv}${rule('allow', ['echo'])}` +
    `[[rule]]\nname = "no such text"\nverdict = "deny"\ntools = ["echo"]\n[rule.args]\n"text" = { matches = "[^!]*forbidden" }\n`,
);

type Looks = { readonly worst: number; readonly count: number; readonly failures: number };

/** More to do than a condition may take: a step for each character and each of these instructions. */
const costly = serving(
  'answers',
  `sharing = "all"\n${rawEnv}` +
    rule('allow', ['echo'], '[rule.args]\n"text" = { matches = "[^!]*" }\n') +
    rule('allow', ['list_dir']) +
    `[[rule]]\nname = "no such list"\nverdict = "deny"\ntools = ["list_dir"]\n[rule.args]\n"texts.*" = { matches = "[^!]{0,800}forbidden" }\n`,
);
/** From each match on it reads to the end in vain. */
const patterned = serving(
  'answers',
  `sharing = "all"\n${rawEnv}${rule('allow', ['echo'])}[[redact]]\nname = "all"\npatterns = ["(?:a[^!]*!)|a"]\ndirection = "both"\n`,
);

/** Asks from a thread of its own, again and again, whether mcpd is alive, and remembers the longest silence. */
class Watch {
  readonly #worker: Worker;

  constructor(url: string) {
    this.#worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       let worst = 0, count = 0, failures = 0, on = true;
       parentPort.once('message', () => { on = false; });
       (async () => {
         while (on) {
           const at = performance.now();
           await fetch(workerData).then((it) => it.text()).catch(() => failures++);
           worst = Math.max(worst, performance.now() - at); count++;
         }
         parentPort.postMessage({ worst, count, failures });
       })();`,
      { eval: true, workerData: url },
    );
  }

  async end(): Promise<Looks> {
    const told = new Promise<Looks>((resolve) => this.#worker.once('message', resolve));
    this.#worker.postMessage('end');
    const seen = await told;
    await this.#worker.terminate();
    return seen;
  }
}

/** It was answered, or refused in words: never a broken connection, never an error that nobody foresaw. */
function explicit(name: string, { status, body }: Rpc): void {
  assert.ok(status === 200 || status === 413 || status === 503, `${name}: ${status}`);
  assert.ok(body.result !== undefined || body.error !== undefined, name);
  assert.doesNotMatch(body.error?.message ?? '', /mistake/, name);
}

const waitMaxMs = 250;

/** Whether others noticed, and how much, in ms. */
function beside(daemon: TestDaemon, again: Again, work: () => Promise<void>): Promise<number> {
  return undisturbed(again, async () => {
    const watch = new Watch(`${daemon.url}/healthz`);
    await work();
    const { worst, count, failures } = await watch.end();
    assert.ok(count > 0 && failures === 0, `${failures} of ${count} looks failed`);
    return worst;
  });
}

/** What is held against the criterion in the whole run alone: how long others waited, and what the loop did in one go. */
function stalled(waitedMs: number, again: Again, { seen }: Watched): void {
  figure('C-22', againSays, again.times);
  figure('C-22', 'event loop late max ms', seen.lateMs);
  figure('C-22', 'of it own work max ms', seen.ownMs);
  if (!isWhole) return;
  assert.ok(waitedMs <= waitMaxMs, `others waited ${waitedMs} ms`);
  assert.ok(seen.ownMs <= waitMaxMs, `the loop worked ${seen.ownMs} ms in one go`);
}

describe('C-22 large messages', () => {
  it(
    'C-22 patterns, detectors and conditions on the largest message: an answer or a reason, and nobody else waits for it',
    { timeout: 600_000 },
    async (t) => {
      await using watched = await Watched.start({ servers: { open, staff, guarded }, unprobed: true });
      const { daemon } = watched;
      const [free, judged] = [await daemon.session('open'), await daemon.session('guarded')];
      const sought = await daemon.session('staff');
      let worst = 0;
      const again: Again = { times: 0 };
      const made = { detectors: new Set<string>(), patterns: new Set<string>() };
      for (const [name, text] of Object.entries(texts).slice(isWhole ? 0 : -2)) {
        const waited = await beside(daemon, again, async () => {
          const [large, unread, read, denied, small] = await Promise.all([
            free.call('echo', { text }),
            sought.call('echo', { text }),
            sought.call('echo', { text: text.slice(0, readable) }),
            judged.call('echo', { text: `${text}forbidden` }),
            free.call('list_dir'),
          ]);
          for (const reply of [large, unread, read, denied]) explicit(name, reply);
          assert.equal(went(denied), false, `${name}: too long to be read, and so not denied`);
          assert.equal(went(small), true, `${name}: a small call of somebody else`);
          if (went(large)) made.detectors.add(name);
          if (went(read)) made.patterns.add(name);
          const told = [large, unread, read].map((it) => (went(it) ? 'made' : textOf(it).slice(0, 80)));
          t.diagnostic(`${name}: ${told.join('; ')}`);
        });
        worst = Math.max(worst, waited);
        t.diagnostic(`${name}: others waited ${Math.round(waited)} ms at most`);
      }
      const counts = [made.detectors.size, made.patterns.size];
      assert.ok(Math.min(...counts) > 0, `all were turned away: ${counts.join(', ')}`);
      figure('C-22', 'large messages made, looked through by detectors and by patterns', counts.join(', '));
      assert.ok(!daemon.raw().includes('forbidden'), 'a denied text went out');
      figure('C-22', 'the longest that others waited, ms', Math.round(worst));
      assert.equal(await watched.end(), 0);
      stalled(worst, again, watched);
      await verified(daemon, 'after large messages');
    },
  );

  it(
    'C-22 a condition or a pattern that takes too long is a refusal: no leave, no way past a denial, and nothing goes out',
    { timeout: 600_000 },
    async (t) => {
      await using watched = await Watched.start({ servers: { costly, patterned }, unprobed: true });
      const { daemon } = watched;
      const [judged, redacted] = [await daemon.session('costly'), await daemon.session('patterned')];
      const piece = 32 * 1024;
      const long = 'a'.repeat(size - 64);
      const many = Array.from({ length: Math.floor(long.length / piece) }, () => 'a'.repeat(piece - 16));
      // Both would fit, were there time to look.
      const cases = [
        ['leave', judged, 'echo', { text: long }, { text: 'aaa' }],
        ['denial', judged, 'list_dir', { texts: many }, { texts: ['aaa', 'aaa'] }],
        ['pattern', redacted, 'echo', { text: long.slice(0, readable) }, { text: 'bbb' }],
      ] as const;
      let worst = 0;
      const again: Again = { times: 0 };
      for (const [name, session, tool, large, small] of cases) {
        assert.equal(went(await session.call(tool, small)), true, `${name}: what is soon looked at`);
        const before = daemon.raw().length;
        const waited = await beside(daemon, again, async () => {
          const reply = await session.call(tool, large);
          explicit(name, reply);
          assert.equal(went(reply), false, `${name}: what would take too long went out`);
          t.diagnostic(`${name}: ${textOf(reply)}`);
        });
        assert.doesNotMatch(daemon.raw().slice(before), /tools\/call/, name);
        figure('C-22', `too long for a ${name}: others waited, ms`, Math.round(waited));
        worst = Math.max(worst, waited);
      }
      assert.equal(await watched.end(), 0);
      stalled(worst, again, watched);
      await verified(daemon, 'after what took too long');
    },
  );
});
