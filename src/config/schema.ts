import { z } from 'zod';
import type { Issuer } from '../domain/issuer.ts';
import type { AuditTerms, OverloadTerms } from '../domain/care.ts';
import type { LimitText, Webhook } from '../domain/orders.ts';
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
import { readReference, referenceForms } from '../domain/secret-reference.ts';
import type { SecretSettings } from '../domain/secret-reference.ts';
import { auditShape, overloadShape } from './schema-care.ts';
import { daemonLimitsShape } from './schema-limits.ts';
import { listenShape, type ListenDoors } from './schema-listen.ts';
import { oauthShape, publicUrlShape } from './schema-oauth.ts';
import { secretsShape } from './schema-secrets.ts';

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
    /** Where clients see the daemon, without a path; undefined: at its own address. */
    readonly publicUrl: string | undefined;
  } & ListenDoors;
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
  /** Across all servers. */
  readonly limits: readonly LimitText[];
  /** Role → names of callers or patterns. Pairs, because the names come from outside. */
  readonly roles: readonly (readonly [name: string, callers: readonly string[]])[];
  readonly webhooks: readonly Webhook[];
  /** Whose access tokens are believed; none: nobody's. */
  readonly oauth: readonly Issuer[];
  /** Where secrets are kept besides the keychain. */
  readonly secrets: SecretSettings;
  readonly log: { readonly level: LogLevel; readonly fileBytesMax: number; readonly filesMax: number };
  readonly audit: AuditTerms;
  readonly overload: OverloadTerms;
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

const webhookShape = table(
  {
    url: said(
      text('an address such as "https://chat.example/hook"; http only for this machine', (written) =>
        isHookUrl(written) ? written : undefined,
      ),
      'Where the question is sent.',
    ),
    secret: said(
      text(referenceForms, (written) => (readReference(written) === undefined ? undefined : written)),
      'What both sides sign with.',
    ),
  },
  'a table [webhooks.NAME]',
);

/** The shape of mcpd.toml. */
export const daemonShape = table({
  listen: said(
    table({
      host: said(hostName.default('127.0.0.1'), 'The address: an IP address or "localhost".'),
      port: said(count(1, 65_535).default(8377), 'The port.'),
      allowed_hosts: said(
        list(allowedHost, 'a list of hosts', 64).default([]),
        "Host header values that are served besides the daemon's own address.",
      ),
      allowed_origins: said(
        list(origin, 'a list of origins', 64).default([]),
        'Origins whose web pages may call.',
      ),
      http_sse: said(yesOrNo.default(false), 'Serve the transport of 2024-11-05 too.'),
      public_url: publicUrlShape,
      ...listenShape(hostName),
    }).prefault({}),
    'Where the daemon listens. Read at the start.',
  ),
  callers: said(
    table({
      without_key: said(
        withoutKey.prefault(false).meta({ enum: [anyoneMayCall, false] }),
        'Whether callers need no key. Only on a loopback address.',
      ),
    }).prefault({}),
    'Who may call. Read at the start.',
  ),
  requests: said(
    table({
      body_max: said(size('1KiB', '64MiB').prefault('4MiB'), 'A larger message is refused.'),
      depth_max: said(count(4, 512).default(64), 'Arrays and objects inside each other.'),
      read_within: said(duration('100ms', '10m').prefault('30s'), 'For a whole request to arrive.'),
      headers_within: said(duration('100ms', '10m').prefault('15s'), 'For its headers.'),
    }).prefault({}),
    'Bounds of a request. Read at the start.',
  ),
  sessions: said(
    table({
      max: said(count(1, 100_000).default(4096), 'Conversations at once.'),
      per_caller_max: said(count(1, 100_000).default(1024), 'Of them, for one caller.'),
      idle: said(duration('1s', '30d').prefault('30m'), 'A conversation silent for so long is closed.'),
      poll_after: said(
        duration('1s', '1h').optional(),
        'A call that takes longer lets go of its connection. Absent: never.',
      ),
    }).prefault({}),
    'Bounds of conversations. Read at the start.',
  ),
  limits: said(daemonLimitsShape.prefault({}), 'How often may be called, all servers together.'),
  roles: said(
    named(patterns('callers'), 'a table of lists of callers').default({}),
    'Role → names of callers, or patterns.',
  ),
  webhooks: said(
    named(webhookShape, 'tables [webhooks.NAME]').default({}),
    'Where questions go that a rule asks by "webhook:NAME".',
  ),
  oauth: said(oauthShape.default({}), 'Whose access tokens are believed (OAuth 2.1). Read at the start.'),
  secrets: said(secretsShape.prefault({}), 'Where secrets are kept besides the keychain.'),
  log: said(
    table({
      level: said(choice(logLevels, `one of ${logLevels.join(', ')}`).default('info'), 'How much is logged.'),
      file_max: said(size('64KiB', '999MiB').prefault('16MiB'), 'The size at which a new file begins.'),
      files_max: said(count(1, 100).default(8), 'How many files are kept.'),
    }).prefault({}),
    'The log. Read at the start.',
  ),
  audit: said(auditShape.prefault({}), 'The journal. Read at the start.'),
  overload: said(overloadShape.prefault({}), 'From when on requests are turned away. Read at the start.'),
  stop: said(
    table({
      drain_within: said(duration('0ms', '10m').prefault('10s'), 'Calls under way may finish for so long.'),
    }).prefault({}),
    'How the daemon stops. Read at the start.',
  ),
  confirm: said(
    table({
      questions_max: said(count(1, 10_000).default(64), 'Questions that may wait at once.'),
    }).prefault({}),
    'Questions that wait for the operator. Read at the start.',
  ),
  state: said(
    table({ dir: said(words('a folder', 4096).optional(), 'Where keys, journal and log live.') }).prefault(
      {},
    ),
    'Where the state is kept. Read at the start.',
  ),
  profiles: said(
    named(list(serverName, 'a list of servers', 64), 'a table of lists of servers').default({}),
    'Name → servers: what /mcp?profile=NAME shows. Read at the start.',
  ),
});

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

function isHookUrl(written: string): boolean {
  const url = URL.parse(written);
  // A user name or password in an address ends in logs; a secret belongs to `secret`.
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return (
    written.length <= 2048 && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(host)))
  );
}
