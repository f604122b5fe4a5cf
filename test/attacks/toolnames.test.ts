import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { absent, corpusFile, corpusLines } from '../support/corpora.ts';
import type { TestSession } from '../support/daemon.ts';
import { assertServes, Ear, order, question, reference, startReference } from './reference.ts';

type Line = { name: string; codepoints: string; expect: 'ALLOW' | 'CONFIRM' | 'DENY'; why: string };
type Equivalents = { nfkc: Record<string, string[]> };

const shown = (name: string): string => JSON.stringify(name).slice(0, 60);

/** Refused as a tool that does not exist, word for word, so that probing tells nothing. */
async function assertUnknown(session: TestSession, name: string): Promise<void> {
  const { status, body } = await session.call(name, { path: '/ok.txt' });
  assert.equal(status, 200);
  assert.equal(body.error?.code, -32602, `${shown(name)}: ${JSON.stringify(body).slice(0, 300)}`);
  if (name !== '' && name.length <= 512) assert.equal(body.error.message, `Unknown tool: ${name}`);
}

describe('names that look like the name of an allowed tool', () => {
  test('only the exact code points are allowed', { skip: absent('mcpd-own') }, async (t) => {
    await using daemon = await startReference();
    const ear = new Ear(daemon);
    const session = await daemon.session('fx');
    const lines = corpusLines<Line>('mcpd-own/toolnames.jsonl');
    assert.equal(lines.length, 77);
    for (const { name, expect, codepoints } of lines) {
      await t.test(`${expect} ${shown(name)} (${codepoints.slice(0, 60)})`, async () => {
        const { mark } = ear;
        if (expect === 'ALLOW') {
          assert.equal(await session.text(name, { path: '/a' }), 'content of /a');
          assert.equal(ear.since(mark).length, 1);
        } else if (expect === 'CONFIRM') {
          const waiting = session.text(name, { path: '/a' });
          await order(daemon, 'deny', { id: await question(daemon) });
          assert.match(await waiting, /^Not done/);
        } else await assertUnknown(session, name);
        await session.request('ping');
        if (expect !== 'ALLOW') assert.deepEqual(ear.since(mark), []);
      });
    }
    ear.assertClean();
    await assertServes(daemon);
  });

  test(
    'no compatibility form, other case or invisible addition of an allowed name is allowed',
    {
      skip: absent('unicode'),
    },
    async () => {
      await using daemon = await startReference('all');
      const ear = new Ear(daemon);
      const session = await daemon.session('fx');
      const { nfkc } = JSON.parse(
        readFileSync(corpusFile('unicode/ascii-equivalents.json'), 'utf8'),
      ) as Equivalents;
      const names = lookAlikes('read_file', nfkc);
      assert.ok(names.length > 100, `${names.length} names`);
      for (let from = 0; from < names.length; from += 8)
        await Promise.all(names.slice(from, from + 8).map((name) => assertUnknown(session, name)));
      await session.request('ping');
      assert.deepEqual(ear.since(0), []);
      ear.assertClean();
    },
  );

  test('a listing shows the allowed names and no other', async () => {
    await using daemon = await startReference();
    const session = await daemon.session('fx');
    const { body } = await session.request('tools/list');
    const names = (body.result?.['tools'] as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names, [...reference.tools.allow, ...reference.tools.confirm]);
  });
});

/** Each character of a name replaced by each of its equivalents, and each invisible character put everywhere. */
function lookAlikes(name: string, nfkc: Equivalents['nfkc']): string[] {
  const found = new Set<string>();
  [...name].forEach((character, at) => {
    const others = (nfkc[character] ?? []).map((hex) => String.fromCodePoint(Number.parseInt(hex, 16)));
    for (const other of [...others, character.toUpperCase()])
      found.add(name.slice(0, at) + other + name.slice(at + 1));
    for (const hidden of invisible) found.add(name.slice(0, at) + hidden + name.slice(at));
  });
  for (const hidden of invisible) found.add(name + hidden);
  found.delete(name);
  return [...found];
}

const invisible = [
  '\u00ad',
  '\u034f',
  '\u200b',
  '\u200d',
  '\u2060',
  '\u202e',
  '\ufe0f',
  '\ufeff',
  '\u{e0020}',
  ' ',
  '\t',
  '\u0000',
];
