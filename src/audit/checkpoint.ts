import { hash, sign, verify, type KeyObject } from 'node:crypto';
import type { Link, Position } from './chain.ts';

/** What is signed: the journal, up to a record that is on the disk. */
export type Checkpoint = {
  /** 1, 2, 3, … */
  readonly n: number;
  /** ISO 8601, wall clock. */
  readonly time: string;
  readonly at: Position;
  /** The newest record that retention had removed by then. */
  readonly retired: Link;
  /** The hash of the checkpoint before, with its signature; of the first one, what `genesis` has. */
  readonly prev: string;
};

/** A checkpoint as it was read. `hash`: what the next one has as `prev`. */
export type CheckpointRead = Checkpoint & { readonly hash: string; readonly isSigned: () => boolean };

/** So that a signature of ours is never good for anything else. */
const purpose = 'mcpd journal checkpoint 1\n';

/** One line without its line feed, signed with Ed25519 (RFC 8032). */
export function checkpointText({ n, time, at, retired, prev }: Checkpoint, key: KeyObject): string {
  const text =
    `{"n":${n},"time":"${time}","seq":${at.seq},"hash":"${at.hash}","file":${at.file},"bytes":${at.bytes}` +
    `,"retiredSeq":${retired.seq},"retiredHash":"${retired.hash}","prev":"${prev}"`;
  return `${text},"sig":"${sign(undefined, Buffer.from(purpose + text), key).toString('base64url')}"}`;
}

const shape =
  /^(\{"n":(\d{1,15}),"time":"([\dTZ:.+-]{20,30})","seq":(\d{1,15}),"hash":"([\w-]{43})","file":(\d{1,6}),"bytes":(\d{1,15}),"retiredSeq":(\d{1,15}),"retiredHash":"([\w-]{43})","prev":"([\w-]{43})"),"sig":"([\w-]{86})"\}$/;

/** Undefined for a line that is no checkpoint. Whether it is signed is asked for, because most of a long chain need not be. */
export function readCheckpoint(line: string, key: KeyObject): CheckpointRead | undefined {
  const found = shape.exec(line);
  if (found === null) return undefined;
  const [
    ,
    text = '',
    n,
    time = '',
    seq,
    of = '',
    file,
    bytes,
    retiredSeq,
    retiredHash = '',
    prev = '',
    sig = '',
  ] = found;
  return {
    n: Number(n),
    time,
    at: { seq: Number(seq), hash: of, file: Number(file), bytes: Number(bytes) },
    retired: { seq: Number(retiredSeq), hash: retiredHash },
    prev,
    hash: hash('sha256', line, 'base64url'),
    isSigned: () => verify(undefined, Buffer.from(purpose + text), key, Buffer.from(sig, 'base64url')),
  };
}
