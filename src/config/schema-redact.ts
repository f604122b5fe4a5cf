import type { z } from 'zod';
import { redactActions } from '../domain/orders.ts';
import { choice, dotted, list, patterns, regex, said, table, text, words } from './fields.ts';

const detector = text(
  'the name of a detector or a group, such as "secrets", "pii", "email" or "github-token"',
  (written) => (/^[a-z0-9][a-z0-9-]{0,63}$/.test(written) ? written : undefined),
  '^[a-z0-9][a-z0-9-]{0,63}$',
);

/** The shape of one `[[redact]]`. */
export const redactShape = table(
  {
    name: said(words('a name for the redaction', 128), 'Names it in the journal and in markers.'),
    what: said(
      list(detector, 'a list of detectors', 256).optional(),
      'Names of detectors, or of the groups "secrets" and "pii".',
    ),
    patterns: said(
      list(regex, 'a list of regular expressions', 64).optional(),
      'Regular expressions of your own (RE2, no flags).',
    ),
    fields: said(
      list(dotted('with stars'), 'a list of fields', 256).optional(),
      'Paths into structured content or arguments whose whole values are meant; * for every item.',
    ),
    tools: said(
      patterns('tools').optional(),
      'Tools whose messages are meant. Absent: every message of the server.',
    ),
    direction: said(
      choice(['out', 'in', 'both']).default('out'),
      'out: what callers are given. in: what they send.',
    ),
    do: said(
      choice(redactActions).default('redact'),
      'redact: a marker. mask: all but four characters. hash: the same digest for the same value. block: refuse. report: let through and record.',
    ),
  },
  'a table [[redact]]',
);
export type WrittenRedact = z.output<typeof redactShape>;
