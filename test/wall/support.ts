import type { ServerSpec } from '../../src/domain/orders.ts';
import type { WallSpec } from '../../src/domain/wall.ts';
import type { Host } from '../../src/wall/host.ts';
import { noWall, specOf } from '../fleet/support.ts';

/** A machine that can build everything. */
export function hostOf(more: Partial<Host> = {}): Host {
  return {
    platform: 'linux',
    uid: 1000,
    gid: 1000,
    user: 'ana',
    home: '/home/ana',
    builder: '/usr/bin/bwrap',
    plain: { ok: true },
    ownUser: { ok: false, why: 'mcpd does not run as root', mend: 'run mcpd as root' },
    prlimit: '/usr/bin/prlimit',
    setpriv: '/usr/bin/setpriv',
    unshare: '/usr/bin/unshare',
    countsInside: true,
    ...more,
  };
}

export function wallOf(more: Partial<WallSpec> = {}): WallSpec {
  return { ...noWall, sandbox: 'auto', ...more };
}

export function walledSpec(wall: Partial<WallSpec>, more: Partial<ServerSpec> = {}): ServerSpec {
  return specOf('hostile', { sharing: 'all', ...more, wall: wallOf(wall) });
}
