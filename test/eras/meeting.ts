/** What a client and a server have to say to each other, told once for every cell of the era table. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { until, type TestDaemon } from '../support/daemon.ts';
import type { Carried, Door, Kind, Row } from './cells.ts';
import { clientInfo } from './client.ts';
import { codeOf, Talk, type Era } from './talk.ts';

export type Meeting = {
  readonly daemon: () => TestDaemon;
  readonly kind: Kind;
  readonly door: Door;
  readonly row: Row;
  readonly carried: Carried;
  /** What the server wrote down so far. */
  readonly notes: () => readonly string[];
  /** The key of a caller whom no server may ask for sampling. */
  readonly mutedKey: () => string;
};

const eras = (carried: Carried): { readonly client: Era; readonly child: Era } => ({
  client: carried.startsWith('modern') ? 'modern' : 'legacy',
  child: carried.endsWith('modern') ? 'modern' : 'legacy',
});

const serverNames = {
  'legacy only': 'legacy-only',
  'legacy only, strict': 'legacy-only',
  both: 'both-eras',
  'modern only': 'modern-only',
} as const;

/** The words of a refused question, as the one who called hears of it. */
const refusals: Readonly<Record<Carried, RegExp>> = {
  legacy: /Method not found/,
  'modern → legacy': /Method not found/,
  modern: /Refused by policy: the server asked for sampling\/createMessage/,
  'legacy → modern': /asked for something that the client did not answer/,
};

/** Registers the tests of one cell in the present suite. */
export function tellMeeting({ daemon, kind, door, row, carried, notes, mutedKey }: Meeting): void {
  const { client, child } = eras(carried);
  const mark = `${kind} ${door}`;
  let talk: Talk;
  before(async () => {
    talk = await Talk.begin(kind, door, daemon(), row.server);
  });
  after(() => talk.close());

  it('each is told whom it meets', async () => {
    assert.equal(talk.era, client);
    assert.deepEqual(talk.server, {
      name: serverNames[row.conduct],
      instructions: `Spoken to in the ${child} way.`,
    });
    const ownTasks = carried === 'legacy' && row.conduct.startsWith('legacy only');
    const offers = [
      'completions',
      'logging',
      'prompts',
      'resources',
      ...(ownTasks ? ['tasks'] : []),
      'tools',
    ];
    assert.deepEqual(talk.offers, offers);
    const { pid: _pid, ...who } = JSON.parse(await talk.text('who')) as Record<string, unknown>;
    const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} };
    assert.deepEqual(who, { era: child, client: clientInfo, capabilities });
  });

  it('listings, prompts and completions show what the policy leaves', async () => {
    const tools = await talk.tools();
    assert.ok(tools.includes('echo') && tools.includes('ask') && !tools.includes('remove'));
    const resources = await talk.resources();
    assert.ok(resources.includes('note://open') && !resources.includes('note://hidden'));
    assert.deepEqual(await talk.templates(), ['note://day/{day}']);
    assert.ok((await talk.prompts()).includes('greet'));
    assert.equal(await talk.prompt('greet', { name: 'Ada' }), 'Greet Ada.');
    assert.deepEqual(await talk.complete({ type: 'ref/prompt', name: 'greet' }, 'name', 'Al'), ['Alan']);
    const day = { type: 'ref/resource', uri: 'note://day/{day}' } as const;
    assert.deepEqual(await talk.complete(day, 'day', 'm'), ['monday']);
  });

  it('a call is answered, a failing one too', async () => {
    assert.deepEqual(await talk.call('echo', { text: 'héllo 👋' }), { isError: false, text: 'héllo 👋' });
    assert.deepEqual(await talk.call('fail'), { isError: true, text: 'It went wrong.' });
  });

  it('progress comes step by step', async () => {
    const steps: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void steps.push(progress);
    assert.equal((await talk.call('steps', { count: 3 }, { onprogress })).text, 'done');
    // Over a pipe, both libraries forget the progress that comes in the same piece as the answer: they hand a notification on
    // a turn later, and the answer has taken its handler away by then. A raw peer sees all of it
    // (test/stories/stdio-clients-connect.test.ts).
    const expected = door === 'stdio' ? [1, 2, 3].slice(0, steps.length) : [1, 2, 3];
    assert.deepEqual(steps, expected);
  });

  it('a call in which the server asks: a form, a model, the roots', async () => {
    assert.match(await talk.text('ask', { what: 'elicitation' }), /"Ada"/);
    assert.match(await talk.text('ask', { what: 'sampling' }), /"sampled"/);
    assert.match(await talk.text('ask', { what: 'roots' }), /file:\/\/\/home\/era/);
    assert.deepEqual(talk.heard.questions.splice(0), ['Your name?', 'sampling', 'roots']);
  });

  it('a call in which the server shows a page', async () => {
    assert.match(await talk.text('ask', { what: 'page' }), /"accept"/);
    assert.deepEqual(talk.heard.questions.splice(0), ['Open the page?']);
  });

  it('a call in which the server asks twice, and three things at once', async () => {
    assert.equal(await talk.text('ask_twice'), 'Ada likes red');
    assert.deepEqual(talk.heard.questions.splice(0), ['Your name?', 'Your colour?']);
    assert.equal(await talk.text('ask_all'), 'model name roots');
    assert.deepEqual(talk.heard.questions.splice(0).sort(), ['Your name?', 'roots', 'sampling']);
  });

  it('a prompt and a resource for which the server asks', async () => {
    assert.equal(await talk.prompt('asking'), 'For Ada.');
    assert.equal(await talk.read('note://asking'), 'for Ada');
    assert.deepEqual(talk.heard.questions.splice(0), ['Your name?', 'Your name?']);
  });

  it('log lines: those that were asked for, and no others', async () => {
    await talk.wantLines('error');
    await talk.text('log', { level: 'debug', line: 'quiet' });
    await talk.text('log', { level: 'error', line: 'loud' });
    await talk.untilHeard('lines', 'loud');
    if (client === 'modern') {
      await talk.wantLines(undefined);
      await talk.text('log', { level: 'error', line: 'unasked' });
      await talk.wantLines('error');
      await talk.text('log', { level: 'error', line: 'again' });
      await talk.untilHeard('lines', 'again');
    }
    assert.deepEqual(talk.heard.lines, client === 'modern' ? ['loud', 'again'] : ['loud']);
  });

  it('what cannot be read or called has the error of its era', async () => {
    assert.equal(await talk.read('note://open'), 'the open note');
    assert.equal(await talk.read('note://day/monday'), 'the note of monday');
    // The first generation tells the code as it came. The official server library says -32602 in every era.
    const ofLegacyChild = kind === 'v1' && row.conduct.startsWith('legacy only');
    assert.equal(await codeOf(talk.read('note://nowhere')), ofLegacyChild ? -32002 : -32602);
    assert.equal(await codeOf(talk.read('note://hidden')), kind === 'v1' ? -32002 : -32602);
    assert.equal(await codeOf(talk.text('nonsense')), -32602);
    assert.equal(await codeOf(talk.prompt('nonsense')), -32602);
    await assert.rejects(talk.text('remove'), /Unknown tool: remove/);
    assert.ok(!notes().includes('removed'));
  });

  it('news of a resource that is followed, and of all three listings', async () => {
    const stop = await talk.follow('note://open');
    await talk.text('touch', { uri: 'note://open' });
    await talk.untilHeard('updated', 'note://open');
    for (const what of ['tools', 'prompts', 'resources']) {
      await talk.text('change', { what });
      await talk.untilHeard('changed', what);
    }
    assert.ok((await talk.tools()).includes('passing'));
    assert.ok((await talk.prompts()).includes('passing'));
    assert.ok((await talk.resources()).includes('note://passing'));
    for (const what of ['tools', 'prompts', 'resources']) await talk.text('change', { what });
    await stop();
  });

  it('a call that is taken back stops in the server, and the next one is answered', async () => {
    const stop = new AbortController();
    const failing = assert.rejects(talk.call('wait', { name: mark }, { signal: stop.signal }));
    await until('the server works on it', () => notes().includes(`waits ${mark}`));
    stop.abort();
    await failing;
    await until('the server has stopped', () => notes().includes(`stopped ${mark}`));
    assert.equal(await talk.text('echo', { text: 'on' }), 'on');
  });

  it('a question that the policy denies reaches nobody, and the call says so', async () => {
    const muted = await Talk.begin(kind, door, daemon(), row.server, mutedKey());
    try {
      const asked = muted.text('ask', { what: 'sampling' }).catch((reason: unknown) => String(reason));
      assert.match(await asked, refusals[carried]);
      assert.deepEqual(muted.heard.questions, []);
      assert.match(await muted.text('ask', { what: 'elicitation' }), /"Ada"/);
    } finally {
      await muted.close();
    }
  });

  it('the server heard nothing that its era has no word for', () => {
    assert.deepEqual(
      notes().filter((it) => it.startsWith('strange')),
      [],
    );
  });
}
