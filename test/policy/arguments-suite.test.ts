import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Json, JsonObject } from '../../src/domain/message.ts';
import { misfit } from '../../src/policy/arguments.ts';
import { absent, corpusFile } from '../support/corpora.ts';

/** Groups of the public test suite that are not met, by the reason. Each must still fail: what works again is taken out. */
const notMet: Readonly<Record<string, readonly string[]>> = {
  // Nothing is fetched: a schema somewhere else would be another one tomorrow, and fetching it would tell who asks.
  'it refers to a schema that is not part of it': [
    'draft2020-12 defs: validate definition against metaschema',
    'draft2020-12 dynamicRef: $ref to $dynamicRef finds detached $dynamicAnchor',
    'draft2020-12 dynamicRef: strict-tree schema, guards against misspelled properties',
    'draft2020-12 dynamicRef: tests for implementation dynamic anchor and reference link',
    'draft2020-12 dynamicRef: $ref and $dynamicAnchor are independent of order - $defs first',
    'draft2020-12 dynamicRef: $ref and $dynamicAnchor are independent of order - $ref first',
    'draft2020-12 ref: remote ref, containing refs itself',
    'draft2020-12 refRemote: $ref to $ref finds detached $anchor',
    'draft2020-12 refRemote: Location-independent identifier in remote ref',
    'draft2020-12 refRemote: anchor within remote ref',
    'draft2020-12 refRemote: base URI change',
    'draft2020-12 refRemote: base URI change - change folder',
    'draft2020-12 refRemote: base URI change - change folder in subschema',
    'draft2020-12 refRemote: fragment within remote ref',
    'draft2020-12 refRemote: ref within remote ref',
    'draft2020-12 refRemote: remote HTTP ref with different $id',
    'draft2020-12 refRemote: remote HTTP ref with different URN $id',
    'draft2020-12 refRemote: remote HTTP ref with nested absolute ref',
    'draft2020-12 refRemote: remote ref',
    'draft2020-12 refRemote: remote ref with ref to defs',
    'draft2020-12 refRemote: retrieved nested refs resolve relative to their URI not $id',
    'draft2020-12 refRemote: root ref in remote ref',
    'draft7 definitions: validate definition against metaschema',
    'draft7 ref: remote ref, containing refs itself',
    'draft7 refRemote: $ref to $ref finds location-independent $id',
    'draft7 refRemote: Location-independent identifier in remote ref',
    'draft7 refRemote: base URI change',
    'draft7 refRemote: base URI change - change folder',
    'draft7 refRemote: base URI change - change folder in subschema',
    'draft7 refRemote: fragment within remote ref',
    'draft7 refRemote: ref within remote ref',
    'draft7 refRemote: remote ref',
    'draft7 refRemote: remote ref with ref to definitions',
    'draft7 refRemote: retrieved nested refs resolve relative to their URI not $id',
    'draft7 refRemote: root ref in remote ref',
  ],
  // A `$dynamicRef` is followed like a `$ref`: who extends a schema from outside is not in a tool's schema.
  'a dynamic reference is taken for a plain one': [
    'draft2020-12 dynamicRef: $dynamicRef avoids the root of each schema, but scopes are still registered',
    'draft2020-12 dynamicRef: A $dynamicRef resolves to the first $dynamicAnchor still in scope that is encountered when the schema is evaluated',
    'draft2020-12 dynamicRef: A $dynamicRef that initially resolves to a schema with a matching $dynamicAnchor resolves to the first $dynamicAnchor in the dynamic scope',
    "draft2020-12 dynamicRef: A $dynamicRef with intermediate scopes that don't include a matching $dynamicAnchor does not affect dynamic scope resolution",
    'draft2020-12 dynamicRef: after leaving a dynamic scope, it is not used by a $dynamicRef',
    'draft2020-12 dynamicRef: multiple dynamic paths to the $dynamicRef keyword',
    'draft2020-12 unevaluatedItems: unevaluatedItems with $dynamicRef',
    'draft2020-12 unevaluatedProperties: unevaluatedProperties with $dynamicRef',
  ],
  // The long names of Unicode classes are not RE2's, and what RE2 cannot read is left to the server.
  'a pattern that is not read': [
    'draft2020-12 pattern: pattern with Unicode property escape requires unicode mode',
  ],
  'a vocabulary without validation is not known': [
    'draft2020-12 vocabulary: schema that uses custom metaschema with with no validation vocabulary',
  ],
};
const notMetNames = new Set(Object.values(notMet).flat());

type Group = {
  readonly description: string;
  readonly schema: Json;
  readonly tests: readonly { readonly description: string; readonly data: Json; readonly valid: boolean }[];
};

const dialects = {
  'draft2020-12': 'https://json-schema.org/draft/2020-12/schema',
  draft7: 'http://json-schema.org/draft-07/schema#',
};

for (const [dialect, address] of Object.entries(dialects)) {
  const folder = `json-schema-suite/tests/${dialect}`;
  describe(`the ${dialect} tests of JSON Schema`, { skip: absent(folder) }, () => {
    const files =
      absent(folder) === false ? readdirSync(corpusFile(folder)).filter((it) => it.endsWith('.json')) : [];
    for (const file of files) {
      const groups = JSON.parse(readFileSync(corpusFile(`${folder}/${file}`), 'utf8')) as Group[];
      for (const { description, schema, tests } of groups) {
        const name = `${dialect} ${file.replace('.json', '')}: ${description}`;
        test(name, () => {
          const dialected: Json =
            typeof schema === 'object' ? { $schema: address, ...(schema as JsonObject) } : schema;
          const wrong = tests.filter(({ data, valid }) => (misfit(dialected, data) === undefined) !== valid);
          const told = wrong.map((it) => it.description);
          if (notMetNames.has(name)) assert.notDeepEqual(told, [], `${name} is met after all`);
          else assert.deepEqual(told, []);
        });
      }
    }
  });
}
