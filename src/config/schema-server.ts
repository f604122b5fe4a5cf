import { z } from 'zod';
import { stages } from '../domain/orders.ts';
import {
  choice,
  count,
  duration,
  list,
  named,
  patterns,
  said,
  size,
  table,
  text,
  words,
  yesOrNo,
} from './fields.ts';
import { careKeys } from './schema-care.ts';
import { caseShape } from './schema-case.ts';
import { limitShape, limitsShape } from './schema-limits.ts';
import { packageShape, programDigest } from './schema-package.ts';
import { redactShape } from './schema-redact.ts';
import { modes, ruleShape } from './schema-rule.ts';
import { sandboxKeys } from './schema-sandbox.ts';
import { secretUses } from './schema-secrets.ts';
import { toolsShape } from './schema-tool.ts';

const variables = named(z.string('text in quotes'), 'a table of variables');

/** What a shared base says as well as a server file: the contract and what may be called. */
const terms = {
  purpose: said(words('what the server is for', 1000).optional(), 'What the server is for, in a sentence.'),
  owner: said(
    words('who answers for this file', 256).optional(),
    'Who answers for this file. Needed as soon as a rule opens a tool that writes.',
  ),
  out_of_scope: said(
    words('what the server is not for', 1000).optional(),
    'What the server is not to be used for, in a sentence.',
  ),
  stage: said(
    choice(stages).optional(),
    'observe: record and let through. read-only: only tools classed "read". pilot: only the pilots. everyone.',
  ),
  pilots: said(
    patterns('callers').optional(),
    'For stage "pilot": names of callers, patterns, or roles as "role:NAME".',
  ),
  mode: said(choice(modes).optional(), 'observe: what would be denied is recorded and let through.'),
  pins: said(
    choice(['first', 'approved', 'off']).optional(),
    'first: the first listing counts as approved. approved: nothing does until `mcpd ctl pin`. off: definitions may change unnoticed.',
  ),
  check_arguments: said(
    yesOrNo.optional(),
    "true: arguments are held against the tool's own schema before a call goes out.",
  ),
  tools: said(toolsShape.default({}), 'Name or pattern of a tool → its class of risk and its side effect.'),
  limits: said(limitsShape.prefault({}), 'How often the server may be called.'),
  rule: said(
    z.array(ruleShape, 'rules, each under [[rule]]').default([]),
    'What the server may be called for. Where no rule matches, the answer is no.',
  ),
  limit: said(
    z
      .array(limitShape, 'limits, each under [[limit]]; lines such as per_caller belong under [limits]')
      .max(256, 'at most 256 limits')
      .default([]),
    'Further limits and budgets. All that fit a call are charged, or none.',
  ),
  redact: said(
    z.array(redactShape, 'redactions, each under [[redact]]').max(256, 'at most 256 redactions').default([]),
    'What is taken out of messages besides secrets.',
  ),
  case: said(
    z.array(caseShape, 'cases, each under [[case]]').max(10_000, 'at most 10000 cases').default([]),
    'Examples that must come out as they say: `mcpd policy test`.',
  ),
};

const extendsShape = table(
  {
    file: said(words('a base file', 4096), 'The base file, counted from the folder of this file.'),
    sha256: said(
      text(
        'the SHA-256 of the base file: 64 of 0-9 and a-f',
        (written) => (/^[0-9a-f]{64}$/.test(written) ? written : undefined),
        '^[0-9a-f]{64}$',
      ),
      'Pins the bytes of the base file.',
    ),
  },
  'a table such as { file = "../base/NAME.toml", sha256 = "…" }',
);

/** How to run the server. These have no place in a base. */
const launch = {
  command: said(words('a program', 4096), 'The program: an absolute path, a path from here, or a bare name.'),
  args: said(
    list(
      text('text in quotes without NUL, at most 65536 characters', (written) =>
        written.length <= 65_536 && !written.includes('\0') ? written : undefined,
      ),
      'a list of texts',
      256,
    ).default([]),
    'Its arguments, handed over as they are. There is no shell.',
  ),
  sha256: said(programDigest.optional(), 'Pins the file of the program: another one is not started.'),
  package: said(
    packageShape.optional(),
    'Pins the package that npx and its like run: another one is not started.',
  ),
  cwd: said(
    words('a folder', 4096).default('.'),
    'Its working folder, counted from the folder of this file.',
  ),
  sharing: said(
    choice(
      ['session', 'principal', 'all'],
      '"session" (a child for each client session), "principal" (one for each caller) or "all" (one for everybody)',
    ).default('session'),
    'Who shares a child: nobody, the sessions of one caller, or everybody.',
  ),
  protocol: said(
    choice(
      ['auto', 'legacy', 'modern'],
      '"auto" (found out by asking), "legacy" (2024-11-05 to 2025-11-25) or "modern" (2026-07-28)',
    ).default('auto'),
    'Which era of MCP the server speaks.',
  ),
  idle: said(
    duration('1s', '30d').prefault('10m'),
    'A shared child that nobody used for so long is stopped.',
  ),
  spare: said(count(0, 64).default(0), 'Children that are up before a session needs them.'),
  concurrency: said(
    count(1, 4096).optional(),
    'Calls inside one child at once: 32, or 64 when all share it.',
  ),
  waiting_max: said(count(0, 100_000).default(256), 'Calls that may stand in line for a child.'),
  answer_within: said(duration('10ms', '1d').prefault('60s'), 'How long one answer may take.'),
  start_within: said(duration('10ms', '10m').prefault('20s'), 'From the start to the answer to initialize.'),
  children_max: said(count(1, 4096).default(64), 'Children at once.'),
  line_max: said(
    size('1KiB', '256MiB').prefault('16MiB'),
    'One message from the child; a longer one is thrown away.',
  ),
  record_payloads: said(
    yesOrNo.default(false),
    'true: the journal also keeps arguments and results, after the redactor.',
  ),
  env: said(variables.default({}), 'Variables of its environment: the text itself, never a secret.'),
  paths: said(variables.default({}), 'Variables that hold a path, counted from the folder of this file.'),
  secrets: said(
    secretUses.default({}),
    'Variables that hold a secret: "keychain:NAME", "vault:NAME", "systemd:NAME", "file:PATH", "env:NAME" or "COMMAND:…"; or { from = "…", ttl = "1h" }.',
  ),
  ...careKeys,
  ...sandboxKeys,
  extends: said(
    extendsShape.optional(),
    'A shared base. This file can then only restrict what the base allows.',
  ),
};

export const launchKeys: readonly string[] = Object.keys(launch);

/** The shape of a base file. */
export const baseShape = table(terms);
export type WrittenTerms = z.output<typeof baseShape>;

/** The shape of servers/NAME.toml. */
export const serverShape = table({ ...launch, ...terms });
export type WrittenServer = z.output<typeof serverShape>;
