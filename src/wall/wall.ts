import { realpathSync } from 'node:fs';
import { release } from 'node:os';
import { Fault } from '../domain/faults.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { guarantees, type Gap, type Launch, type RunOnce, type WallReport } from '../domain/wall.ts';
import { shellWord } from '../files/ours.ts';
import { bubblewrapped, type Inside } from './bubblewrap.ts';
import { openHome, type Home } from './home.ts';
import { lookAtHost, type Host } from './host.ts';
import { limited } from './limits.ts';
import { loaderVariables, withLoaderVariables } from './loader.ts';
import { mountsFor, type Mount } from './mounts.ts';
import { programPaths, realOf } from './program.ts';
import { reportOf, whyNot } from './report.ts';
import { seatbeltProfile } from './seatbelt.ts';
import { viewOf, type View } from './shown.ts';
import { systemMounts } from './system.ts';
import { trusted, userName } from './this-machine.ts';
import { Users } from './users.ts';

export type WallWork = {
  /** Absolute. */
  readonly stateDir: string;
  /** Absolute. */
  readonly policies: string;
  readonly execPath: string;
  readonly home: string;
  readonly run: RunOnce;
  readonly log: (level: 'info' | 'warn', fields: object, message: string) => void;
  /** Where to look for a program of the wall; the real places where it is left out. */
  readonly found?: (names: readonly string[]) => string | undefined;
};

/** Who a server is inside, and why it is not somebody of its own. */
type Standing = { readonly inside: Inside; readonly home: Home; readonly gap: Gap | undefined };

const checkWithinMs = 10_000;
const triedMs = 3_000;

/** Says how each server is started so that it is walled off, and how well it is. One for the daemon. */
export class Wall {
  readonly host: Host;
  readonly #work: WallWork;
  readonly #users: Users;
  readonly #reports = new Map<string, WallReport>();
  /** What came of trying servers as users of their own, by the text of what was tried. */
  readonly #tried = new Map<string, { readonly gap: Gap | undefined; readonly untilMs: number }>();

  private constructor(work: WallWork, host: Host, users: Users) {
    this.#work = work;
    this.host = host;
    this.#users = users;
  }

  /** Looks once at what this machine can build; bounded in time. Throws `CONFIG_INVALID`. */
  static async open(work: WallWork): Promise<Wall> {
    const [uid, gid] = [process.getuid?.() ?? -1, process.getgid?.() ?? -1];
    const { platform } = process;
    const found = work.found ?? trusted;
    const who = { platform, release: release(), uid, gid, user: userName(uid), home: work.home };
    const host = await lookAtHost({ ...who, found, run: work.run });
    if (!canWall(host)) work.log('warn', { ...whyNot(host) }, 'servers run without a wall here');
    const stateDir = realpathSync(work.stateDir);
    return new Wall({ ...work, stateDir }, host, Users.open(stateDir));
  }

  /** What is known of a server's wall since its last start. */
  reportOf(server: string): WallReport | undefined {
    return this.#reports.get(server);
  }

  /**
   * How to start a child of this server. Rejects with `CONFIG_INVALID` where its file wants the whole wall and this machine
   * cannot build it, or where what it declares would hand out mcpd's own files.
   */
  async launchOf(spec: ServerSpec): Promise<Launch> {
    if (spec.wall.sandbox === 'off') return this.#open(spec, []);
    if (!canWall(this.host)) return this.#open(spec, []);
    const view = viewOf(spec, programPaths(spec, this.#work.execPath, this.#work.home), this.#work);
    if (this.host.platform === 'darwin') return this.#onMac(spec, view);
    const standing = await this.#standing(spec, view);
    const report = reportOf(this.host, spec.wall, standing.inside, standing.gap, view.notes);
    this.#tell(spec, report);
    const program = withLoaderVariables(spec, [spec.command, ...spec.args]);
    const command = this.#commandLine(spec, view, standing, program);
    return {
      ...split(command),
      cwd: '/',
      env: this.#env(standing),
      walled: true,
      withheld: loaderVariables(spec),
    };
  }

  #open(spec: ServerSpec, notes: readonly string[]): Launch {
    this.#tell(spec, reportOf(this.host, spec.wall, undefined, undefined, notes));
    const command = limited(this.host, spec.wall.resources, false, [spec.command, ...spec.args]);
    return { ...split(command), cwd: spec.cwd, env: {}, walled: false };
  }

  #onMac(spec: ServerSpec, view: View): Launch {
    const { uid, gid, user } = this.host;
    const home = openHome(this.#work.stateDir, spec.name, { uid, gid, user });
    this.#tell(spec, reportOf(this.host, spec.wall, { kind: 'daemon' }, undefined, view.notes));
    const dir = realpathSync(home.dir);
    const profile = seatbeltProfile(spec.wall, { ...view, home: dir, tmp: dir });
    return {
      command: this.host.builder ?? '',
      args: ['-p', profile, spec.command, ...spec.args],
      cwd: spec.cwd,
      env: { HOME: dir, TMPDIR: dir },
      walled: false,
    };
  }

  /** A user of its own where the declared files let it work as one; else the daemon's, without any capability. */
  async #standing(spec: ServerSpec, view: View): Promise<Standing> {
    const { host } = this;
    const { stateDir } = this.#work;
    const { uid, gid, user } = host;
    const asDaemon = (gap: Gap | undefined): Standing => ({
      inside: { kind: 'daemon' },
      home: openHome(stateDir, spec.name, { uid, gid, user }),
      gap,
    });
    if (uid !== 0) return asDaemon(undefined);
    if (!host.ownUser.ok)
      return asDaemon({ guarantee: 'user', why: host.ownUser.why, mend: host.ownUser.mend });
    const own = this.#users.of(spec.name);
    const home = openHome(stateDir, spec.name, { uid: own, gid: own, user: ownName });
    const standing: Standing = { inside: { kind: 'own', uid: own }, home, gap: undefined };
    const gap = await this.#whyNotAs(own, spec, view, standing);
    if (gap === undefined) return standing;
    if (!host.plain.ok)
      throw new Fault('CONFIG_INVALID', {
        detail: `${spec.name}: ${gap.why}`,
        ...(gap.mend === undefined ? {} : { hint: gap.mend }),
      });
    return asDaemon(gap);
  }

  /** Tries it, behind the same wall: permissions, lists of access and mounts are asked by using them. */
  async #whyNotAs(uid: number, spec: ServerSpec, view: View, standing: Standing): Promise<Gap | undefined> {
    const wanted = [`x${spec.command}`, ...view.wanted];
    const key = JSON.stringify([spec.name, ...wanted]);
    const known = this.#tried.get(key);
    if (known !== undefined && known.untilMs > performance.now()) return known.gap;
    const gap = await this.#tryAs(uid, spec, view, standing, wanted);
    // Soon looked at again where it failed: somebody may be mending it. Sessions that all start at once ask once.
    this.#tried.set(key, { gap, untilMs: gap === undefined ? Infinity : performance.now() + triedMs });
    return gap;
  }

  async #tryAs(
    uid: number,
    spec: ServerSpec,
    view: View,
    standing: Standing,
    wanted: readonly string[],
  ): Promise<Gap | undefined> {
    const [command = '', ...args] = this.#commandLine(spec, view, standing, [
      '/bin/sh',
      '-c',
      tries,
      'sh',
      ...wanted,
    ]);
    const { code, out, err } = await this.#work.run(command, args, checkWithinMs);
    if (code === 0) return undefined;
    const at = out.slice(1);
    if (code !== 3 || at === '')
      return {
        guarantee: 'user',
        why: `it does not run as user ${uid}: ${err.trim().slice(0, 200)}`,
        mend: undefined,
      };
    const writes = out.startsWith('w');
    const where = shellWord(at);
    const mend = `setfacl -R -m u:${uid}:${writes ? 'rwX' : 'rX'} ${where}${writes ? `, or chown -R ${uid} ${where}` : ''}`;
    return { guarantee: 'user', why: `its user ${uid} may not ${writes ? 'write' : 'read'} ${at}`, mend };
  }

  #commandLine(
    spec: ServerSpec,
    view: View,
    { inside, home }: Standing,
    program: readonly string[],
  ): readonly string[] {
    const { host } = this;
    const { wall, cwd } = spec;
    const { tmpBytesMax: bytesMax } = wall.resources;
    const system = systemMounts(wall.network);
    const mounts: readonly Mount[] = [
      ...system,
      { kind: 'scratch', at: '/tmp', bytesMax },
      { kind: 'scratch', at: '/dev/shm', bytesMax },
      { kind: 'link', at: '/var/tmp', to: '/tmp' },
      { kind: 'read', at: '/etc/passwd', from: home.passwd },
      { kind: 'read', at: '/etc/group', from: home.group },
      // A state directory below /usr/local would else be seen with it.
      ...mountsFor(
        view.shown,
        view.hidden,
        system.map(({ at }) => realOf(at)),
      ),
      ...view.around,
      { kind: 'write', at: home.dir, from: home.dir },
    ];
    return bubblewrapped({ host, inside, wall, mounts, cwd, program });
  }

  #env({ inside, home }: Standing): Launch['env'] {
    const user = inside.kind === 'own' ? ownName : this.host.user;
    return { HOME: home.dir, USER: user, LOGNAME: user };
  }

  /** Keeps the report, says aloud what is missing, and refuses what must not run without it. */
  #tell(spec: ServerSpec, report: WallReport): void {
    const { name, wall } = spec;
    const before = this.#reports.get(name);
    this.#reports.set(name, report);
    const [first] = report.missing;
    if (wall.sandbox === 'strict' && first !== undefined) {
      const more = first.mend === undefined ? {} : { hint: first.mend };
      const detail = `sandbox = "strict", and there is no way to give it ${guarantees[first.guarantee]}: ${first.why}`;
      throw new Fault('CONFIG_INVALID', { detail: `${name}: ${detail}`, ...more });
    }
    if (JSON.stringify(before) === JSON.stringify(report)) return;
    for (const note of report.notes) this.#work.log('warn', { server: name }, note);
    if (first === undefined) return;
    const without = report.missing.map(({ guarantee }) => guarantees[guarantee]).join(', ');
    const [level, why] =
      wall.sandbox === 'off' ? (['info', 'as its file says'] as const) : (['warn', first.why] as const);
    this.#work.log(
      level,
      { server: name, missing: report.missing },
      `${name} runs without ${without}: ${why}`,
    );
  }
}

/** What a server is called in its own account file. */
const ownName = 'mcp';

/** Ends with 3 and names the first of its arguments that is not as it should be; the first letter says how. */
const tries =
  'for it; do at=${it#?}; case $it in w*) [ -w "$at" ];; x*) [ -x "$at" ] && [ -r "$at" ];; *) [ -r "$at" ];; esac || { printf %s "$it"; exit 3; }; done';

function canWall({ plain, ownUser }: Host): boolean {
  return plain.ok || ownUser.ok;
}

function split([command = '', ...args]: readonly string[]): {
  readonly command: string;
  readonly args: readonly string[];
} {
  return { command, args };
}
