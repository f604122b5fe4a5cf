import { z } from 'zod';
import { choice, list, moment, named, said, table, words } from './fields.ts';
import { verdicts } from './schema-rule.ts';

const target = words('a name', 2048);

/** The shape of one `[[case]]`. */
export const caseShape = table(
  {
    name: said(words('a name for the case', 128), 'What the case shows, in a sentence that can be false.'),
    caller: said(words('the name of a caller', 128), 'Who calls.'),
    roles: said(
      list(words('the name of a role', 64), 'a list of roles', 64).default([]),
      'Roles the caller has besides those that mcpd.toml gives it.',
    ),
    tool: said(target.optional(), 'The tool that is called.'),
    resource: said(target.optional(), 'The URI of the resource that is read.'),
    prompt: said(target.optional(), 'The prompt that is used.'),
    upcall: said(target.optional(), 'The method that the server asks of the client.'),
    method: said(target.optional(), 'The method beside MCP that is said.'),
    args: said(named(z.unknown(), 'a table of arguments').optional(), 'The arguments of the call.'),
    at: said(moment.optional(), 'When it is called. Absent: now.'),
    expect: said(choice(verdicts), 'The verdict that must come out.'),
    rule: said(words('the name of a rule', 128).optional(), 'The rule that must be the reason.'),
  },
  'a table [[case]]',
);
export type WrittenCase = z.output<typeof caseShape>;
