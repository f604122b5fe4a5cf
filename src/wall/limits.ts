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
  return [
    prlimit,
    '--core=0',
    `--nofile=${openFilesMax}`,
    // For a sprint between two looks of the daemon's. It counts what may be written to, used or not, of which V8 and others
    // reserve hundreds of megabytes at their start; address space as such they reserve by the terabyte.
    `--data=${memoryBytesMax * 2 + reservedBytes}`,
    // First SIGXCPU, which a program may hear; SIGKILL follows.
    `--cpu=${seconds}:${seconds + 5}`,
    ...(countsProcesses ? [`--nproc=${processesMax}`] : []),
    '--',
    ...program,
  ];
}
