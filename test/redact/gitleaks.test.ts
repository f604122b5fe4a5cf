import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { encode } from '../../src/protocol/codec.ts';
import { detectors } from '../../src/redact/detectors.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { absent, corpusFile } from '../support/corpora.ts';
import { claims } from './claims.ts';
import { sampleOf } from './sample.ts';

/**
 * A public collection of rules as a yardstick: each of its rules is either ours too, under this name, and samples made from it
 * are found; or the sentence says why not.
 */
const set = 'secret-rules/gitleaks.toml';

const some = (count: number, letters = 'aB3dE5gH7jK9mN1p'): string =>
  letters.repeat(Math.ceil(count / letters.length)).slice(0, count);
const jwt = `eyJ${some(20)}.eyJ${some(40)}.${some(43)}`;

/** Where the rule is looser than what issuers give out, so that a text made from it is no such secret. */
const genuine: ReadonlyMap<string, readonly string[]> = new Map([
  ['jwt', [jwt]],
  ['jwt-base64', [Buffer.from(jwt).toString('base64')]],
  ['nytimes-access-token', [`nytimes_key=${some(32)}`, `newyorktimes-token: ${some(32)}`]],
  ['private-key', [`-----BEGIN PRIVATE KEY-----\n${some(64)}\n-----END PRIVATE KEY-----`]],
  ['sendgrid-api-token', [`SG.${some(22)}.${some(43)}`]],
  ['slack-legacy-workspace-token', [`xoxa-${some(8)}`, `xoxr-2-${some(48)}`]],
  ['slack-webhook-url', [`https://hooks.slack.com/services/T0${some(8)}/B0${some(9)}/${some(24)}`]],
  ['sourcegraph-access-token', [`sgp_${some(40, '0a1b')}`, `sgp_local_${some(40, '0a1b')}`]],
  ['vault-service-token', [`hvs.${some(95)}`]],
]);

type Rule = { readonly id: string; readonly regex: string | undefined };

const rules: readonly Rule[] = absent(set) === false ? readRules() : [];

function readRules(): Rule[] {
  return readFileSync(corpusFile(set), 'utf8')
    .split('[[rules]]')
    .slice(1)
    .map((text) => ({
      id: /^id = "(.*)"/m.exec(text)?.[1] ?? '',
      regex: /^regex = '''([\s\S]*?)'''/m.exec(text)?.[1],
    }));
}

/** What stands between the name and the value in rules about assignments. */
const assignment = String.raw`(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}`;
const assignmentInner = String.raw`(?:[ \t\w.-]{0,20})[\s'"]{0,3})(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}`;
const ends = String.raw`(?:[\x60'"\s;]|\\[nr]|$)`;

/** Sample texts for a rule: of an assignment, in the writings that people use. */
function samplesOf(regex: string, count: number): string[] {
  const bare = regex.replaceAll(ends, '');
  for (const between of [assignmentInner, assignment]) {
    const [name, value] = bare.split(between);
    if (name === undefined || value === undefined) continue;
    const word = name
      .replace(String.raw`(?i)[\w.-]{0,50}?`, '')
      .replace(/^\[\\w\.-\]\{0,50\}\?\(\?i:\[\\w\.-\]\{0,50\}\?/, '');
    return Array.from({ length: count }, (_, seed) => {
      const key = sampleOf(word, seed).replaceAll(' ', '_');
      const secret = sampleOf(`(?i)${value.split('|\\b')[0] ?? ''}`, seed).replaceAll('"', '');
      return (
        [
          `${key}_api_key = "${secret}"`,
          `${key.toUpperCase()}_TOKEN=${secret}`,
          `{"${key}_secret":"${secret}"}`,
        ][seed % 3] ?? ''
      );
    });
  }
  return Array.from({ length: count }, (_, seed) => sampleOf(bare, seed));
}

describe('the public rules for secrets', { skip: absent(set) }, () => {
  test('are all spoken of, and nothing else is', () => {
    assert.ok(rules.length > 200);
    assert.deepEqual(Object.keys(claims).sort(), rules.map(({ id }) => id).sort());
  });
  test('are ours by names that exist', () => {
    const names = new Set(detectors.map(({ name }) => name));
    for (const claim of Object.values(claims))
      if (typeof claim === 'string') assert.ok(names.has(claim), claim);
  });
  test('are ours for the most part', () => {
    const ours = Object.values(claims).filter((it) => typeof it === 'string').length;
    assert.ok(ours >= 180, String(ours));
  });
  const redactor = new Redactor();
  for (const { id, regex } of rules) {
    const claim = claims[id];
    if (typeof claim !== 'string') continue;
    test(`${id} is found as ${claim}`, () => {
      assert.ok(regex !== undefined);
      for (const sample of genuine.get(id) ?? samplesOf(regex, 12)) {
        const cleaned = redactor.clean(encode({ text: `see ${sample} there` }));
        assert.ok(cleaned.includes(`[redacted:${claim}]`), `${sample} → ${cleaned}`);
        JSON.parse(cleaned);
      }
    });
  }
  for (const [id, claim] of Object.entries(claims))
    if (typeof claim !== 'string') test(`why not ${id}`, () => assert.match(claim.why, /^[A-Z].{20,}\.$/));
});
