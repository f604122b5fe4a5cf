import { z } from 'zod';
import type { Rate } from '../domain/decision.ts';
import { count, duration, list, rate, size, table, text, words } from './fields.ts';

/** `policies/mcpd.toml`, read and checked. */
export type DaemonFile = {
  readonly file: string;
  readonly listen: {
    /** An address or `localhost`. */
    readonly host: string;
    readonly port: number;
    /** Host header values that are served besides the daemon's own address; lower case. */
    readonly allowedHosts: readonly string[];
    /** Origins whose pages may call; none by default. */
    readonly allowedOrigins: readonly string[];
    /** Whether the HTTP+SSE transport of 2024-11-05 is served beside the newer one. */
    readonly httpSse: boolean;
  };
  /** `allowed` only on loopback, and only when the owner wrote the whole sentence. */
  readonly callersWithoutKey: 'refused' | 'allowed';
  readonly requests: {
    readonly bodyBytesMax: number;
    readonly depthMax: number;
    readonly readWithinMs: number;
    readonly headersWithinMs: number;
  };
  readonly sessions: {
    readonly max: number;
    readonly perCallerMax: number;
    readonly idleMs: number;
    /** Connections on which a call's events are read are let go after this long; undefined: never. */
    readonly pollAfterMs: number | undefined;
  };
  /** Per caller, across all servers. */
  readonly perCaller: Rate | undefined;
  readonly log: { readonly level: LogLevel; readonly fileBytesMax: number; readonly filesMax: number };
  readonly drainWithinMs: number;
  /** Questions that may wait for the operator at once. */
  readonly questionsMax: number;
  /** Absolute. */
  readonly stateDir: string;
  /** Name → servers: what `/mcp?profile=NAME` shows. Pairs, because the names come from outside. */
  readonly profiles: readonly (readonly [name: string, servers: readonly string[]])[];
};

export type LogLevel = (typeof logLevels)[number];
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** Nobody types this by accident, and nobody who reads it can misunderstand it. */
export const anyoneMayCall = 'anyone on this machine may call';

const hostName = text('an IP address or "localhost"', readHost);
const allowedHost = text(
  'a host as a browser sends it, such as "mcpd.example:8377"; no scheme, no path, no *',
  readAuthority,
);
const origin = text('an origin such as "https://chat.example"; no path, no *', (written) =>
  URL.canParse(written) && new URL(written).origin === written ? written : undefined,
);
const serverName = text('the name of a server', (written) =>
  /^[a-z0-9-]{1,32}$/.test(written) ? written : undefined,
);
const withoutKey = z.unknown().transform((written, refused): 'allowed' | 'refused' => {
  if (written === anyoneMayCall) return 'allowed';
  if (written === false) return 'refused';
  refused.addIssue({
    code: 'custom',
    message: `the sentence "${anyoneMayCall}", or no such line`,
    input: written,
  });
  return z.NEVER;
});

/** The shape of mcpd.toml. */
export const daemonShape = table({
  listen: table({
    host: hostName.default('127.0.0.1'),
    port: count(1, 65_535).default(8377),
    allowed_hosts: list(allowedHost, 'a list of hosts', 64).default([]),
    allowed_origins: list(origin, 'a list of origins', 64).default([]),
    http_sse: z.boolean('true or false').default(false),
  }).prefault({}),
  callers: table({ without_key: withoutKey.prefault(false) }).prefault({}),
  requests: table({
    body_max: size('1KiB', '64MiB').prefault('4MiB'),
    depth_max: count(4, 512).default(64),
    read_within: duration('100ms', '10m').prefault('30s'),
    headers_within: duration('100ms', '10m').prefault('15s'),
  }).prefault({}),
  sessions: table({
    max: count(1, 100_000).default(4096),
    per_caller_max: count(1, 100_000).default(1024),
    idle: duration('1s', '30d').prefault('30m'),
    poll_after: duration('1s', '1h').optional(),
  }).prefault({}),
  limits: table({ per_caller: rate.optional() }).prefault({}),
  log: table({
    level: z.enum(logLevels, `one of ${logLevels.join(', ')}`).default('info'),
    file_max: size('64KiB', '999MiB').prefault('16MiB'),
    files_max: count(1, 100).default(8),
  }).prefault({}),
  stop: table({ drain_within: duration('0ms', '10m').prefault('10s') }).prefault({}),
  confirm: table({ questions_max: count(1, 10_000).default(64) }).prefault({}),
  state: table({ dir: words('a folder', 4096).optional() }).prefault({}),
  profiles: z
    .record(z.string(), list(serverName, 'a list of servers', 64), 'a table of lists of servers')
    .default({}),
});

const pattern = words('an exact name or a pattern with *', 512);
const patterns = (what: string) =>
  list(pattern, `a list of ${what}, each an exact name or a pattern with *`, 1000);
const variables = z.record(z.string(), z.string('text in quotes'), 'a table of variables');
export const verdicts = ['allow', 'deny', 'confirm'] as const;

/** The shape of one `[[rule]]`. */
export const ruleShape = table(
  {
    name: words('a name for the rule', 128),
    verdict: z.enum(verdicts, `one of ${verdicts.map((verdict) => `"${verdict}"`).join(', ')}`),
    callers: patterns('callers').optional(),
    tools: patterns('tools').optional(),
    resources: patterns('resource URIs').optional(),
    prompts: patterns('prompts').optional(),
    upcalls: patterns('methods').optional(),
    methods: patterns('methods').optional(),
    record: list(
      text('a path into the arguments such as "path" or "issue.number"', (written) =>
        written.length <= 256 && /^[^.\s]+(?:\.[^.\s]+)*$/.test(written) ? written : undefined,
      ),
      'a list of paths into the arguments',
      32,
    ).optional(),
    rate: rate.optional(),
    answer_within: duration('1s', '10m').optional(),
  },
  'a table [[rule]]',
);
export type WrittenRule = z.output<typeof ruleShape>;

/** The shape of servers/NAME.toml. */
export const serverShape = table({
  command: words('a program', 4096),
  args: list(
    text('text in quotes without NUL, at most 65536 characters', (written) =>
      written.length <= 65_536 && !written.includes('\0') ? written : undefined,
    ),
    'a list of texts',
    256,
  ).default([]),
  cwd: words('a folder', 4096).default('.'),
  sharing: z
    .enum(
      ['session', 'principal', 'all'],
      '"session" (a child for each client session), "principal" (one for each caller) or "all" (one for everybody)',
    )
    .default('session'),
  protocol: z
    .enum(
      ['auto', 'legacy', 'modern'],
      '"auto" (found out by asking), "legacy" (2024-11-05 to 2025-11-25) or "modern" (2026-07-28)',
    )
    .default('auto'),
  idle: duration('1s', '30d').prefault('10m'),
  spare: count(0, 64).default(0),
  concurrency: count(1, 4096).optional(),
  waiting_max: count(0, 100_000).default(256),
  answer_within: duration('10ms', '1d').prefault('60s'),
  start_within: duration('10ms', '10m').prefault('20s'),
  children_max: count(1, 4096).default(64),
  line_max: size('1KiB', '256MiB').prefault('16MiB'),
  record_payloads: z.boolean('true or false').default(false),
  env: variables.default({}),
  paths: variables.default({}),
  secrets: variables.default({}),
  limits: table({ per_caller: rate.optional(), per_tool: rate.optional() }).prefault({}),
  rule: z.array(ruleShape, 'rules, each under [[rule]]').default([]),
});
export type WrittenServer = z.output<typeof serverShape>;

/** Whether a host can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function readHost(written: string): string | undefined {
  if (written === 'localhost') return written;
  // An address that a URL reader gives back unchanged is one; `127.1` and `0x7f000001` are not, they only mean one.
  if (/^\d+(\.\d+){3}$/.test(written))
    return URL.parse(`http://${written}`)?.hostname === written ? written : undefined;
  return written.includes(':') && URL.canParse(`http://[${written}]`) ? written.toLowerCase() : undefined;
}

function readAuthority(written: string): string | undefined {
  const plain = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(written);
  return plain && URL.canParse(`http://${written}`) ? written.toLowerCase() : undefined;
}
