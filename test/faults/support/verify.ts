import type { TestDaemon } from '../../support/daemon.ts';
import { figure } from '../../support/faults.ts';

/** How often a journal was held to be whole by `mcpd audit verify`, in this process. */
let verified = 0;

/**
 * Has mcpd itself say whether the journal is whole, which it can with and without a running daemon. Gives what it found
 * wrong, `''` for nothing.
 */
export async function verifyJournal(daemon: TestDaemon): Promise<string> {
  const { code, stdout, stderr } = await daemon.mcpd(['audit', 'verify']);
  if (code === 0) verified++;
  return code === 0 ? '' : `mcpd audit verify ended with ${code}: ${stdout}${stderr}`;
}

/** Puts on record how many journals of a test were whole. */
export function recordVerified(id: string): void {
  figure(id, 'journals verified', verified);
  verified = 0;
}
