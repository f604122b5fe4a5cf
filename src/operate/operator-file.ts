import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import {
  isGood,
  isOperatorName,
  makeOperator,
  personWith,
  readOperators,
  writeOperators,
  type OperatorRecord,
} from './operator-records.ts';
import type { Person, Role } from './operators.ts';
import { readState, writeState } from './state-file.ts';

/** In the state directory. */
export const operatorsFileName = 'operators.json';

export type Revoked = 'revoked' | 'already' | 'unknown';

/** All persons with a token, oldest first, revoked ones too. No file: nobody. Throws `CONFIG_INVALID`. */
export function listOperators(stateDir: string): readonly OperatorRecord[] {
  const path = join(stateDir, operatorsFileName);
  const bytes = readState(path);
  return bytes === undefined ? [] : readOperators(bytes, path);
}

/**
 * Whose token this is. Reads the file each time: commands are few, and a token that was revoked must not open anything until
 * somebody has told the daemon. Throws `CONFIG_INVALID`, and then no person is let in.
 */
export function personOf(stateDir: string, token: string, nowMs: number): Person | undefined {
  return personWith(listOperators(stateDir), token, nowMs);
}

/**
 * Makes a token for a person. Whoever calls this keeps others from changing the file meanwhile; `mustHold` throws where they
 * could not. Throws `CONFIG_INVALID`.
 */
export function addOperator(
  stateDir: string,
  wanted: { readonly name: string; readonly role: Role; readonly expiresAtMs: number | undefined },
  nowMs: number,
  mustHold: () => void,
): { readonly token: string; readonly record: OperatorRecord } {
  const { name } = wanted;
  if (!isOperatorName(name))
    throw new Fault('CONFIG_INVALID', {
      detail: 'that is not a name for an operator',
      hint: 'use 1 to 64 of a-z, 0-9 and . _ @ -, beginning with a letter or a digit',
    });
  const records = listOperators(stateDir);
  if (records.some((it) => it.name === name && isGood(it, nowMs)))
    throw new Fault('CONFIG_INVALID', {
      detail: `${name} has a token already`,
      hint: `take it away first: mcpd operator revoke ${name}`,
    });
  const made = makeOperator(records, wanted, nowMs);
  mustHold();
  save(stateDir, [...records, made.record]);
  return made;
}

/** Takes a person's token away, by name or id. The same care and the same fault as `addOperator`. */
export function revokeOperator(
  stateDir: string,
  nameOrId: string,
  nowMs: number,
  mustHold: () => void,
): Revoked {
  const records = listOperators(stateDir);
  const named = records.filter(({ name }) => name === nameOrId);
  const meant = named.length > 0 ? named : records.filter(({ id }) => id === nameOrId);
  const open = meant.filter(({ revokedAt }) => revokedAt === undefined);
  if (meant.length === 0) return 'unknown';
  const revokedAt = new Date(nowMs).toISOString();
  mustHold();
  save(
    stateDir,
    records.map((it) => (open.includes(it) ? { ...it, revokedAt } : it)),
  );
  // Written also where it was so already: the first time may have ended before it was on the disk for sure.
  return open.length === 0 ? 'already' : 'revoked';
}

function save(stateDir: string, records: readonly OperatorRecord[]): void {
  const path = join(stateDir, operatorsFileName);
  try {
    writeState(path, writeOperators(records));
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', {
      detail: `cannot write ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: 'see that the state directory belongs to you and has room',
      cause,
    });
  }
}
