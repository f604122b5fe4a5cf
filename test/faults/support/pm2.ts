import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  endNow,
  processes,
  projectRoot,
  readOr,
  run,
  type Run,
  type TestDaemon,
} from '../../support/daemon.ts';

/** AGPL: run as a program, never loaded. */
const program = join(projectRoot, 'node_modules', '.bin', 'pm2');
const shipped = join(projectRoot, 'ecosystem.config.cjs');

/** What an app says to PM2; see ecosystem.config.cjs. */
export type App = Readonly<Record<string, unknown>>;

/** The entry as it is shipped, or with something changed. */
export const asShipped = (more: App = {}): string =>
  `const { apps: [app] } = require(${JSON.stringify(shipped)});\nmodule.exports = { apps: [{ ...app, ...${JSON.stringify(more)} }] };\n`;

/** An entry as somebody writes it who has not read docs/pm2.md: everything else is what PM2 does by itself. */
export const byDefault = (daemon: TestDaemon): string =>
  `module.exports = { apps: [${JSON.stringify({
    name: 'mcpd',
    script: join(projectRoot, 'src', 'launch.cjs'),
    args: 'run',
    interpreter: process.execPath,
    env: { MCPD_STATE_DIR: daemon.state, MCPD_POLICIES: daemon.policies },
  })}] };\n`;

/** A PM2 of its own, with everything it writes inside the daemon's folder. */
export class Pm2 {
  readonly daemon: TestDaemon;
  readonly home: string;
  #configs = 0;

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
    this.home = join(daemon.dir, 'pm2');
  }

  async run(...args: string[]): Promise<Run> {
    const { state, policies, dir } = this.daemon;
    const told = await run(process.execPath, [program, ...args], {
      PATH: process.env['PATH'],
      HOME: dir,
      PM2_HOME: this.home,
      // PM2 reports to its makers when it is installed and once a day. The one keeps it from the first, the other from the second.
      PM2_DISCRETE_MODE: 'true',
      PM2_DISABLE_VERSION_CHECK: 'true',
      MCPD_STATE_DIR: state,
      MCPD_POLICIES: policies,
    });
    if (told.code !== 0) throw new Error(`pm2 ${args.join(' ')}: ${told.stdout}${told.stderr}${this.log()}`);
    return told;
  }

  start(config: string): Promise<Run> {
    // Another name each time: PM2 loads a file once and keeps it.
    const file = join(this.daemon.dir, `own-${++this.#configs}.config.cjs`);
    writeFileSync(file, config);
    return this.run('start', file);
  }

  async app(): Promise<{ readonly pid: number; readonly status: string }> {
    const { stdout } = await this.run('jlist');
    const list = JSON.parse(stdout.slice(stdout.lastIndexOf('\n[') + 1)) as {
      pid: number;
      pm2_env: { status: string };
    }[];
    if (list.length !== 1 || list[0] === undefined) throw new Error(`PM2 runs one mcpd: ${stdout}`);
    return { pid: list[0].pid, status: list[0].pm2_env.status };
  }

  log(): string {
    return readOr(join(this.home, 'pm2.log'), '');
  }

  /** Ends PM2 and whatever it started for this state directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.run('kill').catch(() => undefined);
    const mark = `MCPD_STATE_DIR=${this.daemon.state}\0`;
    for (const pid of processes())
      if (pid !== process.pid && readOr(`/proc/${pid}/environ`, '').includes(mark)) endNow(pid);
    await this.daemon[Symbol.asyncDispose]();
  }
}
