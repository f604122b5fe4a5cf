/**
 * Loaded into a daemon that is being watched (`node --import`): twice a second it writes down how late the event loop was,
 * how much memory is held and what keeps the process alive. Nothing of mcpd is touched.
 */
import { appendFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export type Pulse = {
  /** Milliseconds since the process began. */
  readonly at: number;
  /** How much later than it was due a timer was called, at worst, since the last line. */
  readonly lateMs: number;
  /** The part of that which the thread spent computing; the rest was spent waiting for a processor or for the kernel. */
  readonly ownMs: number;
  readonly rssMiB: number;
  /** After a collection, where one was asked for just before; else what was in use. */
  readonly heapMiB: number;
  readonly collected: boolean;
  /** Timers, sockets, pipes, …: what the event loop waits for, by kind. */
  readonly handles: Readonly<Record<string, number>>;
};

const file = process.env['MCPD_TEST_PULSE'];
/** 0: never collects. */
const collectEveryMs = Number(process.env['MCPD_TEST_COLLECT_MS'] ?? 0);
const lookEveryMs = 10;
const writeEveryMs = 500;

if (file !== undefined) watch(file);

function watch(into: string): void {
  let [before, cpu] = [performance.now(), process.threadCpuUsage()];
  let [late, own] = [0, 0];
  const again = (): void => {
    [before, cpu] = [performance.now(), process.threadCpuUsage()];
  };
  setInterval(() => {
    const over = performance.now() - before - lookEveryMs;
    const spent = process.threadCpuUsage(cpu);
    late = Math.max(late, over);
    own = Math.max(own, Math.min(over, (spent.user + spent.system) / 1000));
    again();
  }, lookEveryMs).unref();

  const collect = collectEveryMs > 0 ? collector() : undefined;
  let collectedAt = performance.now();
  setInterval(() => {
    const due = collect !== undefined && performance.now() - collectedAt >= collectEveryMs;
    if (due) {
      collect();
      collectedAt = performance.now();
    }
    const { rss, heapUsed } = process.memoryUsage();
    const handles: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1;
    const pulse: Pulse = {
      at: Math.round(performance.now()),
      lateMs: Math.max(0, Math.round(late)),
      ownMs: Math.max(0, Math.round(own)),
      rssMiB: mebi(rss),
      heapMiB: mebi(heapUsed),
      collected: due,
      handles,
    };
    appendFileSync(into, `${JSON.stringify(pulse)}\n`, { mode: 0o600 });
    [late, own] = [0, 0];
    // What the look itself took is not the daemon's.
    again();
  }, writeEveryMs).unref();
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

function mebi(bytes: number): number {
  return Math.round((bytes / 1024 / 1024) * 100) / 100;
}
