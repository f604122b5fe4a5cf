import { readFileSync } from 'node:fs';
import type { Resources } from '../domain/wall.ts';
import type { Host } from './host.ts';

/** What a program may reserve and not use. */
const reservedBytes = 4 * 2 ** 30;

/**
 * A program with the limits that the kernel keeps. Memory and the count of processes are also watched by the daemon
 * (`fleet/appetite.ts`): the kernel counts the one for each process, and the other not at all for root.
 */
export function limited(
  host: Host,
  resources: Resources,
  countsProcesses: boolean,
  program: readonly string[],
): readonly string[] {
  const { prlimit } = host;
  if (prlimit === undefined) return program;
  const { memoryBytesMax, openFilesMax, processesMax, cpuMsMax } = resources;
  const seconds = Math.ceil(cpuMsMax / 1000);
  const ours = hardLimits();
  const within = (name: string, wanted: number) => Math.min(wanted, ours.get(name) ?? wanted);
  return [
    prlimit,
    '--core=0',
    `--nofile=${within('Max open files', openFilesMax)}`,
    // For a sprint between two looks of the daemon's. It counts what may be written to, used or not, of which V8 and others
    // reserve hundreds of megabytes at their start; address space as such they reserve by the terabyte.
    `--data=${within('Max data size', memoryBytesMax * 2 + reservedBytes)}`,
    // First SIGXCPU, which a program may hear; SIGKILL follows.
    `--cpu=${within('Max cpu time', seconds)}:${within('Max cpu time', seconds + 5)}`,
    ...(countsProcesses ? [`--nproc=${within('Max processes', processesMax)}`] : []),
    '--',
    ...program,
  ];
}

/**
 * What this process may have at most, by the names of proc(5), /proc/PID/limits. Nobody without CAP_SYS_RESOURCE may give a
 * child more (setrlimit(2), EPERM), and prlimit would then start nothing at all. Empty where there is no such file.
 */
function hardLimits(): ReadonlyMap<string, number> {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return new Map();
  }
  const rows = text.matchAll(/^(Max [a-z ]+?) {2,}\S+ +(\d+) /gm);
  return new Map([...rows].map(([, name = '', hard]) => [name, Number(hard)]));
}
