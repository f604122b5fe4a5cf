import type { Challenged, Door } from './front-plane.ts';
import { metadataUrl, scopeFor, type OAuthFace } from './metadata.ts';

const realm = 'Bearer realm="mcpd"';

/**
 * The value of `WWW-Authenticate`: where the metadata is (RFC 9728 section 5.1), what was wrong (RFC 6750 section 3.1), and
 * the scope to ask for. Nothing of what was presented is in it.
 */
export function challenge(face: OAuthFace, door: Door, { presented, needs }: Challenged): string {
  if (face.issuers.length === 0) return realm;
  const parameters = [realm];
  if (needs !== undefined) parameters.push('error="insufficient_scope"');
  // Without a credential there was no mistake, and the client is told none.
  else if (presented) parameters.push('error="invalid_token"');
  const scope = scopeFor(face.issuers, needs ?? 'read');
  if (scope !== undefined) parameters.push(`scope="${scope}"`);
  parameters.push(`resource_metadata="${metadataUrl(face.publicUrl, door.server)}"`);
  return parameters.join(', ');
}
