import { z } from 'zod';
import { duration, list, named, said, table, text, words } from './fields.ts';

/** Text for an environment or a command line. */
const plain = text('text in quotes without NUL, at most 65536 characters', (written) =>
  written.length <= 65_536 && !written.includes('\0') ? written : undefined,
);

/** One variable of [secrets] in a server file: a reference, alone or with a time to live. */
const secretUse = z.union(
  [
    z.string('a reference in quotes').transform((from) => ({ from, ttl: undefined })),
    table({
      from: said(z.string('a reference in quotes'), 'The reference.'),
      ttl: said(
        duration('10s', '30d').optional(),
        'The value is fetched again after so long; the server is started anew when it has changed.',
      ),
    }).transform(({ from, ttl }) => ({ from, ttl })),
  ],
  'a reference in quotes, or a table such as { from = "op:op://Private/github/token", ttl = "1h" }',
);

export const secretUses = named(secretUse, 'a table of variables');

const runExample = 'a list of 1 to 64 texts such as ["op", "read", "{}"]';
const command = table(
  {
    run: said(
      z.array(plain, runExample).min(1, runExample).max(64, runExample),
      'The program and its arguments; {} is what stands behind "NAME:". There is no shell.',
    ),
    env: said(named(plain, 'a table of variables').default({}), 'Variables that the program is given.'),
    pass: said(
      list(words('the name of a variable', 128), 'a list of names of variables', 64).default([]),
      "Variables of the daemon's own environment that the program is given.",
    ),
    within: said(duration('100ms', '2m').prefault('15s'), 'For the program to answer.'),
  },
  'a table [secrets.commands.NAME]',
);

/** [secrets] of mcpd.toml. */
export const secretsShape = table({
  vault: said(
    table({
      key: said(
        words('"file:PATH", "systemd:NAME" or "passphrase"', 4096).optional(),
        'What opens the vault: "file:PATH", "systemd:NAME" or "passphrase". Absent: a key file of its own.',
      ),
    }).prefault({}),
    'The encrypted file of secrets in the state directory.',
  ),
  commands: said(
    named(command, 'tables [secrets.commands.NAME]').default({}),
    'Programs that know secrets; a reference "NAME:…" asks one.',
  ),
});
export type WrittenSecrets = z.output<typeof secretsShape>;
