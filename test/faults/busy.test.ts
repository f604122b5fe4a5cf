/**
 * Work that grows with a message: patterns of the owner's, detectors, conditions, on the largest message that is let in. Every
 * call ends with an answer or a reason, a denial is not dodged by being too long to read, and others are served meanwhile.
 *
 * How long others waited is a figure, and no assertion: a test that fails on a busy machine proves nothing.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { rawEnv, rule, serving, TestDaemon, type Rpc } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { went } from './support/history.ts';
import { verified } from './support/verified.ts';

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
const open = serving('answers', `sharing = "all"\n${rule('allow', ['echo', 'list_dir'])}${redacting}`);
const guarded = serving(
  'answers',
  `sharing = "all"\n${rawEnv}${rule('allow', ['echo'])}` +
    `[[rule]]\nname = "no such text"\nverdict = "deny"\ntools = ["echo"]\n[rule.args]\n"text" = { matches = "[^!]*forbidden" }\n`,
);

/** Asks from a thread of its own, again and again, whether mcpd is alive, and remembers the longest silence. */
class Watch {
  readonly #worker: Worker;

  constructor(url: string) {
    this.#worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       let worst = 0, count = 0, on = true;
       parentPort.once('message', () => { on = false; });
       (async () => {
         while (on) {
           const at = performance.now();
           await fetch(workerData).then((it) => it.text()).catch(() => undefined);
           worst = Math.max(worst, performance.now() - at); count++;
         }
         parentPort.postMessage({ worst, count });
       })();`,
      { eval: true, workerData: url },
    );
  }

  async end(): Promise<{ readonly worst: number; readonly count: number }> {
    const told = new Promise<{ worst: number; count: number }>((resolve) =>
      this.#worker.once('message', resolve),
    );
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

describe('C-22 large messages', () => {
  it(
    'C-22 patterns, detectors and conditions on the largest message: an answer or a reason, and nobody else waits for it',
    { timeout: 600_000 },
    async (t) => {
      await using daemon = await TestDaemon.start({ servers: { open, guarded }, canaries: false });
      const [free, judged] = [await daemon.session('open'), await daemon.session('guarded')];
      let worst = 0;
      for (const [name, text] of Object.entries(texts).slice(isWhole ? 0 : -2)) {
        const watch = new Watch(`${daemon.url}/healthz`);
        const [large, denied, small] = await Promise.all([
          free.call('echo', { text }),
          judged.call('echo', { text: `${text}forbidden` }),
          free.call('list_dir'),
        ]);
        const seen = await watch.end();
        explicit(name, large);
        explicit(name, denied);
        assert.equal(went(denied), false, `${name}: too long to be read, and so not denied`);
        assert.equal(went(small), true, `${name}: a small call of somebody else`);
        assert.ok(seen.count > 0);
        worst = Math.max(worst, seen.worst);
        t.diagnostic(
          `${name}: ${went(large) ? 'made' : 'refused'}; others waited ${Math.round(seen.worst)} ms at most`,
        );
      }
      assert.ok(!daemon.raw().includes('forbidden'), 'a denied text went out');
      figure('C-22', 'the longest that others waited, ms', Math.round(worst));
      assert.equal(await daemon.end(), 0);
      await verified(daemon, 'after large messages');
    },
  );
});
