/**
 * Every address at which the front answers. `server.ts` goes by this table alone, so that what there is to attack can be
 * read from it, and a test tries every kind of bad credential at every row.
 */
export type Route = {
  /** NAME stands for the name of a server or a webhook. */
  readonly shape: string;
  readonly to: 'server' | 'hall' | 'healthz' | 'readyz' | 'approvals' | 'metadata' | 'sse' | 'messages';
  /** What opens it: a key or token, a signature over the body, or nothing. */
  readonly wants: 'credential' | 'signature' | 'nothing';
  readonly methods: readonly ('GET' | 'HEAD' | 'POST' | 'DELETE')[];
  /** What the owner has to have configured. */
  readonly where: 'always' | 'oauth' | 'http_sse';
};

const read = ['GET', 'HEAD'] as const;
const talk = ['GET', 'POST', 'DELETE'] as const;
const wellKnown = '/.well-known/oauth-protected-resource';

/** The first row is the one that calls come by. */
export const routes: readonly Route[] = [
  { shape: '/servers/NAME/mcp', to: 'server', wants: 'credential', methods: talk, where: 'always' },
  { shape: '/mcp', to: 'hall', wants: 'credential', methods: talk, where: 'always' },
  { shape: '/healthz', to: 'healthz', wants: 'nothing', methods: read, where: 'always' },
  { shape: '/readyz', to: 'readyz', wants: 'nothing', methods: read, where: 'always' },
  { shape: '/approvals/NAME', to: 'approvals', wants: 'signature', methods: ['POST'], where: 'always' },
  { shape: '/servers/NAME/sse', to: 'sse', wants: 'credential', methods: ['GET'], where: 'http_sse' },
  {
    shape: '/servers/NAME/messages',
    to: 'messages',
    wants: 'credential',
    methods: ['POST'],
    where: 'http_sse',
  },
  { shape: wellKnown, to: 'metadata', wants: 'nothing', methods: read, where: 'oauth' },
  { shape: `${wellKnown}/mcp`, to: 'metadata', wants: 'nothing', methods: read, where: 'oauth' },
  { shape: `${wellKnown}/servers/NAME/mcp`, to: 'metadata', wants: 'nothing', methods: read, where: 'oauth' },
];

/** Exactly: no decoding, no normalising, so that no second spelling slips past a check. */
const compiled = routes.map((route) => ({
  route,
  path: new RegExp(`^${route.shape.replaceAll('.', '\\.').replace('NAME', '([a-z0-9-]{1,32})')}$`),
}));

/** The route of a path without its query, and the name in it, `''` where it has none. Undefined: there is nothing there. */
export function findRoute(
  path: string,
  served: Readonly<Record<Route['where'], boolean>>,
): { readonly to: Route['to']; readonly name: string } | undefined {
  for (const { route, path: form } of compiled) {
    const found = form.exec(path);
    if (found !== null && served[route.where]) return { to: route.to, name: found[1] ?? '' };
  }
  return undefined;
}
