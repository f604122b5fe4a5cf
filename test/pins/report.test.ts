import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { definitionDigest } from '../../src/protocol/tool-definition.ts';
import { Bench, text, tool } from './support.ts';

const bounds = { toolsMax: 100, detailsMax: 50, changesMax: 20, charsMax: 240 };

describe('the report', () => {
  it('has how many stand how, and those in quarantine first, with what changed', () => {
    const bench = new Bench();
    bench.lists(tool('a'), tool('b'), tool('c'));
    const other = tool('b', { description: 'token s3cret' });
    bench.lists(tool('a'), other, tool('d'));
    const [report] = bench.pins.report(bounds);
    assert.deepEqual(report?.counts, { changed: 1, new: 1, pinned: 1, gone: 1 });
    assert.deepEqual(
      report?.tools.map((it) => `${it.tool} ${it.state}`),
      ['b changed', 'd new', 'a pinned', 'c gone'],
    );
    assert.deepEqual(report?.tools[0], {
      tool: 'b',
      state: 'changed',
      because: 'its definition is not the one that was pinned',
      pinned: {
        digest: definitionDigest(text(tool('b'))),
        at: '2027-01-15T08:00:00.000Z',
        by: null,
        how: 'first',
      },
      shown: [{ digest: definitionDigest(text(other)), to: 'all' }],
      hidden: [],
      changes: [{ at: 'description', was: '"The b tool"', is: '"token [redacted]"' }],
      moreChanges: 0,
    });
    assert.deepEqual(
      report?.tools[1]?.changes?.map(({ at }) => at),
      ['name', 'description', 'inputSchema'],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });

  it('names hidden characters by place and number', () => {
    const bench = new Bench();
    bench.lists(tool('a', { description: 'x\u200b' }));
    assert.deepEqual(bench.pins.report(bounds)[0]?.tools[0]?.hidden, [
      { at: 'description', codes: ['U+200B'], count: 1 },
    ]);
  });

  it('is about one server, or one tool, where that is asked', () => {
    const bench = new Bench();
    bench.lists(tool('a'), tool('b'));
    bench.pins.saw('other', [text(tool('a'))], 'own', true);
    assert.deepEqual(
      bench.pins.report(bounds).map(({ server }) => server),
      ['fx', 'other'],
    );
    assert.deepEqual(
      bench.pins.report(bounds, 'fx', 'b')[0]?.tools.map((it) => it.tool),
      ['b'],
    );
    assert.deepEqual(bench.pins.report(bounds, 'nowhere'), []);
  });

  it('is bounded', () => {
    const bench = new Bench();
    bench.lists();
    bench.lists(...Array.from({ length: 300 }, (_, at) => tool(`t${at}`)));
    const [report] = bench.pins.report({ ...bounds, toolsMax: 10, detailsMax: 3 });
    assert.deepEqual([report?.tools.length, report?.more, report?.counts], [10, 290, { new: 300 }]);
    assert.equal(report?.tools.filter(({ changes }) => changes !== null).length, 3);
  });

  it('knows after a restart what was pinned, before anything is listed', () => {
    const bench = new Bench();
    bench.lists(tool('a'));
    bench.start();
    const [report] = bench.pins.report(bounds);
    assert.deepEqual([report?.digest, report?.tools[0]?.state], [null, 'pinned']);
  });

  it('shows what callers were shown, where that is what differs', () => {
    const bench = new Bench();
    bench.lists(tool('a'));
    bench.shows('session S', tool('a', { description: 'Worse.' }));
    const [row] = bench.pins.report(bounds)[0]?.tools ?? [];
    assert.deepEqual(
      row?.shown.map(({ to }) => to),
      ['mcpd', 'callers'],
    );
    assert.deepEqual(row?.changes, [{ at: 'description', was: '"The a tool"', is: '"Worse."' }]);
  });
});
