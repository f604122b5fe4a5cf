/**
 * Asks `/healthz` without a pause longer than a moment, in a thread of its own: what is measured is the daemon's delay and
 * not that of a busy test. Told `stop`, it says what it saw.
 */
import { Agent, get } from 'node:http';
import { parentPort, Worker, workerData } from 'node:worker_threads';

export type Probed = { readonly answers: number; readonly failures: number; readonly worstMs: number };

const everyMs = 50;
const withinMs = 10_000;

/** Starts a thread that probes a daemon; what it gives ends it. */
export function probe(url: string): () => Promise<Probed> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { probe: url }, env: {} });
  return () =>
    new Promise((resolve, reject) => {
      worker.once('message', (probed: Probed) => {
        worker.terminate().then(() => resolve(probed), reject);
      });
      worker.once('error', reject);
      worker.postMessage('stop');
    });
}

const { probe: url } = (workerData ?? {}) as { probe?: string };
if (url !== undefined && parentPort !== null) run(url, parentPort);

function run(at: string, told: NonNullable<typeof parentPort>): void {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const probed = { answers: 0, failures: 0, worstMs: 0 };
  let asked: number | undefined;
  const look = (): void => {
    const from = (asked = performance.now());
    const fail = (): void => void probed.failures++;
    get(`${at}/healthz`, { agent, timeout: withinMs }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) probed.answers++;
        else fail();
        probed.worstMs = Math.max(probed.worstMs, Math.round(performance.now() - from));
      });
    })
      .on('timeout', function (this: { destroy: () => void }) {
        this.destroy();
      })
      .on('error', fail)
      .on('close', () => {
        asked = undefined;
        setTimeout(look, everyMs);
      });
  };
  told.once('message', () => {
    // Whoever asks while nobody answers is not to hear of the answers before.
    const waitedMs = asked === undefined ? 0 : Math.round(performance.now() - asked);
    told.postMessage({ ...probed, worstMs: Math.max(probed.worstMs, waitedMs) });
  });
  look();
}
