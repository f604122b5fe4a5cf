/** The state's database for tests of what is kept in it. */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Database, type DatabasePlace } from '../../src/files/database.ts';
import { stateApplicationId, statePagesMax, stateSteps } from '../../src/state-steps.ts';

export const statePlace = (dir: string): DatabasePlace => ({
  path: join(dir, 'state.db'),
  applicationId: stateApplicationId,
  steps: stateSteps,
  pagesMax: statePagesMax,
  sync: 'full',
});

/** A connection of its own; it sees what others have committed. */
export const stateIn = (dir: string): Database => Database.open(statePlace(dir));

/** From now on nothing can be written, whoever runs the test: the file is not where it was opened. */
export const breakState = (dir: string): void => renameSync(join(dir, 'state.db'), join(dir, 'aside'));

export function mendState(dir: string): void {
  if (existsSync(join(dir, 'aside'))) renameSync(join(dir, 'aside'), join(dir, 'state.db'));
}
