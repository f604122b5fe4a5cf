/** Schemes whose authority every URL reader rewrites to one form (WHATWG URL, special schemes). */
const special = new Set(['http:', 'https:', 'ws:', 'wss:', 'ftp:', 'file:']);

const CONTROL = /[\u0000-\u001f\u007f-\u009f\\]/;
/** A `.` or `..` segment, wherever a careless reader may see the end of one (`;` ends a segment for some). */
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:[/?#;]|$)/;

/**
 * Whether a URI is written in the one form that all readers understand alike. Only such a URI may be allowed: of
 * `file:///pub/../secret`, `file:///%73ecret` and `FILE:///secret` a pattern sees something else than the server does.
 * Linear in the length.
 */
export function isPlain(uri: string): boolean {
  if (CONTROL.test(uri) || !uri.isWellFormed() || uri.trim() !== uri) return false;
  const scheme = /^[a-z][a-z0-9+.-]*:/.exec(uri)?.[0];
  if (scheme === undefined) return false;
  const { authority, path, rest } = split(uri.slice(scheme.length));
  if (authority === undefined ? special.has(scheme) : !plainAuthority(scheme, authority)) return false;
  if (path.includes('//') || DOT_SEGMENT.test(path) || DOT_SEGMENT.test(rest)) return false;
  return !uri.includes('%') || plainPercent(uri);
}

/** The authority is undefined where there is no `//`. `rest` begins with `?` or `#`, or is empty. */
function split(afterScheme: string): { authority: string | undefined; path: string; rest: string } {
  const end = afterScheme.search(/[?#]/);
  const hierarchy = end < 0 ? afterScheme : afterScheme.slice(0, end);
  const rest = end < 0 ? '' : afterScheme.slice(end);
  if (!hierarchy.startsWith('//')) return { authority: undefined, path: hierarchy, rest };
  const slash = hierarchy.indexOf('/', 2);
  if (slash < 0) return { authority: hierarchy.slice(2), path: '', rest };
  return { authority: hierarchy.slice(2, slash), path: hierarchy.slice(slash), rest };
}

function plainAuthority(scheme: string, authority: string): boolean {
  // `https://good@evil/`: the host is not what comes first.
  if (authority.includes('@')) return false;
  // A template's `{host}` is text; no URL reader takes a brace for a host, so nothing can hide behind one.
  if (!special.has(scheme) || authority.includes('{')) return true;
  if (scheme === 'file:') return authority === authority.toLowerCase() && authority !== 'localhost';
  const url = URL.parse(`${scheme}//${authority}`);
  // Another host after parsing: upper case, a default port, an IPv4 address as one number, an internationalised name.
  return url?.host === authority && !url.hostname.endsWith('.');
}

function plainPercent(uri: string): boolean {
  for (let at = uri.indexOf('%'); at >= 0; at = uri.indexOf('%', at + 1)) {
    const hex = uri.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return false;
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    if (/[\u0000-\u001f\u007fA-Za-z0-9._~/\\-]/.test(character)) return false;
    // Encoded twice: a reader that decodes twice sees another path.
    if (character === '%' && /^[0-9A-Fa-f]{2}/.test(uri.slice(at + 3, at + 5))) return false;
  }
  // Overlong and broken UTF-8 (`%C0%AF` for `/`).
  return decoded(uri) !== undefined;
}

/**
 * What careless readers may take a URI for: percent-encoding undone, dots resolved, query, fragment, user and a last slash
 * left off. A rule that denies one of these denies the URI. Bounded: a handful of forms.
 */
export function readings(uri: string): readonly string[] {
  if (!ODD.test(uri)) return [];
  let text = uri;
  for (let round = 0; round < 3; round++) text = decodedOnce(text);
  text = text
    .replaceAll('\\', '/')
    .replaceAll(/[\u0000-\u001f\u007f]/g, '')
    .trim();
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(text)?.[0] ?? '';
  const { authority, path, rest } = split(text.slice(scheme.length));
  const lower = scheme.toLowerCase();
  const host = hostOf(lower, authority);
  const start = `${lower}${host === undefined ? '' : `//${host}`}`;
  const clean = resolved(path);
  const fragment = rest.indexOf('#');
  const forms = new Set([uri, `${start}${clean}${rest}`, `${start}${clean}`]);
  if (fragment >= 0) forms.add(`${start}${clean}${rest.slice(0, fragment)}`);
  if (clean.endsWith('/')) forms.add(`${start}${clean.slice(0, -1)}`);
  forms.delete(uri);
  return [...forms];
}

/** What may make two readers disagree; a URI without any of it has no other reading. */
const ODD = /[%#?\\@\u0000-\u0020A-Z]|\/\/.*\/\/|\/\.|:\/(?!\/)|:\d|\/$|localhost/;

function hostOf(scheme: string, authority: string | undefined): string | undefined {
  if (authority === undefined) return scheme === 'file:' ? '' : undefined;
  const host = authority.slice(authority.lastIndexOf('@') + 1).toLowerCase();
  if (scheme === 'file:') return host === 'localhost' ? '' : host;
  const parsed = special.has(scheme) ? URL.parse(`${scheme}//${host}`)?.host : undefined;
  return parsed ?? host;
}

function resolved(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  segments.forEach((segment, at) => {
    const last = at === segments.length - 1;
    if (segment === '..') kept.pop();
    else if (segment !== '.' && (segment !== '' || last)) kept.push(segment);
    if (last && (segment === '.' || segment === '..')) kept.push('');
  });
  return `${path.startsWith('/') ? '/' : ''}${kept.join('/')}`;
}

/** Percent-encoding undone once; where it is no valid UTF-8, byte by byte. */
export function decodedOnce(text: string): string {
  if (!text.includes('%')) return text;
  return (
    decoded(text) ??
    text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  );
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not valid percent-encoded UTF-8; the caller decides what that means.
    return undefined;
  }
}
