import type { TokenChecker } from './callers/tokens.ts';
import type { DaemonFile } from './config/schema.ts';
import { realClock } from './domain/clock.ts';
import type { Issuer } from './domain/issuer.ts';
import { addressesOf } from './front/address.ts';
import { resourceOf, type OAuthFace } from './front/metadata.ts';

export type OAuthHouse = {
  /** Undefined where the owner has named no issuer. */
  readonly tokens: TokenChecker | undefined;
  readonly face: OAuthFace;
  /** What a token has to be for. */
  readonly resourceOf: (server: string) => string;
};

export type OAuthHouseParts = {
  readonly file: DaemonFile;
  readonly version: string;
  /** The secret with which an issuer is asked about tokens. Rejects with `SECRET_UNAVAILABLE`. */
  readonly secretOf: (issuer: Issuer) => Promise<string>;
};

/** Everything about access tokens that lives as long as the daemon. Nobody is asked anything before the first token. */
export async function openOAuth({ file, version, secretOf }: OAuthHouseParts): Promise<OAuthHouse> {
  const publicUrl = publicUrlOf(file);
  const issuers = file.oauth;
  const tokens =
    issuers.length === 0 ? undefined : await checkerFor({ issuers, publicUrl, version, secretOf });
  return {
    tokens,
    face: { publicUrl, issuers },
    resourceOf: (server) => resourceOf(publicUrl, server),
  };
}

/** Loaded where there are issuers: jose and TLS cost 20 MB of memory. */
async function checkerFor({
  issuers,
  publicUrl,
  version,
  secretOf,
}: Pick<OAuthHouseParts, 'version' | 'secretOf'> & OAuthFace): Promise<TokenChecker> {
  const [{ TokenChecker: Checker }, { openAuthority }] = await Promise.all([
    import('./callers/tokens.ts'),
    import('./authority.ts'),
  ]);
  return new Checker({ issuers, publicUrl, ask: openAuthority({ version }), secretOf, clock: realClock });
}

/** Where clients find the daemon: what the owner says, or its own address. */
export function publicUrlOf({ listen }: DaemonFile): string {
  const { url } = addressesOf(listen.host, listen.port, listen.tls !== undefined);
  // Written as a browser writes it: without the port that its scheme implies.
  return listen.publicUrl ?? new URL(url).origin;
}
