import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { adopt, freePort, type Gateway, startGateway } from './gateway.ts';
import { startMcpd } from './mcpd-target.ts';
import { home, type Place } from './place.ts';

/** Something to measure. */
export type Target = {
  readonly name: string;
  readonly kind: 'baseline' | 'ours' | 'peer';
  /** One sentence for the report. */
  readonly about: string;
  /** More sessions than this are not opened at it. */
  readonly sessionsMax: number;
  readonly quickSessionsMax?: number;
  /** Absent: the driver runs the child itself. */
  readonly start?: (place: Place) => Promise<Gateway>;
};

/** The columns of the report, in their order. Add a row to measure something else. */
export const targets: readonly Target[] = [
  {
    name: 'direct',
    kind: 'baseline',
    about: 'the echo child over one pipe, shared by all callers: nothing in between',
    sessionsMax: 1000,
  },
  {
    name: 'mcpd',
    kind: 'ours',
    about: 'one shared child, with keys, allow-list, rate limit, redaction and the audit journal on',
    sessionsMax: 1000,
    start: startMcpd,
  },
  {
    name: 'mcp-proxy',
    kind: 'peer',
    about: `mcp-proxy ${versionOf('mcp-proxy')}, one shared child, in its fastest form: --no-eventStore --server stream`,
    sessionsMax: 1000,
    start: async ({ dir, echoFile }) => {
      const port = await freePort();
      return startGateway({
        // prettier-ignore
        args: [
          binOf('mcp-proxy'), '--port', String(port), '--host', '127.0.0.1', '--no-eventStore', '--server', 'stream',
          '--', process.execPath, echoFile,
        ],
        env: {},
        cwd: dir,
        logFile: join(dir, 'mcp-proxy.log'),
        endpoint: { url: `http://127.0.0.1:${String(port)}/mcp`, headers: {} },
      });
    },
  },
  {
    name: 'supergateway',
    kind: 'peer',
    about: `supergateway ${versionOf('supergateway')}, stateful: a child per session, so at no more than 50 sessions (each is a process)`,
    // A thousand sessions would be a thousand processes and 10 GB before the first call; real servers are larger than the
    // echo child. A benchmark should not make a laptop swap.
    sessionsMax: 50,
    quickSessionsMax: 10,
    start: async ({ dir, echoFile }) => {
      const port = await freePort();
      return startGateway({
        // prettier-ignore
        args: [
          binOf('supergateway'), '--stdio', [process.execPath, echoFile].map(quoted).join(' '), '--port', String(port),
          '--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none',
        ],
        env: {},
        cwd: dir,
        logFile: join(dir, 'supergateway.log'),
        endpoint: { url: `http://127.0.0.1:${String(port)}/mcp`, headers: {} },
      });
    },
  },
];

/**
 * mcpd as it stands in another checkout, in a peer's place: started by that checkout's own bench, so with the policy of its
 * own time. Throws an Error when there is none in `dir`.
 */
export function checkoutAt(dir: string): Target {
  const file = join(resolve(dir), 'bench', 'mcpd-target.ts');
  if (!existsSync(file)) throw new Error(`--against: no checkout of mcpd in "${dir}"`);
  return {
    name: `mcpd of ${basename(resolve(dir))}`,
    kind: 'peer',
    about: 'mcpd as it stands in another checkout, with the policy of its own bench',
    sessionsMax: 1000,
    start: async (place) => {
      const there = (await import(pathToFileURL(file).href)) as { readonly startMcpd: typeof startMcpd };
      return adopt(await there.startMcpd({ ...place, dir: mkdtempSync(join(place.dir, 'against-')) }));
    },
  };
}

type Manifest = { readonly version: string; readonly bin?: Readonly<Record<string, string>> };

function manifestOf(name: string): Manifest & { readonly file: string } {
  const file = join(home, 'node_modules', name, 'package.json');
  try {
    return { ...(JSON.parse(readFileSync(file, 'utf8')) as Manifest), file };
  } catch {
    return { version: '(not installed)', file };
  }
}

function versionOf(name: string): string {
  return manifestOf(name).version;
}

/** The script behind a package's command, so that the Node of the benchmark runs it and not whichever is on the path. */
function binOf(name: string): string {
  const { bin, file } = manifestOf(name);
  const script = bin?.[name];
  if (script === undefined) throw new Error(`${name} is not installed: run npm ci`);
  return join(dirname(file), script);
}

/** For the shell that supergateway starts its child with. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
