import type { TestEvent } from 'node:test/reporters';

/** Failures in full at the end, then one line of counts. Skipped tests say why, so that nobody takes them for passed. */
export default async function* summary(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const failures: string[] = [];
  const reasons: string[] = [];
  for await (const event of source) {
    if (event.type === 'test:pass') {
      // A suite counts where it is left out as a whole: then nothing else speaks of its tests.
      if (event.data.skip !== undefined && event.data.skip !== false) {
        skipped++;
        reasons.push(`  skipped: ${event.data.name} (${String(event.data.skip)})`);
      } else if (event.data.details.type !== 'suite') passed++;
    } else if (event.type === 'test:fail') {
      if (event.data.details.error.message.includes('subtest')) continue;
      failed++;
      const { error } = event.data.details;
      const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : error.message;
      failures.push(
        `\n✖ ${event.data.name}\n  ${event.data.file ?? ''}:${event.data.line ?? ''}\n  ${cause.replaceAll('\n', '\n  ')}`,
      );
    }
  }
  yield '\n';
  for (const failure of failures) yield `${failure}\n`;
  for (const reason of reasons) yield `${reason}\n`;
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
