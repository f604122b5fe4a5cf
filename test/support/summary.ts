import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/** Of a run that takes minutes, so many files are named that take the most of them. */
const slowestMax = 12;
const slowMs = 5000;

/** Failures in full at the end, then one line of counts. Skipped tests say why, so that nobody takes them for passed. */
export default async function* summary(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const failures: string[] = [];
  const reasons: string[] = [];
  const tookMs = new Map<string, number>();
  for await (const event of source) {
    if ((event.type === 'test:pass' || event.type === 'test:fail') && event.data.nesting === 0) {
      const file = relative('.', event.data.file ?? '');
      tookMs.set(file, (tookMs.get(file) ?? 0) + event.data.details.duration_ms);
    }
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
  const slowest = [...tookMs].filter(([, ms]) => ms > slowMs).sort(([, one], [, other]) => other - one);
  if (slowest.length > 0)
    yield `  slowest: ${slowest
      .slice(0, slowestMax)
      .map(([file, ms]) => `${file} ${Math.round(ms / 1000)} s`)
      .join(', ')}\n`;
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
