import { isWhole } from '../../support/faults.ts';

/** For tests that take long and whose like, or whose cheaper half, is in every run: `skip: onlyWhole`. */
export const onlyWhole: string | false = isWhole ? false : 'in npm run test:faults';
