import type { AuditTerms } from '../domain/care.ts';
import type { Clock } from '../domain/clock.ts';
import type { Fault } from '../domain/faults.ts';
import { Journal } from './journal.ts';
import { proofPlace } from './journal-keys.ts';
import { openProof } from './journal-proof.ts';
import { Retention } from './journal-retention.ts';
import { Scribe } from './scribe.ts';

export type ScribePlace = {
  readonly stateDir: string;
  readonly auditDir: string;
  readonly terms: AuditTerms;
  readonly clock: Clock;
  /** See `ScribeParts`. */
  readonly before: () => void;
  readonly onTrouble: (fault: Fault | undefined) => void;
  /** The folder of checkpoints fails (with the reason) or works again; calls are made all the same. */
  readonly onCheckpoints: (fault: Fault | undefined) => void;
};

/** Opens the journal of a state directory with everything that proves it. Throws `CONFIG_INVALID`. */
export function openScribe(place: ScribePlace): Scribe {
  const { stateDir, auditDir, terms, clock, before, onTrouble, onCheckpoints } = place;
  const proof = openProof(proofPlace(stateDir, terms.checkpointDir), onCheckpoints);
  const { fileBytesMax: rotateAtBytes, fileAgeMs: rotateAtAgeMs, checkpointEveryMs } = terms;
  return new Scribe({
    open: (going, owe) =>
      Journal.open({ dir: auditDir, rotateAtBytes, rotateAtAgeMs, proof, clock }, going, owe),
    clock,
    before,
    onTrouble,
    upkeep: { checkpoints: proof.checkpoints, checkpointEveryMs, retention: new Retention(auditDir, terms) },
  });
}
