import { Worker } from 'node:worker_threads';
import type { Bounds, Report } from './engine.ts';
import type { WorkerData } from './worker.ts';

const bytesKept = 1024 * 1024;
/** No input of these sizes takes nearly as long, on a busy machine either. */
const hangsAfterMs = 20_000;
const memoryMb = 1024;

/** Runs one target in a thread, and ends it when an input takes for ever or all memory: both are failures with that input. */
export function watched(name: string, bounds: Bounds): Promise<Report> {
  const shared = new SharedArrayBuffer(8 + bytesKept);
  const counter = new Int32Array(shared, 0, 2);
  const data: WorkerData = { name, bounds, shared };
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
  });
  const failed = (says: string): Report => ({
    target: name,
    seed: bounds.seed,
    runs: Atomics.load(counter, 0),
    inputs: 0,
    blocks: 0,
    failure: { input: Buffer.from(Buffer.from(shared, 8, Atomics.load(counter, 1))), says },
  });
  return new Promise((resolve) => {
    let before = -1;
    const look = setInterval(() => {
      const now = Atomics.load(counter, 0);
      if (now === before && now > 0) end(failed(`it has not come to an end after ${hangsAfterMs / 1000} s`));
      before = now;
    }, hangsAfterMs);
    const end = (report: Report): void => {
      clearInterval(look);
      worker.removeAllListeners();
      // Whatever ends it from here on is our doing.
      worker.on('error', () => undefined);
      void worker.terminate().then(() => resolve(report));
    };
    worker.on('message', (report: Report) => {
      const { failure } = report;
      end(
        failure === undefined
          ? report
          : { ...report, failure: { ...failure, input: Buffer.from(failure.input) } },
      );
    });
    worker.on('error', (reason) => end(failed(String(reason))));
    worker.on('exit', (code) => end(failed(`the thread ended with ${code}`)));
  });
}
