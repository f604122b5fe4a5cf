import { said, table, text } from './fields.ts';

const digest = (what: string) =>
  text(
    `the SHA-256 of ${what}: 64 of 0-9 and a-f`,
    (written) => (/^[0-9a-f]{64}$/.test(written) ? written : undefined),
    '^[0-9a-f]{64}$',
  );

/** `package = { version = "1.2.3", integrity = "sha512-…" }`: which package may run. */
export const packageShape = table(
  {
    version: said(
      text(
        'an exact version such as "1.2.3"',
        (written) => (/^\d[\w.+!-]{0,127}$/.test(written) ? written : undefined),
        '^\\d[\\w.+!-]*$',
      ),
      'The exact version, the same as in `args`.',
    ),
    integrity: said(
      text(
        'what npm calls integrity: "sha512-" and base64',
        (written) => (/^sha512-[A-Za-z0-9+/]{86}==$/.test(written) ? written : undefined),
        '^sha512-[A-Za-z0-9+/]{86}==$',
      ).optional(),
      "Of the package's archive. Only for npx and npm exec.",
    ),
    tree: said(
      digest('all that is installed with it').optional(),
      'Of every package that is installed with it: `mcpd ctl status --json` shows it. Only for npx and npm exec.',
    ),
  },
  'a table such as { version = "1.2.3", integrity = "sha512-…" }',
);

export const programDigest = digest('the file of the program');
