/**
 * The conformance suite against mcpd, for a person: `node test/conformance/run.ts [REVISION …]`. Ends with 1 when a required
 * scenario fails, leaves no checks behind, or the suite does not come to an end.
 */
import { tell } from './report.ts';
import { endpoint, serveConformance } from './served.ts';
import { revisions, runSuite } from './suite.ts';

const asked = process.argv.slice(2);
const wanted = revisions.filter((revision) => asked.length === 0 || asked.includes(revision));
if (wanted.length === 0) {
  console.error(`There is no set for ${asked.join(', ')}. There are: ${revisions.join(', ')}`);
  process.exit(1);
}

await using daemon = await serveConformance();
for (const revision of wanted) {
  const run = await runSuite(endpoint(daemon), revision);
  console.log(`${tell(run)}\n`);
  if (run.exitCode !== 0 || run.missing.length > 0) process.exitCode = 1;
}
