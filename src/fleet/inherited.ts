import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** O_CLOEXEC, as Linux writes it into fdinfo: in octal. */
const closedOnExec = 0o2000000;

/**
 * Closes what the process was given by whoever started it and would pass on to every child: a descriptor of a shell or of a
 * process manager may be a way into another program. To be called before anything else is opened. Gives what it closed.
 * Linux only; elsewhere, and up to descriptor 15 everywhere, node sees to it.
 */
export function closeInherited(proc = '/proc/self'): readonly number[] {
  // A process manager hears through it that we are ready; Node does not pass it on.
  const channel = channelFd();
  return descriptors(proc).filter((fd) => fd > 2 && fd !== channel && isPassedOn(proc, fd) && close(fd));
}

function channelFd(): number | undefined {
  // Node takes the variable away when it opens the channel, so it is asked of the channel itself.
  const { channel } = process as { channel?: { fd?: number } };
  return channel?.fd;
}

function descriptors(proc: string): readonly number[] {
  try {
    return readdirSync(`${proc}/fd`).map(Number);
  } catch {
    // No /proc: not Linux.
    return [];
  }
}

function isPassedOn(proc: string, fd: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`${proc}/fdinfo/${fd}`, 'latin1'))?.[1];
    return flags !== undefined && (parseInt(flags, 8) & closedOnExec) === 0;
  } catch {
    // Closed already: the one by which the list was read.
    return false;
  }
}

function close(fd: number): boolean {
  try {
    closeSync(fd);
    return true;
  } catch {
    return false;
  }
}
