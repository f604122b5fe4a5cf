import { dirname, join } from 'node:path';
import { realClock } from './domain/clock.ts';
import type { ServerSpec } from './domain/orders.ts';
import type { CommandRecord } from './operate/admin-plane.ts';
import { readState, writeState } from './operate/state-file.ts';
import type { Installed } from './packages/npx-tree.ts';
import { PackageStore } from './packages/package-store.ts';
import { recordBytesMax } from './packages/record.ts';

export type PackagesPlace = {
  readonly stateDir: string;
  /** The home folder that a server's children are given. */
  readonly homeOf: (spec: ServerSpec) => string | undefined;
  readonly log: (level: 'info' | 'warn', fields: Record<string, unknown>, message: string) => void;
  /** For the journal; rejects when it cannot be written. */
  readonly record: (record: CommandRecord) => Promise<void>;
};

/** The packages of a state directory; what is new is told in the log, and on the journal. Throws `CONFIG_INVALID`. */
export function openPackages({ stateDir, homeOf, log, record }: PackagesPlace): PackageStore {
  const path = join(stateDir, 'packages.json');
  const note = (command: string, args: readonly string[], result: string) =>
    // The journal says for itself that it cannot be written; the log has it all the same.
    void record({ by: 'mcpd', command, args, result }).catch(() => undefined);
  return PackageStore.open({
    file: { path, read: () => readState(path, recordBytesMax), write: (text) => writeState(path, text) },
    clock: realClock,
    house: {
      homeOf,
      globals: ['/usr/lib', '/usr/local/lib', join(dirname(dirname(process.execPath)), 'lib')].map((folder) =>
        join(folder, 'node_modules'),
      ),
    },
    told: (news) => {
      const { server } = news;
      switch (news.kind) {
        case 'runs':
          log('info', { server, ...news.installed }, `${server} runs ${named(news.installed)}`);
          note('package', [`server=${server}`, ...spelt(news.installed)], 'runs');
          break;
        case 'drift':
          log(
            'warn',
            { server, was: news.was, is: news.installed },
            `${server} runs another package than before: mcpd ctl status; to agree: mcpd ctl pin-package ${server}`,
          );
          note(
            'package',
            [`server=${server}`, ...spelt(news.installed), ...spelt(news.was).map((it) => `was-${it}`)],
            'drifted',
          );
          break;
        case 'refused':
          // The log has it from the server's state.
          note('package', [`server=${server}`, `because=${news.because}`], 'refused');
          break;
        case 'unknown':
          log('info', { server, because: news.because }, `what package ${server} runs cannot be told`);
          break;
        case 'unsaved':
          log(
            'warn',
            { server, because: news.because },
            'which packages ran cannot be written down: NOT DURABLE',
          );
      }
    },
  });
}

function named({ name, version }: Installed): string {
  return `${name} ${version}`;
}

function spelt({ name, version, integrity, tree }: Installed): string[] {
  return [
    `name=${name}`,
    `version=${version}`,
    ...(integrity === null ? [] : [`integrity=${integrity}`]),
    ...(tree === null ? [] : [`tree=${tree}`]),
  ];
}
