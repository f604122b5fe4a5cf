import assert from 'node:assert/strict';
import { Complaints } from '../../src/config/complain.ts';
import { printComplaint, type Complaint } from '../../src/config/complaint.ts';
import { parsed } from '../../src/config/parse.ts';
import { serverShape } from '../../src/config/schema-server.ts';
import { daemonShape } from '../../src/config/schema.ts';
import type { Target } from './engine.ts';
import { filesOf, texts } from './seeds.ts';

/** A file is read, or every complaint about it says where it is to be mended; nothing else comes of it. */
export const toml: Target = {
  name: 'toml',
  covers: /\/src\/config\/|\/node_modules\/toml\//,
  seeds: () => [
    ...texts(
      '[listen]\nport = 8377\n\n[limits]\nper_caller = "10/min burst 5"\n',
      'command = "node"\nargs = ["x"]\n[tools."read_*"]\nrisk = "read"\neffect = "Reads."\n[[rule]]\nname = "a"\nverdict = "allow"\ntools = ["read_*"]\nargs = { path = { within = "/srv" } }\n',
    ),
    ...filesOf('toml-test', /\.toml$/),
  ],
  words: [
    '[[rule]]\n',
    '[tools.x]\n',
    '"""',
    "'''",
    '1979-05-27T07:32:00Z',
    '[a.b]\n',
    'a.b = 1\n',
    '{ a = 1 }',
    '\\u0000',
    '= ',
    'inf',
    '__proto__',
    '[[[[',
    '# ',
  ],
  bytesMax: 2048,
  run: (input) => {
    const read = parsed({ file: 'fx.toml', bytes: input });
    if (read.ok) {
      for (const shape of [serverShape, daemonShape]) {
        const complaints = new Complaints('fx.toml', read.places);
        complaints.check(shape as typeof serverShape, read.value);
        placed(complaints.all, input);
      }
      return;
    }
    assert.ok(read.complaints.length > 0);
    placed(read.complaints, input);
  },
};

function placed(complaints: readonly Complaint[], input: Buffer): void {
  const lines = input.toString('utf8').split('\n').length;
  for (const complaint of complaints) {
    const { line, column } = complaint;
    const what = printComplaint(complaint);
    assert.ok(
      Number.isSafeInteger(line) && line >= 1 && line <= lines + 1,
      `line ${line} of ${lines}: ${what}`,
    );
    assert.ok(Number.isSafeInteger(column) && column >= 1, `column ${column}: ${what}`);
    // A complaint is one line on a terminal, whatever the file says.
    assert.ok(!/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(what), JSON.stringify(what));
  }
}
