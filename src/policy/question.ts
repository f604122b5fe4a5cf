import type { Denial } from '../domain/decision.ts';
import type { JsonObject } from '../domain/message.ts';

/**
 * Questions that no policy can allow: an elicitation that would have the user open anything but a web page.
 * `javascript:` and `file:` links run or read things on the user's machine (2025-11-25 client/elicitation, URL mode).
 */
export function harmful(method: string, params: JsonObject): Denial | undefined {
  if (method !== 'elicitation/create') return undefined;
  const links = Object.keys(params).filter((key) => key.toLowerCase() === 'url');
  if (links.length === 0) return undefined;
  // A client that ignores case would open `URL` and not the `url` that was looked at.
  const url = links.length === 1 ? params['url'] : undefined;
  if (typeof url === 'string' && URL.canParse(url) && schemes.has(new URL(url).protocol)) return undefined;
  return {
    kind: 'deny',
    rule: 'built-in: only web links',
    reason: 'The link is not a web page.',
    hidden: false,
  };
}

const schemes = new Set(['https:', 'http:']);
