import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stormServers } from '../faults/support/storm.ts';
import type { WatchOptions } from '../faults/support/watch.ts';
import { Authority, noOpenssl } from '../front/certificates.ts';
import { freePort, projectRoot, rule } from '../support/daemon.ts';

const packages = join(projectRoot, 'node_modules', '@modelcontextprotocol');
const npm = (path: string): string => JSON.stringify(join(packages, path));
/** Where a client certificate is asked for; undefined where no openssl can make one. */
export type House = { readonly options: WatchOptions; readonly tlsPort: number | undefined };

/** Servers of many kinds behind one daemon: our own fixtures, servers that people use, one that is shared by a crowd. */
export async function furnish(more: Pick<WatchOptions, 'collectEveryMs' | 'env'>): Promise<House> {
  const tlsPort = noOpenssl === false ? await freePort() : undefined;
  const servers = {
    ...stormServers,
    crowd: `command = "$NODE"
args = [${JSON.stringify(join(projectRoot, 'test', 'load', 'echo-child.ts'))}]
sharing = "all"
concurrency = 256
${rule('allow', ['echo'])}`,
    files: `command = "$NODE"
args = [${npm('server-filesystem/dist/index.js')}, "$DIR/files"]
${rule('allow', ['read_text_file'])}`,
    // It loses what is written at once; one at a time is what its owner would say.
    memory: `command = "$NODE"
args = [${npm('server-memory/dist/index.js')}]
sharing = "all"
concurrency = 1
[env]
MEMORY_FILE_PATH = "$DIR/memory.jsonl"
${rule('allow', ['create_entities', 'open_nodes', 'delete_entities'])}`,
  };
  const tls = `[listen.mutual_tls]
port = ${tlsPort}
cert = "$DIR/corp/server.pem"
key = "$DIR/corp/server.key"
client_ca = "$DIR/corp/ca.pem"
[listen.mutual_tls.callers]
"dns:tester.corp.example" = "tester"
`;
  const options: WatchOptions = {
    ...more,
    servers,
    daemon: `http_sse = true\n${tlsPort === undefined ? '' : tls}[sessions]\nidle = "1m"\n[log]\nlevel = "info"\n`,
    prepare: ({ dir }) => {
      mkdirSync(join(dir, 'files'));
      writeFileSync(join(dir, 'files', 'note.txt'), fileText);
      if (tlsPort === undefined) return;
      const corp = new Authority(join(dir, 'corp'), 'Corp');
      corp.issue('server', { names: 'IP:127.0.0.1', usage: 'serverAuth' });
      corp.issue('tester', { names: 'DNS:tester.corp.example' });
    },
  };
  return { options, tlsPort };
}

export const fileText = 'what stands in a file of the soak\n';
