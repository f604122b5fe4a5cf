import { choice, count, duration, said, size, table, words, yesOrNo } from './fields.ts';
import { z } from 'zod';

const durable = (mild: 'os' | 'disk') => choice(['os', 'disk']).default(mild);

/** The shape of `[audit]` in mcpd.toml. */
export const auditShape = table({
  durable: said(
    table({
      read: said(durable('os'), 'For tools classed "read", and for what is no tool call.'),
      write: said(durable('disk'), 'For tools classed "write".'),
      destructive: said(durable('disk'), 'For tools classed "destructive", and for those without a class.'),
    }).prefault({}),
    'os: a record survives the death of mcpd. disk: also a power cut; it is flushed before the call goes out.',
  ),
  file_max: said(size('64KiB', '1GiB').prefault('64MiB'), 'The size at which a new journal file begins.'),
  file_age: said(duration('1m', '365d').prefault('1d'), 'The age at which a new journal file begins.'),
  keep: said(duration('1h', '3650d').prefault('90d'), 'Closed files are removed when they are older.'),
  keep_max: said(size('1MiB', '4096GiB').prefault('16GiB'), 'And when all of them together are larger.'),
  checkpoint_every: said(
    duration('1s', '1h').prefault('10s'),
    'How often the end of a growing journal is signed.',
  ),
  checkpoints: said(
    words('a folder', 4096).optional(),
    'Where the signed checkpoints go: best another disk. Absent: the state directory.',
  ),
});

/** The shape of `[overload]` in mcpd.toml. */
export const overloadShape = table({
  requests_max: said(count(1, 1_000_000).default(8192), 'Requests under way at once.'),
  per_caller_max: said(count(1, 1_000_000).default(4096), 'Of them, of one caller.'),
  connections_max: said(count(16, 1_000_000).default(16_384), 'Connections at once.'),
  bodies_max: said(size('1MiB', '16GiB').prefault('256MiB'), 'Bytes of requests that are held at once.'),
  lag: said(duration('50ms', '1m').prefault('1s'), 'When mcpd is so late, nothing new is begun.'),
  unread_max: said(size('64KiB', '256MiB').prefault('8MiB'), 'What a reader of a stream may leave unread.'),
});

const healthShape = table(
  {
    every: said(
      duration('1s', '1d').prefault('15s'),
      'How often a silent child is asked whether it is there.',
    ),
    within: said(duration('10ms', '10m').prefault('5s'), 'How long the answer may take.'),
    failures: said(count(1, 100).default(2), 'So many unanswered in a row and the child is replaced.'),
    off: said(yesOrNo.default(false), 'true: nobody asks.'),
    tool: said(
      words('the name of a tool', 512).optional(),
      'A tool that only reads; a failing call means that the credential of the server does not work any more.',
    ),
    args: said(z.record(z.string(), z.json()).default({}), 'Its arguments. Nothing secret belongs here.'),
    tool_every: said(duration('10s', '30d').prefault('5m'), 'How often the tool is called.'),
  },
  'a table such as { every = "15s", tool = "whoami" }',
);

const restartsShape = table(
  {
    max: said(
      count(0, 1000).default(5),
      'More deaths than this and the child is given up: `mcpd ctl restart`.',
    ),
    within: said(duration('1s', '1d').prefault('1m'), 'The span in which they count.'),
  },
  'a table such as { max = 5, within = "1m" }',
);

/** What a server file says about keeping its children alive. */
export const careKeys = {
  start: said(
    choice(['now', 'wanted']).default('now'),
    'When children are started: now, or when the first call wants one.',
  ),
  restarts: said(restartsShape.prefault({}), 'How often a child that dies is brought back.'),
  health: said(healthShape.prefault({}), 'How mcpd finds out that a child hangs.'),
  resume: said(
    yesOrNo.default(false),
    'true: sessions outlive a restart of mcpd. Only where a server keeps nothing of a session besides its handshake.',
  ),
  answer_within_max: said(
    duration('10ms', '7d').prefault('1h'),
    'The longest that any call may take, whatever a tool says or progress it reports.',
  ),
};
