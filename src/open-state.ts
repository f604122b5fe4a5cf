import { createHash } from 'node:crypto';
import { lstatSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './domain/faults.ts';
import { Database } from './files/database.ts';
import { sealPart } from './files/kept.ts';
import { shellWord } from './files/ours.ts';
import { changeGrants, grantLines } from './operate/grant-rows.ts';
import { readGrants } from './operate/grant-text.ts';
import { readState, writeState } from './operate/state-file.ts';
import { changeSwitches, switchLines } from './operate/switch-rows.ts';
import { readSwitches } from './operate/switch-text.ts';
import { nothingSwitchedOff } from './operate/switches.ts';
import { lockBytesMax, readLock } from './pins/lock.ts';
import { changePins, pinLines } from './pins/pin-rows.ts';
import { stateApplicationId, statePagesMax, stateSteps } from './state-steps.ts';

const fileName = 'state.db';
/** Says that `state.db` has existed here, so that its absence means loss and not a first start. */
const markName = 'state-was-kept';
/** The same of an older mcpd. It stays, so that one which knows no `state.db` refuses to start with nothing switched off. */
const oldMarkName = 'switches-were-kept';
/** In the order in which they are put aside: an older mcpd refuses from the first one on. */
const oldNames = ['switches.json', 'grants.json', 'pins.json'] as const;
const takesName = 'takes';

/** What outlives mcpd, in one file. */
export type State = {
  /** A change is on the disk when it returns. */
  readonly database: Database;
  /** The same file, for what a power cut may take away: nobody waits for the disk. */
  readonly quick: Database;
  /** To be told once the file of what limits have counted is there: from then on its absence is loss. */
  readonly takesAreKept: () => void;
  readonly close: () => void;
};

type Old = { readonly name: (typeof oldNames)[number]; readonly bytes: Buffer; readonly digest: string };

/**
 * Opens `state.db` in the state directory; makes it at the first start, from the files of an older mcpd where there are any.
 * Throws `CONFIG_INVALID` for one that is gone, damaged, somebody else's or from a newer mcpd: to start with an empty one
 * would undo every switch in silence; and `AUDIT_UNAVAILABLE` where the disk is full or fails. Whoever calls this is the one daemon of the directory.
 */
export function openState(dir: string): State {
  const path = join(dir, fileName);
  const old = oldNames.flatMap((name) => oldAt(dir, name));
  const place = { path, applicationId: stateApplicationId, steps: stateSteps, pagesMax: statePagesMax };
  const mayBeNew = !isThere(dir, markName);
  const begin = (database: Database) => {
    mustNotBeLost(dir, old);
    takeOver(database, dir, old);
  };
  const database = Database.open({ ...place, sync: 'full', mayBeNew, begin });
  try {
    refuseLaterFiles(database, dir, old);
    refuseLostTakes(database, dir);
    putAside(dir, old);
    const quick = Database.open({ ...place, sync: 'off', mayBeNew: false });
    return {
      database,
      quick,
      takesAreKept: () => {
        if (!takesWereKept(database)) database.transaction(() => noteTakes(database));
      },
      close: () => {
        quick.close();
        database.close();
      },
    };
  } catch (reason) {
    database.close();
    throw reason;
  }
}

function oldAt(dir: string, name: Old['name']): readonly Old[] {
  const bytes = readState(join(dir, name), lockBytesMax);
  return bytes === undefined
    ? []
    : [{ name, bytes, digest: createHash('sha256').update(bytes).digest('hex') }];
}

/** An older mcpd was here, and what it switched off is gone. */
function mustNotBeLost(dir: string, old: readonly Old[]): void {
  if (!isThere(dir, oldMarkName) || old.some(({ name }) => name === 'switches.json')) return;
  throw new Fault('CONFIG_INVALID', {
    detail: `${join(dir, fileName)} and ${join(dir, 'switches.json')} are gone, and with them what the operator switched off`,
    hint: `put one of them back; or, if nothing needs to stay switched off, rm ${shellWord(join(dir, oldMarkName))}`,
  });
}

/** In the transaction that makes the database: what the files of an older mcpd say. Throws `CONFIG_INVALID`. */
function takeOver(database: Database, dir: string, old: readonly Old[]): void {
  for (const { name, bytes, digest } of old) {
    const path = join(dir, name);
    database.run('INSERT INTO facts (name, value) VALUES (?, ?)', `took over ${name}`, digest);
    if (name === 'switches.json') {
      const { changes, switches } = readSwitches(bytes, path);
      changeSwitches(database, nothingSwitchedOff, switches);
      sealPart(database, 'switches', changes, switchLines(switches));
    } else if (name === 'grants.json') {
      const { changes, grants } = readGrants(bytes, path);
      changeGrants(database, [], grants);
      sealPart(database, 'grants', changes, grantLines(grants));
    } else {
      const lock = readLock(bytes, path);
      changePins(database, new Map(), lock);
      sealPart(database, 'pins', 1, pinLines(lock));
    }
  }
  if (isThere(dir, takesName)) noteTakes(database);
}

/** A file that was written after it had been taken over holds what an older mcpd was told meanwhile: a person has to decide. */
function refuseLaterFiles(database: Database, dir: string, old: readonly Old[]): void {
  for (const { name, digest } of old) {
    const taken = database.get('SELECT value FROM facts WHERE name = ?', `took over ${name}`)?.['value'];
    if (taken === digest) continue;
    const path = join(dir, name);
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} was written by an older mcpd, after ${fileName} had been made`,
      hint: `mv ${shellWord(path)} ${shellWord(`${path}.other`)} (then ${fileName} alone counts; docs/state.md, "Back to an older mcpd")`,
    });
  }
}

/** Every limit would start from nothing. */
function refuseLostTakes(database: Database, dir: string): void {
  const path = join(dir, takesName);
  if (!takesWereKept(database) || isThere(dir, takesName)) return;
  throw new Fault('CONFIG_INVALID', {
    detail: `${path} is gone, and with it what the limits have counted`,
    hint: `put it back; or, if every limit may start from nothing: (umask 077; echo 'mcpd takes 1' >${shellWord(path)})`,
  });
}

function takesWereKept(database: Database): boolean {
  return database.get('SELECT 1 FROM facts WHERE name = ?', 'takes are kept') !== undefined;
}

function noteTakes(database: Database): void {
  database.run('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', 'takes are kept', 'yes');
}

/**
 * After the database is on the disk. The marks before the renaming: a crash in between must find either the old file or a mark
 * that says that something is missing.
 */
function putAside(dir: string, old: readonly Old[]): void {
  for (const name of [markName, oldMarkName])
    if (readState(join(dir, name)) === undefined) written(join(dir, name));
  for (const { name } of old) renameSync(join(dir, name), join(dir, `${name}.migrated`));
}

function written(path: string): void {
  try {
    writeState(path, '');
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} cannot be written: ${(cause as Error).message}`,
      hint: `see that the disk has room: df ${shellWord(path)}`,
      cause,
    });
  }
}

function isThere(dir: string, name: string): boolean {
  return lstatSync(join(dir, name), { throwIfNoEntry: false }) !== undefined;
}
