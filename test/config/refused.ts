import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDaemon, loadServer, plainDaemon, plainServer, said } from './scratch.ts';

/** What is wrong, the lines below `command`, and what a person reads about it: its place among it. */
export type Refusal = readonly [name: string, lines: string, expected: RegExp];

/** Server files with one thing wrong: none loads, and each complaint stands at its place. */
export function refusedAtTheirPlaces(refusals: readonly Refusal[]): void {
  for (const [name, lines, expected] of refusals)
    test(`${name} is refused at its place`, (t) => {
      const loaded = loadServer(t, plainServer + lines);
      assert.match(said(loaded).join('\n'), expected);
      assert.equal(loaded.ok, false);
    });
}

/** The same for mcpd.toml. */
export function refusedInDaemon(refusals: readonly Refusal[]): void {
  for (const [name, lines, expected] of refusals)
    test(`${name} is refused at its place`, (t) => {
      const loaded = loadDaemon(t, plainDaemon + lines);
      assert.match(said(loaded).join('\n'), expected);
      assert.equal(loaded.ok, false);
    });
}
