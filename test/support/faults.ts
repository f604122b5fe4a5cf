import { appendFileSync } from 'node:fs';

/** Whether the whole of the fault suite is wanted (`npm run test:faults`), and not the quick selection of `npm test`. */
export const isWhole = process.env['MCPD_FAULTS'] === '1';

/** How often something is done: `quick` in `npm test`, `whole` in `npm run test:faults`. */
export function times(quick: number, whole: number): number {
  return isWhole ? whole : quick;
}

/** Puts a measured figure on record, for the table in docs/reliability.md. `id`: of the catalogue, such as `C-11`. */
export function figure(id: string, name: string, value: number | string): void {
  const file = process.env['MCPD_FIGURES'];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ id, name, value })}\n`);
}
