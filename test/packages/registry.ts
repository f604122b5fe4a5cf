/** A package registry on loopback, with packages of the test's own, and the npx of this machine to ask it. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The npx that children of mcpd would be given; undefined where there is none. */
export const npx: string | undefined = ['/usr/local/bin/npx', '/usr/bin/npx'].find((path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
});
export const needsNpx =
  npx === undefined ? { skip: 'npx is not installed in /usr/bin or /usr/local/bin' } : {};

type Packed = { readonly bytes: Buffer; readonly integrity: string; readonly dependencies: object };

export class Registry {
  readonly #dir: string;
  readonly #server: Server;
  readonly #packages = new Map<string, Map<string, Packed>>();

  private constructor(dir: string) {
    this.#dir = dir;
    this.#server = createServer((request, response) => {
      const [, name = '', dash, file = ''] = (request.url ?? '').split('/');
      const versions = this.#packages.get(name);
      if (versions === undefined) response.writeHead(404).end('{}');
      else if (dash === '-') response.end(versions.get(file.slice(name.length + 1, -4))?.bytes);
      else response.setHeader('content-type', 'application/json').end(this.#document(name, versions));
    });
  }

  static async open(dir: string): Promise<Registry> {
    const registry = new Registry(dir);
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    registry.#server.unref();
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }

  /** Publishes a package whose program, of the same name, is `script`. Gives its integrity. A version may be published anew. */
  publish(name: string, version: string, script: string, dependencies: Record<string, string> = {}): string {
    const place = join(this.#dir, `${name}-${version}`);
    mkdirSync(join(place, 'package'), { recursive: true });
    writeFileSync(
      join(place, 'package/package.json'),
      JSON.stringify({ name, version, bin: { [name]: 'cli.mjs' }, dependencies }),
    );
    writeFileSync(join(place, 'package/cli.mjs'), `#!/usr/bin/env node\n${script}\n`, { mode: 0o755 });
    execFileSync('tar', ['-czf', `${place}.tgz`, '-C', place, 'package']);
    const bytes = readFileSync(`${place}.tgz`);
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    const versions = this.#packages.get(name) ?? new Map<string, Packed>();
    this.#packages.set(name, versions.set(version, { bytes, integrity, dependencies }));
    return integrity;
  }

  /** The environment in which npx knows nothing but this registry and that cache. */
  env(cache: string): Record<string, string> {
    return {
      PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: join(cache, 'home'),
      npm_config_cache: cache,
      npm_config_registry: this.url,
      npm_config_update_notifier: 'false',
      npm_config_fetch_retries: '0',
    };
  }

  /** What npx prints. Rejects when it fails. */
  async npx(cache: string, cwd: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run(npx ?? 'npx', args, { cwd, env: this.env(cache), timeout: 60_000 });
    return stdout.trim();
  }

  #document(name: string, versions: ReadonlyMap<string, Packed>): string {
    const rows = [...versions].map(([version, { integrity, dependencies }]): [string, object] => [
      version,
      {
        name,
        version,
        bin: { [name]: 'cli.mjs' },
        dependencies,
        dist: { tarball: `${this.url}/${name}/-/${name}-${version}.tgz`, integrity },
      },
    ]);
    const latest = [...versions.keys()].at(-1);
    return JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(rows) });
  }
}
