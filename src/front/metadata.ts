import type { IncomingMessage, ServerResponse } from 'node:http';
import { isHall } from '../call/hall-choice.ts';
import { Fault } from '../domain/faults.ts';
import type { Issuer } from '../domain/issuer.ts';
import { risks, type Risk } from '../domain/orders.ts';

/** What clients are told about where to get a token. */
export type OAuthFace = {
  /** Without a path or a slash at its end. */
  readonly publicUrl: string;
  /** None: callers have keys, and there is nothing to tell. */
  readonly issuers: readonly Issuer[];
};

const wellKnown = '/.well-known/oauth-protected-resource';
const route = /^\/\.well-known\/oauth-protected-resource(?:\/mcp|\/servers\/([a-z0-9-]{1,32})\/mcp)?$/;

/**
 * What a token for a server has to name as its audience (RFC 8707): the address at which clients find it. The hall stands
 * for the house's own routes as well, and is one resource, whichever servers somebody chooses to see in it.
 */
export function resourceOf(publicUrl: string, server: string): string {
  return publicUrl + pathOf(server);
}

/** Where the metadata of that resource is (RFC 9728 section 3.1). */
export function metadataUrl(publicUrl: string, server: string): string {
  return publicUrl + wellKnown + pathOf(server);
}

/**
 * The server whose metadata a path asks for, `''` for the hall; undefined for any other path. Clients that are given no
 * address try the root, and find the hall.
 */
export function metadataRoute(path: string): string | undefined {
  const found = route.exec(path);
  return found === null ? undefined : (found[1] ?? '');
}

/**
 * Answers with the metadata of a resource (RFC 9728 section 2), to anyone: a client reads it before it can sign in. Every name
 * that could be a server's is answered alike, so that nobody learns which servers there are.
 */
export function sendMetadata(
  req: IncomingMessage,
  res: ServerResponse,
  server: string,
  face: OAuthFace,
): void {
  if (face.issuers.length === 0) throw new Fault('NO_ROUTE');
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.setHeader('allow', 'GET, HEAD');
    throw new Fault('WRONG_METHOD');
  }
  const text = JSON.stringify(metadataOf(server, face));
  res.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'public, max-age=300',
    'content-length': Buffer.byteLength(text),
  });
  res.end(req.method === 'HEAD' ? undefined : text);
}

/** The document itself. Its scope is the mildest: a client asks for more when a tool turns out to need it. */
export function metadataOf(server: string, { publicUrl, issuers }: OAuthFace): object {
  const scope = scopeFor(issuers, 'read');
  return {
    resource: resourceOf(publicUrl, server),
    authorization_servers: issuers.map(({ issuer }) => issuer),
    ...(scope === undefined ? {} : { scopes_supported: [scope] }),
    bearer_methods_supported: ['header'],
    resource_name: server === '' || isHall(server) ? 'mcpd' : `mcpd: ${server}`,
  };
}

/**
 * The one scope that opens a class of tool, the milder classes included: the mildest that is grave enough. Undefined where
 * issuers name their scopes differently, because a challenge cannot know which of them the client will ask.
 */
export function scopeFor(issuers: readonly Issuer[], needs: Risk): string | undefined {
  const scopes = issuers.map((issuer) => {
    const enough = risks.slice(risks.indexOf(needs)).find((risk) => issuer.scopes?.[risk] !== undefined);
    return enough === undefined ? undefined : issuer.scopes?.[enough];
  });
  return scopes.every((it) => it === scopes[0]) ? scopes[0] : undefined;
}

function pathOf(server: string): string {
  return server === '' || isHall(server) ? '/mcp' : `/servers/${server}/mcp`;
}
