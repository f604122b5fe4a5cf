import { lookup } from 'node:dns/promises';
import { Agent as PlainAgent, request as plainRequest, type IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { AskIssuer, IssuerForm } from './callers/issuers.ts';
import type { Issuer } from './domain/issuer.ts';
import { canonical, decodeUtf8, valueOf } from './protocol/codec.ts';
import { reaches } from './public-address.ts';

export type AuthorityParts = {
  readonly version: string;
  /** Instead of the system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly Address[]>;
  /** Certificates to trust besides those that Node trusts. */
  readonly ca?: string;
  readonly answerWithinMs?: number;
};
type Address = { readonly address: string; readonly family: number };

const bytesMax = 1024 * 1024;
const depthMax = 32;
const answerWithinMsDefault = 5_000;

/**
 * The one door to the issuers of tokens. It goes to the hosts that the owner wrote and to no other, follows no redirect, takes
 * a JSON text of at most 1 MiB within 5 s, and connects to exactly the addresses that were looked at: a name that
 * resolves to an address inside (DNS rebinding, SSRF) gets nobody in, unless the owner said `private_network = true`.
 */
export function openAuthority(parts: AuthorityParts): AskIssuer {
  return async (issuer, written, post) => {
    const url = placeOf(issuer, written);
    const signal = AbortSignal.timeout(parts.answerWithinMs ?? answerWithinMsDefault);
    try {
      const addresses = await inTime(addressesOf(url, issuer, parts), signal);
      const answer = await ask(url, addresses, post, signal, parts);
      return await read(answer);
    } catch (reason) {
      if (signal.aborted) throw new Error(`${url.host} took too long`, { cause: reason });
      throw reason;
    }
  };
}

/** The address as a URL. Throws for one that nobody wrote, whoever made it up. */
function placeOf(issuer: Issuer, written: string): URL {
  const url = new URL(written);
  const configured = [issuer.issuer, issuer.jwksUri, issuer.introspection?.url];
  const isConfigured = configured.some((it) => it !== undefined && new URL(it).origin === url.origin);
  if (!isConfigured) throw new Error(`${url.host} is not named for ${issuer.name} in mcpd.toml`);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackName(url)))
    throw new Error(`${url.host} is not reached by https`);
  return url;
}

async function addressesOf(url: URL, issuer: Issuer, parts: AuthorityParts): Promise<readonly Address[]> {
  const host = bare(url);
  const family = isIP(host);
  const resolve = parts.resolve ?? ((name: string) => lookup(name, { all: true }));
  const found = family === 0 ? await resolve(host) : [{ address: host, family }];
  if (found.length === 0) throw new Error(`${host} has no address`);
  for (const { address } of found) {
    const kind = reaches(address);
    // An owner who writes this machine means this machine, and nothing that its name may be made to resolve to.
    const isMeant = isLoopbackName(url) ? kind === 'loopback' : kind === 'public';
    const isAllowed = issuer.privateNetwork && (kind === 'private' || kind === 'loopback');
    if (!isMeant && !isAllowed)
      throw new Error(`${host} is at ${address}, which is not public; see private_network in mcpd.toml`);
  }
  return found;
}

function ask(
  url: URL,
  addresses: readonly Address[],
  post: IssuerForm | undefined,
  signal: AbortSignal,
  { version, ca }: AuthorityParts,
): Promise<IncomingMessage> {
  // Not looked up again: a name could resolve to something else the second time.
  const pinned: LookupFunction = (_host, options, done) => {
    const [first] = addresses as readonly [Address];
    if (options.all === true) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };
  const body = post?.form.toString();
  const options = {
    method: post === undefined ? 'GET' : 'POST',
    signal,
    lookup: pinned,
    headers: {
      accept: 'application/json, application/jwk-set+json',
      'accept-encoding': 'identity',
      'user-agent': `mcpd/${version}`,
      ...(post === undefined || body === undefined
        ? {}
        : {
            authorization: post.authorization,
            'content-type': 'application/x-www-form-urlencoded',
            'content-length': Buffer.byteLength(body),
          }),
    },
  };
  return new Promise((resolve, reject) => {
    // Agents of its own: no proxy of the environment's, and no connection that outlives its answer.
    const sent =
      url.protocol === 'https:'
        ? request(url, {
            ...options,
            agent: new Agent({ keepAlive: false }),
            minVersion: 'TLSv1.2',
            // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
            rejectUnauthorized: true,
            ...(ca === undefined ? {} : { ca }),
          })
        : plainRequest(url, { ...options, agent: new PlainAgent({ keepAlive: false }) });
    sent.on('response', resolve);
    sent.on('error', (cause: NodeJS.ErrnoException) =>
      reject(new Error(`${url.host} cannot be reached (${cause.code ?? cause.name})`, { cause })),
    );
    sent.end(body);
  });
}

async function read(answer: IncomingMessage): Promise<unknown> {
  try {
    const { statusCode = 0, headers } = answer;
    if (statusCode !== 200) throw new Error(`HTTP ${statusCode}`);
    const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    if (!/^application\/([a-z0-9.-]+\+)?json$/.test(type)) throw new Error('the answer is not JSON');
    if (headers['content-encoding'] !== undefined) throw new Error('the answer is compressed');
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error('the answer is larger than 1 MiB');
      chunks.push(chunk);
    }
    return valueOf(canonical(decodeUtf8(Buffer.concat(chunks)), { bytesMax, depthMax }));
  } finally {
    // Whatever is left of it is not waited for.
    answer.destroy();
  }
}

function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('too slow')), { once: true });
    work.then(resolve, reject);
  });
}

function isLoopbackName(url: URL): boolean {
  const host = bare(url);
  return host === 'localhost' || reaches(host) === 'loopback';
}

function bare({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}
