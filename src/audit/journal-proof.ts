import { Checkpoints, type OnCheckpoints } from './journal-checkpoints.ts';
import { headPath, openKeys, type Keys, type ProofPlace } from './journal-keys.ts';

/** What proves a journal, opened once for the life of the daemon. */
export type Proof = {
  readonly headPath: string;
  readonly keys: Keys;
  readonly checkpoints: Checkpoints;
};

/** Makes what is missing. Throws `CONFIG_INVALID`; a folder of checkpoints that cannot be used is told, not thrown. */
export function openProof(place: ProofPlace, onCheckpoints: OnCheckpoints): Proof {
  const keys = openKeys(place);
  return {
    headPath: headPath(place),
    keys,
    checkpoints: new Checkpoints(place.checkpoints, keys, onCheckpoints),
  };
}
