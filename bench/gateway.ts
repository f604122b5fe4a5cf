import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Endpoint } from './http-caller.ts';
import { type ProcessId, runs, treeOf } from './process-tree.ts';

/** How to run a gateway, and how to see that it answers. */
export type Recipe = {
  /** Arguments of the Node that runs the benchmark. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
  readonly endpoint: Endpoint;
  /** A path that answers 200 when the gateway is ready; without one, an open port has to do. */
  readonly readyPath?: string;
};

/** A gateway that runs. */
export type Gateway = {
  readonly pid: number;
  readonly endpoint: Endpoint;
  readonly stop: () => Promise<void>;
};

const running = new Set<() => Promise<void>>();
const readyWithinMs = 30_000;
const stopWithinMs = 5_000;
const askEveryMs = 50;

/** The environment of everything the benchmark runs: nothing of it can tilt one target. */
export function plainEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), NODE_ENV: 'production' };
}

/** Starts a gateway and waits until it is ready, 30 s at most. Rejects with the end of its log when it is not. */
export async function startGateway(recipe: Recipe): Promise<Gateway> {
  const log = openSync(recipe.logFile, 'w', 0o600);
  // Nobody reads the log, so that writing it costs a gateway no more than a file does.
  const child = spawn(process.execPath, recipe.args, {
    cwd: recipe.cwd,
    env: { ...plainEnvironment(), ...recipe.env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const died = new Promise<string>((resolve) => {
    child.once('error', (reason) => resolve(reason.message));
    child.once('exit', (code, signal) => resolve(`exit ${String(code ?? signal)}`));
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`not started: ${await died}`);
  const stop = async (): Promise<void> => {
    const tree = treeOf(pid);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await Promise.race([died, pause(stopWithinMs, undefined, { ref: false })]);
    await endLeftovers(tree);
    running.delete(stop);
  };
  running.add(stop);

  const outcome = await Promise.race([died, ready(recipe, () => child.exitCode !== null)]);
  if (outcome === 'ready') return { pid, endpoint: recipe.endpoint, stop };
  await stop();
  const said = readFileSync(recipe.logFile, 'utf8').trim().split('\n').slice(-5).join(' / ').slice(-600);
  throw new Error(`${outcome}${said === '' ? '' : `: ${said}`}`);
}

/** Has a gateway that other code started stopped with the rest. */
export function adopt(gateway: Gateway): Gateway {
  const stop = async (): Promise<void> => {
    await gateway.stop();
    // Stopped twice, it would look for its processes by a number that may be another's by then.
    running.delete(stop);
  };
  running.add(stop);
  return { ...gateway, stop };
}

/** Stops every gateway that still runs, so that an interrupted run leaves none behind. */
export async function stopGateways(): Promise<void> {
  await Promise.all([...running].map((stop) => stop()));
}

/** A port on loopback that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('no port')),
      );
    });
  });
}

async function ready({ endpoint, readyPath }: Recipe, over: () => boolean): Promise<string> {
  const url = new URL(endpoint.url);
  const end = performance.now() + readyWithinMs;
  while (performance.now() < end && !over()) {
    if (readyPath === undefined ? await listens(Number(url.port)) : await answers(new URL(readyPath, url)))
      return 'ready';
    await pause(askEveryMs);
  }
  return 'not ready within 30 s';
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

async function answers(url: URL): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false; // Not yet.
  }
}

/** Some gateways leave children behind. Only processes of the tree that we started are ended, and never a reused number. */
async function endLeftovers(tree: readonly ProcessId[]): Promise<void> {
  for (const patience of [20, 0]) {
    for (let tries = 0; tries < patience && tree.some(runs); tries += 1) await pause(askEveryMs);
    for (const { pid } of tree.filter(runs)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself in between.
      }
    }
  }
}
