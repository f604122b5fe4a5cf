/** An issuer in the attacker's neighbourhood: it publishes keys and signs whatever a test wants to see refused, or let in. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CompactSign, exportJWK } from 'jose';

export const scopes = { read: 'mcp:read', write: 'mcp:write', destructive: 'mcp:all' } as const;

export class HandMade implements AsyncDisposable {
  readonly issuer: string;
  readonly publicKey: KeyObject;
  /** How often its keys were asked for. */
  readonly asked: string[] = [];
  readonly #privateKey: KeyObject;
  readonly #close: () => Promise<void>;

  private constructor(
    issuer: string,
    keys: { publicKey: KeyObject; privateKey: KeyObject },
    close: () => Promise<void>,
  ) {
    this.issuer = issuer;
    this.publicKey = keys.publicKey;
    this.#privateKey = keys.privateKey;
    this.#close = close;
  }

  static async start(): Promise<HandMade> {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', use: 'sig', alg: 'ES256' };
    const http = createServer((req, res) => {
      made.asked.push(req.url ?? '');
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const made = new HandMade(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, keys, async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });
    return made;
  }

  /** The part of mcpd.toml that believes this issuer. */
  toml(more = ''): string {
    return `[oauth.corp]\nissuer = "${this.issuer}"\njwks_uri = "${this.issuer}/jwks"\n${more}[oauth.corp.scopes]\nread = "${scopes.read}"\nwrite = "${scopes.write}"\ndestructive = "${scopes.destructive}"\n`;
  }

  /** A token that is good but for what the test says; `scope` decides what it opens. */
  token(
    audience: unknown,
    scope: string,
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    by = this.#privateKey,
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const whole = {
      iss: this.issuer,
      sub: 'alice',
      aud: audience,
      scope,
      iat: now,
      exp: now + 600,
      ...claims,
    };
    return new CompactSign(Buffer.from(JSON.stringify(whole)))
      .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt', ...header })
      .sign(by);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}
