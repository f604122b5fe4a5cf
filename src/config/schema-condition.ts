import { z } from 'zod';
import { choice, count, list, named, oneOrMore, regex, said, table, text, words, yesOrNo } from './fields.ts';

const argumentTypes = ['string', 'integer', 'number', 'boolean', 'object', 'array', 'null'] as const;

const scalarExpected = 'text, a number or a boolean';
const scalar: z.ZodType<string | number | boolean> = z.union(
  [z.string(), z.number(), z.boolean()],
  scalarExpected,
);
const anyNumber: z.ZodType<number> = z.number('a number; not inf, not nan');
const length = count(0, 1_000_000_000);

const scheme = text(
  'the scheme of a URL, in lower case and without ":", such as "https"',
  (written) => (/^[a-z][a-z0-9+.-]{0,31}$/.test(written) ? written : undefined),
  '^[a-z][a-z0-9+.-]{0,31}$',
);
const host = text(
  'a host such as "api.example.com" or "*.example.com"; no scheme, no port, no path',
  readHost,
);
const pathPattern = text('a path that begins with /, such as "/v1/*" or "/files/**"', (written) =>
  /^\/[^\s\u0000-\u001f\u007f?#]{0,511}$/.test(written) ? written : undefined,
);

const urlShape = table(
  {
    schemes: said(list(scheme, 'a list of schemes', 16).optional(), 'Schemes of URLs. Required.'),
    hosts: said(
      list(host, 'a list of hosts', 1000).optional(),
      'Hosts, exact or with * for one label. Required. A URL with a user name or password is never met.',
    ),
    ports: said(
      list(count(1, 65_535), 'a list of ports', 64).optional(),
      "Ports; the scheme's own port counts when the URL names none. Absent: every port.",
    ),
    paths: said(
      list(pathPattern, 'a list of paths', 1000).optional(),
      'Paths; * stays within a segment, ** crosses them. Absent: every path.',
    ),
  },
  'a table such as { schemes = ["https"], hosts = ["api.example.com"] }',
);
export type WrittenUrl = z.output<typeof urlShape>;

const checks = {
  type: said(
    choice(argumentTypes).optional(),
    'The JSON type of the value. Nothing is coerced: "1" is no number.',
  ),
  one_of: said(
    list(scalar, 'a list of values', 1000).optional(),
    'The value is one of these: same type, same value.',
  ),
  equals: said(scalar.optional(), 'The value is this one: same type, same value.'),
  min: said(anyNumber.optional(), 'A number, at least this.'),
  max: said(anyNumber.optional(), 'A number, at most this.'),
  min_length: said(length.optional(), 'At least so many code points, items or members.'),
  max_length: said(length.optional(), 'At most so many code points, items or members.'),
  max_items: said(length.optional(), 'A list of at most so many items: the most records a call may touch.'),
  like: said(
    oneOrMore(words('a pattern with *', 512), 'a pattern such as "acme/*"', 1000).optional(),
    'A text that one of these fits; * stands for anything.',
  ),
  matches: said(
    oneOrMore(regex, 'a regular expression', 64).optional(),
    'A text that one of these regular expressions (RE2, no flags) fits from its first to its last character.',
  ),
  url: said(urlShape.optional(), 'A URL made of these parts.'),
  within: said(
    oneOrMore(words('a folder', 4096), 'a folder such as "/srv/project"', 64).optional(),
    'An absolute path whose real path lies in one of these folders. Relative ones count from the folder of this file.',
  ),
};

/** What `not` holds: everything but `not` itself, and without the two that speak of absence. */
export const checksShape = table(checks, 'a table of checks such as { min = 1, max = 10 }');
export type WrittenChecks = z.output<typeof checksShape>;

/** The shape of one condition. */
export const conditionShape = table(
  {
    ...checks,
    not: said(checksShape.optional(), 'Holds when the checks in here do not all hold.'),
    optional: said(yesOrNo.optional(), 'true: the condition is also met where the argument is absent.'),
    absent: said(yesOrNo.optional(), 'true: the argument must not be there. Stands alone.'),
  },
  'a table of checks such as { one_of = ["a", "b"] }',
);
export type WrittenCondition = z.output<typeof conditionShape>;

/** The shape of `args`: path into the arguments → what must hold there. */
export const argsShape = named(
  conditionShape,
  'a table of conditions such as "issue.number" = { type = "integer", min = 1 }',
);
export type WrittenArgs = z.output<typeof argsShape>;

function readHost(written: string): string | undefined {
  const host = written.toLowerCase();
  // Hosts are compared after a URL reader has seen them, where other letters have become `xn--…`.
  const plain = /^(?:\*|[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?)(?:\.[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?)*$/;
  if (host.length > 253) return undefined;
  return plain.test(host) || /^\[[0-9a-f:.]{2,45}\]$/.test(host) ? host : undefined;
}
