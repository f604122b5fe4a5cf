import type { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from '../domain/caller.ts';
import { readJson } from '../domain/read-json.ts';

/** What a verified certificate says of its holder, each name with its kind in front; see `PeerCertificate`. */
export function certificateOf(found: X509Certificate): PeerCertificate {
  const subject = subjectOf(found.subject);
  return {
    names: [
      ...alternativeNames(found.subjectAltName ?? ''),
      ...(subject === '' ? [] : [`subject:${subject}`]),
    ],
    sha256: found.fingerprint256.replaceAll(':', '').toLowerCase(),
    untilMs: found.validToDate.getTime(),
  };
}

const kinds: ReadonlyMap<string, string> = new Map([
  ['URI', 'uri'],
  ['DNS', 'dns'],
  ['email', 'email'],
]);

/**
 * The alternative names (RFC 5280, 4.2.1.6) out of the one text that Node gives: `DNS:a, URI:b, DNS:"c, DNS:d"`. What holds
 * a comma, a quote or anything that is not printable stands there as a JSON string, so that a name cannot pretend to be two
 * (CVE-2021-44532). Text of any other form gives no names at all.
 */
export function alternativeNames(text: string): readonly string[] {
  const names: string[] = [];
  const one = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;
  while (one.lastIndex < text.length) {
    const [, kind = '', value = ''] = one.exec(text) ?? [];
    if (kind === '') return [];
    const said = kinds.get(kind);
    const name = value.startsWith('"') ? unquoted(value) : value;
    if (name === undefined) return [];
    // Names of hosts are the same in any case (RFC 4343); the others are compared as they are.
    if (said !== undefined && name !== '')
      names.push(`${said}:${said === 'dns' ? name.toLowerCase() : name}`);
  }
  return names;
}

function unquoted(text: string): string | undefined {
  try {
    return readJson(text) as string;
  } catch {
    return undefined;
  }
}

/**
 * A subject as `openssl x509 -noout -subject -nameopt RFC2253` shows it: the last part first, joined by commas. Node gives a
 * line for each part, with what could be taken for a separator escaped (RFC 4514), so that no value can pretend to be two.
 */
export function subjectOf(lines: string | undefined): string {
  return (lines ?? '').split('\n').reverse().join(',');
}
