/** The journal of a daemon, looked at by `mcpd audit verify` and by a reader that shares no code with it. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TestDaemon } from '../../support/daemon.ts';

export type Verdict = { readonly records: number; readonly kinds: ReadonlyMap<string, number> };

/**
 * Throws unless every line is whole, the numbers rise by one, the chain holds wherever there is one, and `mcpd audit verify`
 * finds nothing. A crash may leave an unfinished last line until the next start: `afterCrash`.
 */
export async function verified(daemon: TestDaemon, when: string, afterCrash = false): Promise<Verdict> {
  const kinds = new Map<string, number>();
  let lastSeq = 0;
  let lastHash: string | undefined;
  const files = daemon.journalFiles();
  for (const file of files) {
    const text = readFileSync(file, 'latin1');
    const lines = text.split('\n');
    const rest = lines.pop() ?? '';
    if (rest !== '') assert.ok(afterCrash && file === files.at(-1), `${when}: ${file} ends in half a line`);
    for (const line of lines) {
      const { seq, prev, kind } = JSON.parse(line) as { seq: number; prev?: string; kind: string };
      if (lastSeq !== 0) assert.equal(seq, lastSeq + 1, `${when}: record ${seq} follows ${lastSeq}`);
      if (prev !== undefined && lastHash !== undefined)
        assert.equal(prev, lastHash, `${when}: record ${seq} does not follow the one before it`);
      lastSeq = seq;
      lastHash = hash('sha256', Buffer.from(line, 'latin1'), 'base64url');
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
  }
  if (await canVerify(daemon)) {
    const ran = await daemon.mcpd(['audit', 'verify', '--json']);
    assert.equal(ran.code, 0, `${when}: audit verify: ${ran.stdout}${ran.stderr}`);
  }
  return { records: lastSeq, kinds };
}

let known: Promise<boolean> | undefined;

/** Whether this mcpd has the command; asked once. */
function canVerify(daemon: TestDaemon): Promise<boolean> {
  known ??= daemon.mcpd(['audit', '--help']).then(({ stdout }) => /^\s+verify\b/m.test(stdout));
  return known;
}
