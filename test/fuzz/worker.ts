/** One target in a thread of its own, so that an input that never ends can be told and stopped from outside. */
import { parentPort, workerData } from 'node:worker_threads';
import { fuzz, type Bounds } from './engine.ts';
import { targetNamed } from './targets.ts';

export type WorkerData = {
  readonly name: string;
  readonly bounds: Bounds;
  readonly shared: SharedArrayBuffer;
};

const { name, bounds, shared } = workerData as WorkerData;
const counter = new Int32Array(shared, 0, 2);
const latest = Buffer.from(shared, 8);

const report = await fuzz(targetNamed(name), bounds, (input) => {
  // The bytes before the count: whoever sees the count stand still finds the input that it stands at.
  input.copy(latest);
  Atomics.store(counter, 1, Math.min(input.length, latest.length));
  Atomics.add(counter, 0, 1);
});
parentPort?.postMessage(report);
