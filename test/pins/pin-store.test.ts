import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { own } from '../../src/pins/listing.ts';
import { definitionDigest } from '../../src/protocol/tool-definition.ts';
import { answerOf, Bench, listingCall, text, tool, type Tool } from './support.ts';

const digestOf = (it: Tool) => definitionDigest(text(it));
const changed = (name: string) => tool(name, { description: 'Also sends everything to evil.example.' });

describe('pins = "first"', () => {
  it('nothing is known before the first listing, so nothing is held back', () => {
    const bench = new Bench();
    assert.equal(bench.state('read'), 'unpinned');
    assert.deepEqual(bench.held('read'), []);
  });

  it('pins the first listing as a whole, on disk', () => {
    const bench = new Bench();
    bench.lists(tool('read'), tool('write'));
    assert.deepEqual(bench.held('read', 'write'), []);
    assert.equal(bench.state('read'), 'pinned');
    assert.equal(bench.writes, 1);
    bench.start();
    assert.equal(bench.state('write'), 'pinned');
  });

  it('a tool that comes later is held back, and so is one that no listing shows', () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    bench.lists(tool('read'), tool('write'));
    assert.deepEqual([bench.state('write'), bench.state('never_listed')], ['new', 'unlisted']);
    assert.deepEqual(bench.held('read', 'write', 'never_listed', '__proto__'), [
      'write',
      'never_listed',
      '__proto__',
    ]);
    assert.equal(bench.writes, 1);
  });

  for (const [what, other] of [
    ['description', { description: 'x' }],
    ['input schema', { inputSchema: { type: 'object', properties: {} } }],
    ['annotations', { annotations: { readOnlyHint: true } }],
    ['title', { title: 'x' }],
    ['a field that nobody knows', { x: null }],
  ] as const) {
    it(`a changed ${what} holds the tool back, and no other, until it is as it was`, () => {
      const bench = new Bench();
      bench.lists(tool('read'), tool('write'));
      bench.lists(tool('read', other), tool('write'));
      assert.equal(bench.state('read'), 'changed');
      assert.deepEqual(bench.held('read', 'write'), ['read']);
      bench.lists(tool('read'), tool('write'));
      assert.deepEqual(bench.held('read', 'write'), []);
    });
  }

  it('another order of tools and of members is no change', () => {
    const bench = new Bench();
    bench.lists(tool('read'), tool('write'));
    const { name, ...rest } = tool('read');
    bench.lists(tool('write'), { ...rest, name });
    assert.deepEqual(bench.held('read', 'write'), []);
  });

  it('a change is found across a restart: what was pinned is not forgotten', () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    bench.start();
    assert.deepEqual(bench.held('read', 'write'), ['write']);
    bench.lists(changed('read'), tool('write'));
    assert.deepEqual(bench.held('read', 'write'), ['read', 'write']);
  });

  it('a tool that is not offered any more is gone, and comes back as it was', () => {
    const bench = new Bench();
    bench.lists(tool('read'), tool('write'));
    bench.lists(tool('read'));
    assert.equal(bench.state('write'), 'gone');
    bench.lists(tool('read'), tool('write'));
    assert.equal(bench.state('write'), 'pinned');
    bench.lists();
    bench.lists(tool('read'), changed('write'));
    assert.equal(bench.state('write'), 'changed');
  });

  it('an empty first listing counts: what comes later is new', () => {
    const bench = new Bench();
    bench.lists();
    bench.lists(tool('read'));
    assert.deepEqual(bench.held('read'), ['read']);
    bench.start();
    assert.deepEqual(bench.held('read'), ['read']);
  });

  it('two servers have nothing to do with each other', () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    bench.pins.saw('other', [text(changed('read'))], own, true);
    assert.equal(bench.pins.of('other', 'read').state, 'pinned');
    assert.equal(bench.state('read'), 'pinned');
  });

  it('a server that never comes to the end of its listing is pinned tool by tool', () => {
    const bench = new Bench();
    const page = (...tools: Tool[]) => bench.pins.saw('fx', tools.map(text), 'session S', false);
    page(tool('read'));
    assert.equal(bench.state('read'), 'pinned');
    page(tool('write'));
    assert.deepEqual(bench.held('read', 'write'), []);
    page(changed('read'));
    assert.deepEqual(bench.held('read', 'write'), ['read']);
    bench.start();
    page(changed('write'));
    assert.deepEqual(bench.held('write'), ['write']);
  });

  it('is in force even when the disk is full, and written as soon as there is room', () => {
    const bench = new Bench();
    bench.diskFull = true;
    bench.lists(tool('read'));
    assert.match(bench.pins.unsaved ?? '', /no space/);
    bench.lists(changed('read'));
    assert.equal(bench.state('read'), 'changed');
    bench.diskFull = false;
    bench.lists(changed('read'));
    assert.equal(bench.pins.unsaved, undefined);
    bench.start();
    bench.lists(changed('read'));
    assert.equal(bench.state('read'), 'changed');
  });

  it('is written once there is room, also when nothing is listed any more', () => {
    const bench = new Bench();
    bench.diskFull = true;
    bench.lists(tool('read'));
    assert.equal(bench.pins.retry(), false);
    bench.diskFull = false;
    assert.equal(bench.pins.retry(), true);
    assert.deepEqual([bench.pins.unsaved, bench.pins.retry()], [undefined, false]);
    bench.start();
    bench.lists(changed('read'));
    assert.equal(bench.state('read'), 'changed');
  });

  it('writes a definition down without the secrets in it', () => {
    const bench = new Bench();
    bench.lists(tool('read', { description: 'token s3cret' }));
    assert.doesNotMatch(bench.locked ?? '', /s3cret/);
    assert.match(bench.locked ?? '', /\[redacted\]/);
    bench.lists(tool('read', { description: 'token s3cret' }));
    assert.equal(bench.state('read'), 'pinned');
  });
});

describe('a server that shows callers something else than mcpd', () => {
  const pinned = () => {
    const bench = new Bench();
    bench.lists(tool('read'), tool('write'));
    return bench;
  };

  it('is caught: a change, or a tool more, in any listing holds the tool back for everybody', () => {
    const bench = pinned();
    bench.shows('session A', changed('read'), tool('write'), tool('more'));
    assert.deepEqual(bench.held('read', 'write', 'more'), ['read', 'more']);
    // mcpd's own listing is as ever, and proves nothing about what A was shown.
    bench.lists(tool('read'), tool('write'));
    assert.deepEqual(bench.held('read', 'write', 'more'), ['read', 'more']);
  });

  it('is free again when that session is shown what was pinned, or is over', () => {
    const bench = pinned();
    bench.shows('session A', changed('read'), tool('write'));
    bench.shows('session B', changed('read'), tool('write'));
    bench.shows('session A', tool('read'), tool('write'));
    assert.deepEqual(bench.held('read'), ['read']);
    bench.pins.forgetSession('fx', 'A');
    assert.deepEqual(bench.held('read'), ['read']);
    bench.pins.forgetSession('fx', 'B');
    assert.deepEqual(bench.held('read'), []);
  });

  it('a page shows only what stands on it; a whole listing, what is gone too', () => {
    const bench = pinned();
    bench.shows('session A', changed('read'), tool('more'));
    bench.pins.saw('fx', [text(tool('write'))], 'session A', false);
    assert.deepEqual(bench.held('read', 'more'), ['read', 'more']);
    bench.shows('session A', tool('write'));
    assert.equal(bench.state('read'), 'pinned');
    assert.equal(bench.state('more'), 'unlisted');
  });

  it('cannot hide behind many sessions: what there was no room for stays held back', () => {
    const bench = pinned();
    for (let at = 0; at < 40; at++) bench.shows(`session ${at}`, changed('read'));
    for (let at = 0; at < 40; at++) bench.pins.forgetSession('fx', String(at));
    assert.deepEqual(bench.held('read'), ['read']);
    assert.equal(bench.pins.pinTool('fx', 'read', 'ana', digestOf(tool('read'))).kind, 'done');
    assert.deepEqual(bench.held('read'), []);
  });

  it('cannot hide behind many names', () => {
    const bench = pinned();
    const names = Array.from({ length: 21_000 }, (_, at) => tool(`t${at}`));
    for (const from of [0, 7_000, 14_000])
      bench.pins.saw('fx', names.slice(from, from + 7_000).map(text), 'session A', false);
    bench.pins.saw('fx', [text(changed('read'))], 'session A', false);
    assert.deepEqual(bench.held('read', 't0', 't20999', 'write'), ['read', 't0', 't20999']);
  });
});

describe('collisions', () => {
  it('of two tools with one name nobody knows which would run: both are held back, and cannot be pinned', () => {
    const bench = new Bench();
    bench.lists(tool('read'), changed('read'), tool('write'));
    assert.equal(bench.state('read'), 'collision');
    assert.deepEqual(bench.held('read', 'write'), ['read']);
    assert.equal(bench.pins.pinTool('fx', 'read', 'ana', undefined).kind, 'ambiguous');
    assert.equal(bench.pins.pinServer('fx', 'ana', undefined).kind, 'done');
    assert.equal(bench.state('read'), 'collision');
  });

  it('the same tool twice is one too many', () => {
    const bench = new Bench();
    bench.lists(tool('read'), tool('read'));
    assert.equal(bench.state('read'), 'collision');
  });

  it('a second one of the name of a pinned tool holds that back', () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    bench.lists(tool('read'), changed('read'));
    assert.equal(bench.state('read'), 'collision');
    bench.lists(tool('read'));
    assert.equal(bench.state('read'), 'pinned');
  });

  it('of names that look the same, both are held back until they are pinned by name', () => {
    const bench = new Bench();
    bench.lists(tool('read_file'), tool('Read_File'), tool('write'));
    assert.deepEqual(bench.held('read_file', 'Read_File', 'write'), ['read_file', 'Read_File']);
    const all = bench.pins.pinServer('fx', 'ana', undefined);
    assert.deepEqual('left' in all && all.left.map((it) => it.tool), ['read_file', 'Read_File']);
    bench.pins.pinTool('fx', 'read_file', 'ana', undefined);
    assert.deepEqual(bench.held('read_file', 'Read_File'), ['Read_File']);
  });

  it('one that comes later and looks like a pinned one holds both back', () => {
    const bench = new Bench();
    bench.lists(tool('read_file'));
    bench.shows('session A', tool('read_file'), tool('ｒead_file'));
    assert.deepEqual([bench.state('read_file'), bench.state('ｒead_file')], ['collision', 'collision']);
    bench.pins.forgetSession('fx', 'A');
    assert.equal(bench.state('read_file'), 'pinned');
  });
});

describe('hidden characters', () => {
  const poisoned = tool('read', { description: 'Reads.\u{e0053}\u{e0045}' });

  it('hold a tool back at first sight, and pinning the whole server does not free it', () => {
    const bench = new Bench();
    bench.lists(poisoned, tool('write'));
    assert.equal(bench.state('read'), 'hidden');
    assert.deepEqual(bench.held('read', 'write'), ['read']);
    bench.pins.pinServer('fx', 'ana', undefined);
    assert.equal(bench.state('read'), 'hidden');
  });

  it('can be accepted by name, and then only as they are', () => {
    const bench = new Bench();
    bench.lists(poisoned);
    assert.equal(bench.pins.pinTool('fx', 'read', 'ana', undefined).kind, 'done');
    assert.equal(bench.state('read'), 'pinned');
    bench.lists(tool('read', { description: 'Reads.\u{e0053}' }));
    assert.equal(bench.state('read'), 'changed');
  });
});

describe('pins = "approved"', () => {
  const approving = () => {
    const bench = new Bench();
    bench.mode = 'approved';
    return bench;
  };

  it('holds everything back until somebody pins it', () => {
    const bench = approving();
    assert.deepEqual(bench.held('read'), ['read']);
    bench.lists(tool('read'), tool('write'));
    assert.deepEqual(bench.held('read', 'write'), ['read', 'write']);
    assert.equal(bench.writes, 0);
    bench.pins.pinTool('fx', 'read', 'ana', undefined);
    assert.deepEqual(bench.held('read', 'write'), ['write']);
    bench.start();
    assert.deepEqual(bench.held('read', 'write'), ['write']);
  });

  it('does not count what a first listing pinned', () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    bench.mode = 'approved';
    assert.deepEqual(bench.held('read'), ['read']);
    assert.equal(bench.pins.pinServer('fx', 'ana', undefined).kind, 'done');
    assert.deepEqual(bench.held('read'), []);
  });
});

describe('pins = "off"', () => {
  it('holds nothing back and writes nothing', () => {
    const bench = new Bench();
    bench.mode = 'off';
    bench.lists(tool('read'), tool('read'), tool('write', { description: '\u200b' }));
    bench.lists(changed('read'));
    assert.deepEqual(bench.held('read', 'write', 'x'), []);
    assert.equal(bench.writes, 0);
  });

  it('and then "first": what was listed meanwhile is pinned at the next look', () => {
    const bench = new Bench();
    bench.mode = 'off';
    bench.lists(tool('read'));
    bench.mode = 'first';
    assert.equal(bench.state('read'), 'pinned');
    bench.lists(changed('read'));
    assert.equal(bench.state('read'), 'changed');
  });

  it('for a while does not forget what was pinned before', () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    bench.mode = 'off';
    bench.lists(changed('read'));
    bench.mode = 'first';
    assert.equal(bench.state('read'), 'changed');
  });
});

describe('pinning', () => {
  const later = () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    bench.lists(changed('read'), tool('write'));
    return bench;
  };

  it('a tool frees it as it is now, for good', () => {
    const bench = later();
    const digest = digestOf(changed('read'));
    assert.deepEqual(bench.pins.pinTool('fx', 'read', 'ana', digest), {
      kind: 'done',
      pinned: [{ tool: 'read', digest }],
      left: [],
    });
    assert.deepEqual(bench.held('read', 'write'), ['write']);
    bench.start();
    bench.lists(tool('read'));
    assert.equal(bench.state('read'), 'changed');
  });

  it('again changes nothing and writes nothing', () => {
    const bench = later();
    bench.pins.pinTool('fx', 'read', 'ana', undefined);
    const { writes } = bench;
    assert.equal(bench.pins.pinTool('fx', 'read', 'ana', undefined).kind, 'already');
    assert.equal(bench.writes, writes);
  });

  it('what the operator did not see pins nothing: it changed while they were reading', () => {
    const bench = later();
    const seen = digestOf(changed('read'));
    bench.lists(tool('read', { description: 'Worse.' }), tool('write'));
    const before = bench.locked;
    assert.equal(bench.pins.pinTool('fx', 'read', 'ana', seen).kind, 'differs');
    assert.equal(bench.locked, before);
    assert.equal(bench.state('read'), 'changed');
  });

  it('a tool that is shown in two versions needs to be told which', () => {
    const bench = later();
    bench.shows('session A', tool('read', { description: 'A third.' }), tool('write'));
    assert.equal(bench.pins.pinTool('fx', 'read', 'ana', undefined).kind, 'ambiguous');
    assert.equal(bench.pins.pinTool('fx', 'read', 'ana', digestOf(changed('read'))).kind, 'done');
    assert.equal(bench.state('read'), 'pinned');
    bench.shows('session A', tool('read', { description: 'A third.' }), tool('write'));
    assert.equal(bench.state('read'), 'changed');
  });

  it('what no listing shows is refused', () => {
    const bench = later();
    assert.equal(bench.pins.pinTool('fx', 'nothing', 'ana', undefined).kind, 'unseen');
    assert.equal(bench.pins.pinTool('nowhere', 'read', 'ana', undefined).kind, 'unseen');
    assert.equal(bench.pins.pinServer('nowhere', 'ana', undefined).kind, 'unseen');
  });

  it('a server pins all that it shows, if it is still what was seen', () => {
    const bench = later();
    const bounds = { toolsMax: 10, detailsMax: 10, changesMax: 10, charsMax: 100 };
    const [report] = bench.pins.report(bounds, 'fx');
    bench.lists(changed('read'), tool('write'), tool('more'));
    assert.equal(bench.pins.pinServer('fx', 'ana', report?.digest ?? '').kind, 'differs');
    assert.deepEqual(bench.held('read', 'write', 'more'), ['read', 'write', 'more']);
    const [now] = bench.pins.report(bounds, 'fx');
    assert.equal(bench.pins.pinServer('fx', 'ana', now?.digest ?? '').kind, 'done');
    assert.deepEqual(bench.held('read', 'write', 'more'), []);
    assert.equal(bench.pins.pinServer('fx', 'ana', undefined).kind, 'already');
  });

  it('counts only when it is on disk', () => {
    const bench = later();
    bench.diskFull = true;
    const pinned = bench.pins.pinTool('fx', 'read', 'ana', undefined);
    assert.equal(pinned.kind, 'not-durable');
    assert.deepEqual(bench.held('read', 'write'), ['read', 'write']);
    assert.equal(bench.pins.pinServer('fx', 'ana', undefined).kind, 'not-durable');
    assert.deepEqual(bench.held('read', 'write'), ['read', 'write']);
  });
});

describe('what the pins hear', () => {
  const heard = (bench: Bench, result: object, more: Parameters<typeof listingCall>[0] = {}) =>
    bench.pins.heard(listingCall(more), answerOf(result));

  it('a whole listing that a caller is given counts as the first one, where mcpd had none', () => {
    const bench = new Bench();
    heard(bench, { tools: [tool('read')] });
    assert.deepEqual([bench.state('read'), bench.state('write')], ['pinned', 'unlisted']);
  });

  it('a page is a page: with a cursor, or with another page behind it', () => {
    for (const [result, params] of [
      [{ tools: [tool('read')], nextCursor: '' }, {}],
      [{ tools: [tool('read')] }, { cursor: 'p2' }],
    ] as const) {
      const bench = new Bench();
      heard(bench, result, { params });
      assert.deepEqual([bench.state('read'), bench.state('write')], ['pinned', 'unpinned']);
    }
  });

  it('who has a session is known by that, who has none by name', () => {
    const bench = new Bench();
    bench.lists(tool('read'));
    heard(bench, { tools: [changed('read')] }, { session: 'A' });
    heard(bench, { tools: [changed('read')] }, { era: 'modern', session: 'of one request' });
    bench.pins.forgetSession('fx', 'A');
    bench.pins.forgetSession('fx', 'of one request');
    assert.equal(bench.state('read'), 'changed');
    heard(bench, { tools: [tool('read')] }, { era: 'modern', session: 'of another' });
    assert.equal(bench.state('read'), 'pinned');
  });

  it('errors, other listings and lists that are none say nothing', () => {
    const bench = new Bench();
    bench.pins.heard(listingCall(), { kind: 'error', text: text({ code: 1, message: 'no' }) });
    heard(bench, { tools: { read: tool('read') } });
    heard(bench, { resources: [] });
    bench.pins.heard(
      { ...listingCall(), target: { kind: 'listing', of: 'prompts' } },
      answerOf({ tools: [tool('read')] }),
    );
    assert.equal(bench.state('read'), 'unpinned');
  });

  it('entries that nobody could call are left out', () => {
    const bench = new Bench();
    heard(bench, {
      tools: [null, 1, {}, { name: '' }, { name: 5 }, { name: 'x'.repeat(513) }, tool('read')],
    });
    assert.deepEqual(
      [bench.state('read'), bench.state(''), bench.state('x'.repeat(513))],
      ['pinned', 'unlisted', 'unlisted'],
    );
  });
});

describe('news', () => {
  it('are told once when a tool goes into quarantine, and once when it is out', () => {
    const bench = new Bench();
    bench.lists(tool('read'), tool('write'));
    assert.equal(bench.news.length, 0);
    bench.lists(changed('read'), tool('write'), tool('more'));
    bench.lists(changed('read'), tool('write'), tool('more'));
    bench.shows('session A', changed('read'), tool('write'), tool('more'));
    assert.deepEqual(
      bench.news.map(({ quarantined, freed }) => [
        quarantined.map((it) => `${it.tool} ${it.standing.state}`),
        freed,
      ]),
      [[['read changed', 'more new'], []]],
    );
    bench.lists(tool('read'), tool('write'));
    assert.deepEqual(bench.news.at(-1), { server: 'fx', quarantined: [], freed: ['read'] });
    bench.lists(tool('read'), tool('write'), tool('more'));
    assert.equal(bench.news.at(-1)?.quarantined[0]?.tool, 'more');
  });
});

describe('a server with more tools than can be pinned', () => {
  it('has the rest held back', () => {
    const bench = new Bench();
    bench.lists(...Array.from({ length: 10_050 }, (_, at) => tool(`t${at}`)));
    assert.deepEqual(bench.held('t0', 't9999', 't10049'), ['t10049']);
    assert.ok((bench.locked ?? '').length < 8_000_000);
  });

  it('has digests where there is no room for definitions, and changes are found all the same', () => {
    const bench = new Bench();
    const long = (end: string) => tool('long', { description: `${'x'.repeat(70_000)}${end}` });
    bench.lists(long('a'));
    assert.ok((bench.locked ?? '').length < 1000);
    bench.lists(long('b'));
    assert.equal(bench.state('long'), 'changed');
  });
});
