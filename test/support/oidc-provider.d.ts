/** As much of it as the tests use; the package brings no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export type Grant = {
    addOIDCScope: (scope: string) => void;
    addResourceScope: (resource: string, scope: string) => void;
    save: () => Promise<string>;
  };
  export type Context = {
    readonly oidc: {
      readonly client: { readonly clientId: string };
      readonly session: { readonly accountId: string | undefined };
      readonly params: { readonly scope?: string; readonly resource?: string | string[] };
      readonly provider: Provider;
    };
  };
  export default class Provider {
    constructor(issuer: string, configuration: object);
    readonly Grant: new (of: { clientId: string; accountId: string | undefined }) => Grant;
    callback: () => (req: IncomingMessage, res: ServerResponse) => void;
    interactionFinished: (req: IncomingMessage, res: ServerResponse, result: object) => Promise<void>;
  }
}
