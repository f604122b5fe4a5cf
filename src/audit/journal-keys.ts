import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { readOurs, shellWord } from '../files/ours.ts';
import { replaceWhole } from '../files/replace.ts';
import { refuseSharedDir } from './journal-files.ts';

/** What proves a journal is kept outside of its folder: whoever gets hold of the one need not have the other. */
export type ProofPlace = {
  /** Mode 0700, on the same disk as the journal: the head and the keys. */
  readonly dir: string;
  /** The signed checkpoints. Best another disk. */
  readonly checkpoints: string;
};

/** `head` keys the head of the journal, `sign` signs checkpoints. */
export type Keys = { readonly head: Buffer; readonly sign: KeyObject; readonly verify: KeyObject };

const headKeyBytes = 32;

/** Where the proof of a state directory stands. `checkpointDir`: from mcpd.toml. */
export function proofPlace(stateDir: string, checkpointDir: string | undefined): ProofPlace {
  const dir = join(stateDir, 'audit-proof');
  return { dir, checkpoints: checkpointDir ?? join(dir, 'checkpoints') };
}

export function headPath({ dir }: ProofPlace): string {
  return join(dir, 'head');
}

/** For an auditor, who should have it before there is anything to doubt. */
export function publicKeyPath({ dir }: ProofPlace): string {
  return join(dir, 'public-key.pem');
}

/** Makes the folder and the keys where they are missing. Throws `CONFIG_INVALID`. */
export function openKeys(place: ProofPlace): Keys {
  mkdirSync(place.dir, { recursive: true, mode: 0o700 });
  refuseSharedDir(place.dir);
  const head = keyAt(join(place.dir, 'head-key'), () => `${randomBytes(headKeyBytes).toString('hex')}\n`);
  const signPath = join(place.dir, 'sign-key.pem');
  const pem = keyAt(signPath, () =>
    generateKeyPairSync('ed25519', {
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }).privateKey.toString(),
  );
  const sign = readKey(signPath, () => createPrivateKey(pem));
  const verify = createPublicKey(sign);
  const text = verify.export({ type: 'spki', format: 'pem' }).toString();
  const shown = readOurs(publicKeyPath(place), { bytesMax: 4096, closed: 'to writers' })?.toString('utf8');
  if (shown !== text) replaceWhole(publicKeyPath(place), text);
  return { head: headKeyOf(join(place.dir, 'head-key'), head), sign, verify };
}

/** The key of the head, for a reader; undefined where there is none. Throws `CONFIG_INVALID` for one that is no key. */
export function readHeadKey(place: ProofPlace): Buffer | undefined {
  const path = join(place.dir, 'head-key');
  const text = readOurs(path, { bytesMax: 4096, closed: 'to everybody' })?.toString('utf8');
  return text === undefined ? undefined : headKeyOf(path, text);
}

/** A public key in PEM, for a reader, who may have named any file. Throws `CONFIG_INVALID`. */
export function publicKeyOf(path: string, pem: string): KeyObject {
  try {
    return readKey(path, () => createPublicKey(pem));
  } catch (cause) {
    // Not the hint for mcpd's own keys: whoever names a wrong file must not be told to remove it.
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} is no public key of a journal`,
      hint: 'name a copy of public-key.pem, which mcpd keeps in audit-proof in its state directory: --public-key FILE',
      cause,
    });
  }
}

/** Whole or not there, after a crash too: half a key would keep the next start from starting. */
function keyAt(path: string, make: () => string): string {
  const found = readOurs(path, { bytesMax: 4096, closed: 'to everybody' });
  if (found !== undefined) return found.toString('utf8');
  const made = make();
  replaceWhole(path, made);
  return made;
}

function headKeyOf(path: string, text: string): Buffer {
  const hex = text.trim();
  if (/^[0-9a-f]{64}$/.test(hex)) return Buffer.from(hex, 'hex');
  throw unusable(path);
}

function readKey(path: string, read: () => KeyObject): KeyObject {
  try {
    const key = read();
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw unusable(path, cause);
  }
  throw unusable(path);
}

function unusable(path: string, cause?: unknown): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `${path} is no key of the journal`,
    hint: `put the key back from a backup; or: rm ${shellWord(path)} (a new one is made; the journal says so for all time)`,
    cause,
  });
}
