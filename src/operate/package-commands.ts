import type { PackageReport, PackageStore } from '../packages/package-store.ts';
import type { AdminPlane } from './admin-plane.ts';
import type { Args } from './args.ts';
import { nearest } from './nearest.ts';
import { Refused, type Reply } from './reply.ts';

/** Which packages the servers run, and who agrees to it. */
export type PackageDesk = Pick<PackageStore, 'report' | 'acknowledge' | 'unsaved'>;

/** For `status`: what is known of the servers that fetch what they run. */
export function packagesOf(plane: AdminPlane): readonly PackageReport[] {
  return plane.packages.report(plane.orders.current().servers.keys());
}

/** `pin-package SERVER`: what the server runs now counts as what was looked at. */
export function pinPackage(plane: AdminPlane, args: Args, by: string): Reply {
  const server = args.need('server');
  const names = [...plane.orders.current().servers.keys()];
  if (!names.includes(server)) {
    const near = nearest(server, names);
    throw new Refused(
      'NOT_FOUND',
      `there is no server ${server}`,
      near === undefined ? 'mcpd ctl status' : `did you mean ${near}?`,
    );
  }
  const agreed = acknowledged(plane, server, by);
  if (agreed === undefined || agreed.kind === 'unseen') {
    const because = packagesOf(plane).find((it) => it.server === server)?.because ?? undefined;
    throw new Refused(
      'NOT_FOUND',
      `mcpd has seen no package of ${server}${because === undefined ? '' : `: ${because}`}`,
      'it is seen when the server has started: mcpd ctl status',
    );
  }
  const { kind, installed } = agreed;
  return { ok: true, command: 'pin-package', server, changed: kind === 'done', ...installed };
}

function acknowledged(
  { packages }: AdminPlane,
  server: string,
  by: string,
): ReturnType<PackageDesk['acknowledge']> | undefined {
  try {
    return packages.acknowledge(server, by);
  } catch (reason) {
    throw new Refused(
      'NOT_DURABLE',
      `it cannot be written down: ${reason instanceof Error ? reason.message : String(reason)}`,
      'nothing was changed; make room in the state directory, then type the same command again',
    );
  }
}
