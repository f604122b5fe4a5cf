/** Every kind of credential that is none. */
import { createHmac } from 'node:crypto';
import { until, type TestDaemon } from '../support/daemon.ts';

/** A credential that opens nothing. `authorization`: it stands where credentials belong, so even the bare status is refused. */
export type Bad = {
  readonly name: string;
  readonly headers: readonly string[];
  readonly query?: string;
  readonly authorization: boolean;
  /** What is told about it where it is not just unknown. */
  readonly status?: number;
};

/** Good keys and ids of the daemon under attack, of which bad credentials are made. */
export type Material = {
  readonly key: string;
  readonly revoked: string;
  readonly session: string;
  readonly operatorToken: string | undefined;
  readonly expired: string | undefined;
};

export function badCredentials(has: Material): Bad[] {
  const { key, session } = has;
  const [, id = '', secret = ''] = /^mcpd_(\w{8})_(.*)$/.exec(key) ?? [];
  const authorization = (name: string, value: string, status?: number): Bad => ({
    name,
    headers: [`Authorization: ${value}`],
    authorization: true,
    ...(status === undefined ? {} : { status }),
  });
  const header = (name: string, value: string): Bad => ({
    name: `the key in ${name}`,
    headers: [`${name}: ${value}`],
    authorization: false,
  });
  const claims = { iss: 'https://auth.example', sub: 'tester', aud: 'mcpd', exp: 4_000_000_000 };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const hmac = `${part({ alg: 'HS256', typ: 'at+jwt' })}.${part(claims)}`;
  return [
    { name: 'none', headers: [], authorization: false },
    authorization('an empty header', ''),
    authorization('an empty Bearer', 'Bearer '),
    authorization('Bearer without a blank', `Bearer${key}`),
    authorization('Basic', `Basic ${Buffer.from(`tester:${key}`).toString('base64')}`),
    authorization('an empty Basic', 'Basic Og=='),
    authorization('the key with no scheme', key),
    authorization('the key in another scheme', `Token ${key}`),
    authorization('the key in quotes', `Bearer "${key}"`),
    authorization('two keys', `Bearer ${key}, Bearer ${key}`),
    authorization('another secret for the same id', `Bearer mcpd_${id}_${'A'.repeat(43)}`),
    authorization('the same secret for another id', `Bearer mcpd_ZZZZZZZZ_${secret}`),
    authorization('the key cut short', `Bearer ${key.slice(0, -1)}`),
    authorization('the key and more', `Bearer ${key}A`),
    authorization('the key in upper case', `Bearer ${key.toUpperCase()}`),
    authorization('the id alone', `Bearer mcpd_${id}`),
    authorization('the hash of nothing', `Bearer mcpd_${id}_`),
    authorization('a revoked key', `Bearer ${has.revoked}`),
    authorization('undefined', 'Bearer undefined'),
    authorization('the name of a caller', 'Bearer tester'),
    authorization('a prototype', 'Bearer __proto__'),
    authorization('garbage with dots', 'Bearer a.b.c'),
    authorization('a token signed by nobody', `Bearer ${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`),
    authorization(
      'a token that an empty key signed',
      `Bearer ${hmac}.${createHmac('sha256', '').update(hmac).digest('base64url')}`,
    ),
    authorization('a session id', `Bearer ${session}`),
    authorization('a header of 5000 characters', `Bearer ${'a'.repeat(5000)}`),
    {
      name: 'a good key after a bad one',
      headers: ['Authorization: Bearer x', `Authorization: Bearer ${key}`],
      authorization: true,
      status: 400,
    },
    {
      name: 'a bad key after a good one',
      headers: [`Authorization: Bearer ${key}`, 'authorization: Bearer x'],
      authorization: true,
      status: 400,
    },
    { name: 'a session id alone', headers: [`Mcp-Session-Id: ${session}`], authorization: false },
    ...['access_token', 'token', 'api_key', 'key', 'authorization', 'apiKey'].map((name) => ({
      name: `the key as ${name} in the query`,
      headers: [],
      query: `${name}=${key}`,
      authorization: false,
    })),
    header('Cookie', `mcpd=${key}; authorization=Bearer ${key}; token=${key}`),
    ...sideDoors.map((name) => header(name, name.includes('uth') ? `Bearer ${key}` : key)),
    ...identities.map(([name, value]) => ({
      name: `${name}: ${value}`,
      headers: [`${name}: ${value}`],
      authorization: false,
    })),
    ...(has.operatorToken === undefined
      ? []
      : [authorization("the operator's token", `Bearer ${has.operatorToken}`)]),
    ...(has.expired === undefined ? [] : [authorization('an expired key', `Bearer ${has.expired}`)]),
  ];
}

/** Where other gateways look for a key. */
const sideDoors = [
  'X-API-Key',
  'Api-Key',
  'X-Auth-Token',
  'X-Access-Token',
  'X-Mcpd-Key',
  'Mcpd-Key',
  'Proxy-Authorization',
  'X-Authorization',
  'X-Forwarded-Authorization',
  'X-Original-Authorization',
  'Mcp-Param-Authorization',
  'Sec-WebSocket-Protocol',
];

/** By which others let proxies, neighbours and themselves say who calls, or from where. */
const identities: readonly (readonly [string, string])[] = [
  ['X-Forwarded-User', 'tester'],
  ['X-Remote-User', 'tester'],
  ['Remote-User', 'tester'],
  ['X-Auth-Request-User', 'tester'],
  ['X-Auth-Request-Email', 'tester@example.com'],
  ['X-User', 'tester'],
  ['X-Mcpd-Caller', 'tester'],
  ['From', 'tester'],
  ['Mcp-Init-Host', '127.0.0.1'],
  ['X-Mcp-Init-Host', 'localhost'],
  ['Router-Key', 'secret-api-key'],
  ['X-Internal', 'true'],
  ['X-Forwarded-For', '127.0.0.1'],
  ['Forwarded', 'for=127.0.0.1;by=unix'],
  ['X-Real-IP', '127.0.0.1'],
  ['X-Original-URL', '/healthz'],
  ['X-Rewrite-URL', '/healthz'],
  ['X-HTTP-Method-Override', 'HEAD'],
  ['X-Client-Cert', 'CN=tester'],
  ['X-SSL-Client-Cert', '-----BEGIN CERTIFICATE-----'],
  ['X-SSL-Client-Verify', 'SUCCESS'],
  ['X-SSL-Client-S-DN', 'CN=tester'],
  ['X-Client-Verify', 'SUCCESS'],
  ['X-Forwarded-Client-Cert', 'Subject="CN=tester";URI=spiffe://corp/tester'],
  ['X-Forwarded-Tls-Client-Cert-Info', 'Subject="CN=tester"'],
  ['Client-Cert', ':MIIB:'],
  ['User-Agent', 'kube-probe/1.30'],
];

/** A credential that is good. */
export const withKey = (key: string): Bad => ({
  name: 'a good key',
  headers: [`Authorization: Bearer ${key}`],
  authorization: true,
});

/** A key whose time is over; undefined where keys have no end. */
export async function expiredKey(daemon: TestDaemon): Promise<string | undefined> {
  const at = new Date(Date.now() + 2000);
  const told = await daemon.mcpd(['key', 'add', 'late', '--expires', at.toISOString(), '--json']);
  if (told.code !== 0) return undefined;
  const { key } = JSON.parse(told.stdout) as { key: string };
  daemon.canaries?.addKey(key);
  await until('it has expired', () => Date.now() > at.getTime());
  return key;
}
