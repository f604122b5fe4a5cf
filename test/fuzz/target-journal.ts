import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Fault } from '../../src/domain/faults.ts';
import type { Verdict } from '../../src/audit/verdict.ts';
import { JournalRig, written } from '../audit/journal-rig.ts';
import { Dice } from '../support/dice.ts';
import type { Target } from './engine.ts';

const recordsWritten = 12;
type Untouched = { readonly rig: JournalRig; readonly bytes: ReadonlyMap<string, Buffer> };
let untouched: Promise<Untouched> | undefined;

/** A journal of three files, closed in order; made once. */
async function made(): Promise<Untouched> {
  const rig = new JournalRig(undefined);
  process.on('exit', () => rig.remove());
  await written(rig, recordsWritten, 1500);
  return { rig, bytes: new Map(rig.files.map((file) => [file, readFileSync(file)])) };
}

/** Each byte of an input is a choice of somebody who edits the files. What is not as it was written is never vouched for. */
export const journal: Target = {
  name: 'journal',
  covers: /\/src\/audit\//,
  seeds: () =>
    Array.from({ length: 16 }, (_, seed) => {
      const dice = new Dice(seed + 1);
      return Buffer.from(Array.from({ length: 24 }, () => dice.upTo(255)));
    }),
  words: ['\0\0\0\0', '\u0040\u0040', '\u00ff\u00ff'],
  bytesMax: 96,
  run: async (input) => {
    const { rig, bytes } = await (untouched ??= made());
    const edited = edit(bytes, new Dice(input));
    try {
      for (const [file, now] of edited)
        if (now === undefined) rmSync(file, { force: true });
        else writeFileSync(file, now);
      const isSame = [...edited].every(
        ([file, now]) => now !== undefined && bytes.get(file)?.equals(now) === true,
      );
      const verdict = await judged(rig);
      // An unfinished line at the end may be what a crash left: that is a warning.
      const { findings, warnings } = verdict ?? unreadable;
      const kinds = [...findings, ...warnings].map(({ kind }) => kind);
      assert.equal(
        kinds.length === 0,
        isSame,
        isSame ? `an untouched journal: ${kinds.join(', ')}` : 'not noticed',
      );
    } finally {
      for (const [file, was] of bytes) writeFileSync(file, was);
    }
  },
};

const unreadable = { findings: [{ kind: 'cannot be read' }], warnings: [] };

async function judged(rig: JournalRig): Promise<Verdict | undefined> {
  try {
    return await rig.verify();
  } catch (reason) {
    // That it cannot be read is said too, by a fault with a name.
    if (reason instanceof Fault && reason.code !== 'BUG') return undefined;
    throw reason;
  }
}

function edit(bytes: ReadonlyMap<string, Buffer>, dice: Dice): Map<string, Buffer | undefined> {
  const files = new Map<string, Buffer | undefined>(bytes);
  const names = [...bytes.keys()];
  for (let edits = dice.upTo(3); edits > 0; edits--) {
    const file = dice.one(names);
    const other = files.get(dice.one(names)) ?? Buffer.alloc(0);
    const now = files.get(file);
    if (now === undefined) continue;
    const lines = now.toString('latin1').split('\n');
    const at = dice.upTo(lines.length - 1);
    const line = lines[at] ?? '';
    switch (dice.upTo(8)) {
      case 0:
        files.set(file, undefined);
        continue;
      case 1:
        files.set(file, other);
        continue;
      case 2:
        lines.splice(at, 1);
        break;
      case 3:
        lines.splice(at, 0, dice.one(lines));
        break;
      case 4:
        lines.splice(at, 0, dice.one(other.toString('latin1').split('\n')));
        break;
      case 5:
        lines.length = at;
        break;
      default: {
        const column = Math.floor(dice.next() * (line.length + 1));
        const piece = String.fromCharCode(dice.upTo(255)).repeat(dice.upTo(2));
        lines[at] = line.slice(0, column) + piece + line.slice(column + dice.upTo(2));
      }
    }
    files.set(file, Buffer.from(lines.join('\n'), 'latin1'));
  }
  return files;
}
