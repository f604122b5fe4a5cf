import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { shellWord } from '../files/ours.ts';
import { strangersAt } from './trust.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where everything lives that outlives the daemon. All absolute; every folder exists and is its owner's alone. */
export type StateDir = {
  readonly dir: string;
  /** Hashes of the callers' keys. */
  readonly keysFile: string;
  /** Names, never values, of the secrets put into the keychain. */
  readonly secretNamesFile: string;
  /** What the fleet has running, for the sweep after a crash. */
  readonly childrenFile: string;
  readonly auditDir: string;
  readonly logDir: string;
  readonly controlDir: string;
  readonly controlSocket: string;
  /** Where the front listens for `mcpd connect`. Shorter than the control socket's path, whose length is checked. */
  readonly frontSocket: string;
};

/** The kernel's limit for the path of a Unix socket, less the closing NUL: 104 on macOS, 108 on Linux. */
const socketPathBytesMax = 103;

/**
 * Where the state should live: MCPD_STATE_DIR, else what mcpd.toml says, else $XDG_STATE_HOME/mcpd, else
 * ~/.local/state/mcpd. Throws `CONFIG_INVALID`. Touches nothing.
 */
export function stateDirFrom(env: Environment, fromFile: string | undefined): string {
  const told = env['MCPD_STATE_DIR'];
  if (told !== undefined && told !== '') {
    // Counted from wherever each command was started, a relative path would give the daemon and its operator two folders.
    if (!isAbsolute(told))
      throw invalid('MCPD_STATE_DIR is not an absolute path', 'give MCPD_STATE_DIR an absolute path');
    return told;
  }
  if (fromFile !== undefined) return fromFile;
  const xdg = env['XDG_STATE_HOME'];
  // The XDG base directory specification: a relative path counts as not set.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'mcpd');
  const home = env['HOME'];
  if (home !== undefined && isAbsolute(home)) return join(home, '.local', 'state', 'mcpd');
  throw invalid(
    'there is no home folder to keep state in',
    'set MCPD_STATE_DIR, or dir under [state] in mcpd.toml',
  );
}

/** Makes the folders where they are missing and checks that nobody else can write to them. Throws `CONFIG_INVALID`. */
export function openStateDir(dir: string): StateDir {
  const inside = (name: string) => join(dir, name);
  const state: StateDir = {
    dir,
    keysFile: inside('keys.json'),
    secretNamesFile: inside('secret-names'),
    childrenFile: inside('children'),
    auditDir: inside('audit'),
    logDir: inside('log'),
    controlDir: inside('control'),
    controlSocket: join(inside('control'), 'mcpd.sock'),
    frontSocket: inside('front.sock'),
  };
  if (Buffer.byteLength(state.controlSocket) > socketPathBytesMax) {
    throw invalid(
      `${state.controlSocket} is too long for a socket`,
      'choose a shorter folder: set MCPD_STATE_DIR',
    );
  }
  claim(dir);
  refuseStrangers(dir);
  for (const folder of [state.auditDir, state.logDir, state.controlDir]) {
    claim(folder);
    // Ours by name, so whatever mode they had is tightened: journal, log and control socket are nobody else's business.
    chmodSync(folder, 0o700);
  }
  return state;
}

function claim(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    throw new Fault('CONFIG_INVALID', {
      detail: `${folder} cannot be made (${code ?? 'unknown error'})`,
      hint: 'make the folder, or choose another: set MCPD_STATE_DIR',
      cause: reason,
    });
  }
  // lstat: behind a symbolic link, somebody else may choose where keys and journal are written.
  const stat = lstatSync(folder);
  const me = process.getuid?.();
  if (!stat.isDirectory())
    throw invalid(`${folder} is not a folder of its own`, `remove it, or set MCPD_STATE_DIR`);
  if (me !== undefined && stat.uid !== me) {
    throw invalid(
      `${folder} belongs to another user (${String(stat.uid)})`,
      `chown ${String(me)} ${shellWord(folder)}; or run mcpd as that user`,
    );
  }
  if ((stat.mode & 0o022) !== 0)
    throw invalid(`others may write to ${folder}`, `chmod 700 ${shellWord(folder)}`);
}

/** Whoever may write to a folder above could put an older state in the place of ours, with other switches. */
function refuseStrangers(dir: string): void {
  const found = strangersAt(dir).find(({ who }) => who !== 'group');
  if (found === undefined) return;
  const [mend = ''] = found.mend.split(', ');
  const whose = found.who === 'owner' ? 'lies in a folder of another user' : 'lies where anyone may write';
  throw invalid(`${dir} ${whose}`, `${mend}; or choose another folder: set MCPD_STATE_DIR`);
}

function invalid(detail: string, hint: string): Fault {
  return new Fault('CONFIG_INVALID', { detail, hint });
}
