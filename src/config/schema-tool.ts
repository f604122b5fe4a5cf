import type { z } from 'zod';
import { risks } from '../domain/orders.ts';
import { choice, count, duration, named, said, size, table, words, yesOrNo } from './fields.ts';
import { argsShape } from './schema-condition.ts';

const retryShape = table(
  {
    times: said(count(1, 5), 'Tries after the first.'),
    first: said(duration('10ms', '1m').prefault('200ms'), 'The wait before the second try.'),
    most: said(duration('10ms', '5m').prefault('2s'), 'No wait is longer.'),
  },
  'a table such as { times = 2, first = "200ms", most = "2s" }',
);

const breakerShape = table(
  {
    failures: said(count(1, 1000), 'So many failures in a row open it.'),
    within: said(duration('1s', '1d').prefault('1m'), 'The span in which they count.'),
    rest: said(
      duration('1s', '1d').prefault('30s'),
      'How long the tool rests before one call is let through.',
    ),
  },
  'a table such as { failures = 5, within = "1m", rest = "30s" }',
);

/** The shape of one `[tools.NAME]`. */
export const toolShape = table(
  {
    risk: said(
      choice(risks),
      'How much harm a call can do. A tool that no [tools.*] fits counts as destructive and is denied.',
    ),
    effect: said(words('what a call does, in a sentence', 400), 'The side effect, in a sentence.'),
    args: said(
      argsShape.optional(),
      'What must hold for the arguments of every call, whatever rule allows it.',
    ),
    idempotent: said(
      yesOrNo.default(false),
      'true: the same call twice does no more than once, so it may be made again.',
    ),
    retry: said(
      retryShape.optional(),
      'How often a call that failed on the way is made again. Only with idempotent = true.',
    ),
    breaker: said(
      breakerShape.optional(),
      'When a tool that fails again and again is left alone for a while.',
    ),
    returns: said(
      choice(['full', 'snippet', 'metadata']).default('full'),
      'How much of a result its caller is given.',
    ),
    answer_within: said(
      duration('10ms', '7d').optional(),
      'How long one answer may take. Absent: answer_within of the server.',
    ),
    result_max: said(
      size('64B', '256MiB').optional(),
      'The most text of one result (of each text, for snippet); what is cut is marked. 16MiB, and 2KiB for snippet.',
    ),
  },
  'a table [tools.NAME]',
);
export type WrittenTool = z.output<typeof toolShape>;

/** The shape of `[tools]`: name or pattern → what the owner says about it. */
export const toolsShape = named(toolShape, 'tables [tools.NAME]');
