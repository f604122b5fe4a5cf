import type { Check, Holds } from '../domain/conditions.ts';
import type { Pattern } from '../domain/orders.ts';
import { namePattern, uriPattern, type Compiled } from './match.ts';
import { isPlain } from './uri.ts';

type UrlCheck = Extract<Check, { kind: 'url' }>;

/**
 * A test for a URL in an argument. It is met only where every reader of URLs takes the text for the same host: a text that
 * some readers understand otherwise is unknown, so that it is neither allowed nor slips past a denial.
 */
export function urlTest(check: UrlCheck, complain: (what: string) => void): (value: string) => Holds {
  const schemes = new Set(check.schemes.map((it) => it.toLowerCase().replace(/:$/, '')));
  const hosts = check.hosts.flatMap((it) => {
    const host = hostPattern(it);
    if (host === undefined) complain(`url.hosts: the pattern ${JSON.stringify(it)} is no pattern for a host`);
    return host === undefined ? [] : [host];
  });
  const paths = check.paths?.flatMap((it) => {
    const compiled = uriPattern(it);
    if (!compiled.ok) complain(`url.paths: the pattern ${JSON.stringify(it)} ${compiled.what}`);
    return compiled.ok ? [compiled.pattern] : [];
  });
  return (value) => {
    const url = plainUrl(value);
    if (url === undefined) return 'unknown';
    const scheme = url.protocol.slice(0, -1);
    if (!schemes.has(scheme) || !hosts.some((fits) => fits(url.hostname))) return 'no';
    if (check.ports !== undefined && !check.ports.includes(portOf(url))) return 'no';
    if (paths === undefined) return 'yes';
    // `/v1/..%2fadmin` is one segment to us and two to whoever decodes it.
    if (!isPlain(`${url.protocol}//${url.host}${url.pathname}`)) return 'unknown';
    return paths.some((it) => it.test(url.pathname)) ? 'yes' : 'no';
  };
}

const charsMax = 8192;

/** Undefined: no URL, or one whose host depends on who reads it (`https://good\@evil`, `https:evil`, `https://127.1`). */
function plainUrl(value: string): URL | undefined {
  if (value.length > charsMax || /[^\u0021-\u007e]|\\/.test(value)) return undefined;
  const written = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(value)?.[1]?.toLowerCase();
  const url = URL.parse(value);
  if (written === undefined || written === '' || url === null) return undefined;
  const { hostname } = url;
  // A host with a dot at its end is the same host to DNS, and another one to a list of hosts.
  if (hostname === '' || hostname.endsWith('.')) return undefined;
  return written === hostname || written === `${hostname}:${portOf(url)}` ? url : undefined;
}

const defaultPorts = new Map([
  ['http:', 80],
  ['https:', 443],
  ['ws:', 80],
  ['wss:', 443],
  ['ftp:', 21],
]);

function portOf(url: URL): number {
  return url.port === '' ? (defaultPorts.get(url.protocol) ?? 0) : Number(url.port);
}

/** Label by label, so that a star never crosses a dot: `*.example.com` is not `example.com` and not `a.b.example.com`. */
function hostPattern(text: string): ((host: string) => boolean) | undefined {
  if (/[^\u0021-\u007e]|[/\\?#@]/.test(text)) return undefined;
  const lower = text.toLowerCase();
  const compiled: Compiled[] = lower.split('.').map(namePattern);
  const labels = compiled.flatMap((it): Pattern[] => (it.ok ? [it.pattern] : []));
  if (labels.length !== compiled.length) return undefined;
  return (host) => {
    const parts = host.split('.');
    return parts.length === labels.length && labels.every((it, at) => it.test(parts[at] ?? ''));
  };
}
