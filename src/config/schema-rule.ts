import type { z } from 'zod';
import { surfaces, risks } from '../domain/orders.ts';
import {
  choice,
  count,
  dotted,
  duration,
  list,
  moment,
  oneOrMore,
  patterns,
  rates,
  said,
  table,
  text,
  words,
} from './fields.ts';
import { argsShape } from './schema-condition.ts';

export const verdicts = ['allow', 'deny', 'confirm'] as const;
export const modes = ['enforce', 'observe'] as const;

const channel = text(
  'one of "operator", "caller", "ticket" or "webhook:NAME"',
  (written) => (/^(?:operator|caller|ticket|webhook:[a-z0-9-]{1,32})$/.test(written) ? written : undefined),
  '^(operator|caller|ticket|webhook:[a-z0-9-]{1,32})$',
);

const recorded = list(dotted('without stars'), 'a list of paths into the arguments', 32);

/** The shape of one `[[rule]]`. */
export const ruleShape = table(
  {
    name: said(
      words('a name for the rule', 128),
      'Names the rule in the journal and in refusals. No two rules share one.',
    ),
    verdict: said(
      choice(verdicts),
      'allow: at once. confirm: when somebody said yes. deny: no, and hidden. The strictest rule that matches counts.',
    ),
    mode: said(
      choice(modes).default('enforce'),
      'observe: what this rule says is recorded and not carried out.',
    ),
    callers: said(patterns('callers').optional(), 'Names of callers. Absent: every caller.'),
    roles: said(
      list(words('the name of a role', 64), 'a list of roles', 64).optional(),
      'Callers that have one of these roles, which [roles] in mcpd.toml gives. Absent: whatever the role.',
    ),
    surfaces: said(
      list(choice(surfaces), `a list of ${surfaces.join(', ')}`, surfaces.length).optional(),
      'Only these parts of the protocol. Absent: all that the targets speak of.',
    ),
    tools: said(patterns('tools').optional(), 'Names of tools; * stands for anything.'),
    risk: said(
      list(choice(risks), `a list of ${risks.join(', ')}`, risks.length).optional(),
      'Only tools of these classes, as [tools.*] states them.',
    ),
    resources: said(
      patterns('resource URIs').optional(),
      'URIs of resources; * stays between two slashes, ** crosses them.',
    ),
    prompts: said(patterns('prompts').optional(), 'Names of prompts; * stands for anything.'),
    upcalls: said(
      patterns('methods').optional(),
      'What the server asks of the client, by method, such as "roots/list". Only allow and deny.',
    ),
    methods: said(
      patterns('methods').optional(),
      'Methods that MCP does not know and a client may say all the same.',
    ),
    args: said(
      argsShape.optional(),
      'Path into the arguments → what must hold there. The rule matches only when all of it holds.',
    ),
    until: said(moment.optional(), 'From this moment on the rule grants nothing.'),
    record: said(recorded.optional(), 'Arguments whose values the journal notes.'),
    rate: said(rates.optional(), 'For each caller and each target of this rule, besides [limits].'),
    ask: said(
      oneOrMore(channel, '"operator", "caller", "ticket" or "webhook:NAME"', 8).optional(),
      'Who may say yes. operator: `mcpd ctl approve`; caller: its own user; ticket: a second call; webhook: a signed answer.',
    ),
    approvals: said(count(1, 4).optional(), 'How many different approvers must say yes; 2 is dual control.'),
    answer_within: said(
      duration('1s', '10m').optional(),
      'How long a call may wait for a yes, or how long a ticket lives. Less than 10m.',
    ),
    lease_max: said(
      duration('1s', '1d').optional(),
      'For how long a yes may be given for further calls that are alike. Absent: for one call only.',
    ),
    lease_same: said(recorded.optional(), 'Arguments that must be the same in those further calls.'),
  },
  'a table [[rule]]',
);
export type WrittenRule = z.output<typeof ruleShape>;
