import { join, resolve } from 'node:path';
import { printComplaint } from '../config/complaint.ts';
import { decode, readPolicies } from '../config/read.ts';
import { stateDirFrom, type Environment } from '../config/state-dir.ts';
import { readToml } from '../config/toml.ts';
import { Fault } from '../domain/faults.ts';
import { readOurs } from '../files/ours.ts';

/** Where the policy files are: the flag, else MCPD_POLICIES, else ./policies. Absolute. */
export function policiesDir(flag: string | undefined, env: Environment): string {
  const told = flag ?? env['MCPD_POLICIES'];
  return resolve(told === undefined || told === '' ? 'policies' : told);
}

/**
 * Where the daemon with these policies keeps its state. Reads mcpd.toml only as far as needed, so that a mistake in some
 * server's file does not keep the operator from the kill switch. Throws `CONFIG_INVALID` when it cannot be known.
 */
export function stateDir(policies: string, env: Environment): string {
  if (env['MCPD_STATE_DIR'] !== undefined && env['MCPD_STATE_DIR'] !== '')
    return stateDirFrom(env, undefined);
  const read = readPolicies(policies).files.find(({ server }) => server === undefined);
  if (read === undefined) {
    // Only where no folder was named: a misspelt --policies would else lock down, or make a key for, another daemon.
    if (policies === resolve('policies')) return stateDirFrom(env, undefined);
    throw new Fault('CONFIG_INVALID', {
      detail: `there is no mcpd.toml that can be read in ${policies}: so where the state lives cannot be known`,
      hint: `name the folder of the daemon that is meant; or say where its state is, most likely: export MCPD_STATE_DIR=${stateDirFrom(env, undefined)}`,
    });
  }
  const text = decode(read);
  const parsed = typeof text === 'string' ? readToml(text) : undefined;
  if (parsed?.ok !== true) {
    const slip = typeof text !== 'string' ? text : parsed?.slips[0];
    const where =
      slip === undefined ? read.file : printComplaint({ severity: 'error', file: read.file, ...slip });
    // Guessing could lock down another daemon than the one that was meant.
    throw new Fault('CONFIG_INVALID', {
      detail: `${where}: so where the state lives cannot be known`,
      hint: `mend the file; or say where, most likely: export MCPD_STATE_DIR=${stateDirFrom(env, undefined)}`,
    });
  }
  const dir = dirIn(parsed.document.value);
  return stateDirFrom(env, dir === undefined ? undefined : resolve(policies, dir));
}

function dirIn(document: unknown): string | undefined {
  const state = memberOf(document, 'state');
  const dir = memberOf(state, 'dir');
  return typeof dir === 'string' ? dir : undefined;
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

const tokenBytesMax = 1024;

/**
 * A person's operator token: in the file that is named, else in MCPD_OPERATOR_TOKEN; undefined where there is neither, and then
 * the token of this start is tried. Never from the command line, which every user of the machine can read. Throws
 * `CONFIG_INVALID` for a file that others can open.
 */
export function operatorToken(env: Environment, file: string | undefined): string | undefined {
  if (file === undefined) {
    const token = env['MCPD_OPERATOR_TOKEN']?.trim();
    return token === '' ? undefined : token;
  }
  const token = readOurs(resolve(file), { bytesMax: tokenBytesMax, closed: 'to everybody' });
  if (token === undefined || token.toString('utf8').trim() === '')
    throw new Fault('CONFIG_INVALID', {
      detail: `there is no operator token in ${file}`,
      hint: 'put the token there that mcpd operator add showed, and chmod 600 it',
    });
  return token.toString('utf8').trim();
}

/** The control socket of a state directory; `openStateDir` says the same, but would make the directory. */
export function controlSocketIn(dir: string): string {
  return join(dir, 'control', 'mcpd.sock');
}

/** The journal of a state directory. */
export function auditDirIn(dir: string): string {
  return join(dir, 'audit');
}
