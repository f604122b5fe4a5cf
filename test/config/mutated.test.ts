import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadPolicies } from '../../src/config/load.ts';
import { plainDaemon, put, scratch } from './scratch.ts';

const policies = join(import.meta.dirname, '..', '..', 'policies');
const manual = readFileSync(join(policies, 'servers', 'filesystem.toml'), 'utf8')
  .replace(/^command = .*$/m, 'command = "/bin/cat"')
  .replace('cwd = "../sandbox"', 'cwd = "."');
const lines = manual.split('\n');

/** What a hand that slips, or one that means harm, may put in place of a value. */
const value = fc.constantFrom(
  '',
  '[]',
  '{}',
  '""',
  '-1',
  'nan',
  'inf',
  'true',
  '[[1]]',
  '2026-01-01T00:00:00Z',
  '"(a|a)*$"',
  '"\\u0000"',
  `"${'*'.repeat(600)}"`,
  '{ a = { b = { c = [1, "x"] } } }',
  '[{ x = 1 }, "y"]',
);
const key = fc.constantFrom(
  'constructor',
  '__proto__',
  'toString',
  'rule',
  'tools',
  'args',
  '"a.b"',
  '"*"',
  'extends',
);
const edit = fc.oneof(
  fc.record({ kind: fc.constant('value' as const), at: fc.nat(lines.length - 1), value }),
  fc.record({ kind: fc.constant('key' as const), at: fc.nat(lines.length - 1), key }),
  fc.record({ kind: fc.constant('drop' as const), at: fc.nat(lines.length - 1) }),
  fc.record({
    kind: fc.constant('twice' as const),
    at: fc.nat(lines.length - 1),
    from: fc.nat(lines.length - 1),
  }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(manual.length) }),
);

type Edit = typeof edit extends fc.Arbitrary<infer One> ? One : never;

function edited(edits: readonly Edit[]): string {
  let text = [...lines];
  for (const one of edits) {
    const line = text[one.at] ?? '';
    if (one.kind === 'cut') text = text.join('\n').slice(0, one.at).split('\n');
    else if (one.kind === 'drop') text.splice(one.at, 1);
    else if (one.kind === 'twice') text.splice(one.at, 0, text[one.from] ?? '');
    else if (one.kind === 'value') text[one.at] = line.replace(/=.*$/, `= ${one.value}`);
    else text[one.at] = line.replace(/^[a-z_]+(?= =)/, one.key);
  }
  return text.join('\n');
}

test('a file that is changed in whatever way loads, or is refused at a place in it; nothing is thrown', (t) => {
  const dir = scratch(t);
  let refused = 0;
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const text = edited(edits);
      put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': text });
      const loaded = loadPolicies(dir, { HOME: '/h' });
      if (loaded.ok) return;
      refused += 1;
      assert.ok(loaded.complaints.length > 0 && loaded.complaints.length <= 200);
      const last = text.split('\n').length + 1;
      for (const { line, column, what } of loaded.complaints) {
        assert.ok(line >= 1 && line <= last && column >= 1, `${String(line)}:${String(column)} ${what}`);
        // A path may be as long as the system lets it be; everything else is cut.
        assert.ok(what !== '' && what.length < 4500, what);
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(refused > 50, String(refused));
});
