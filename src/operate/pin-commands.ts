import type { Pinned } from '../pins/pin-store.ts';
import type { PinReport } from '../pins/report.ts';
import type { AdminPlane } from './admin-plane.ts';
import type { Args } from './args.ts';
import { nearest } from './nearest.ts';
import { Refused, type Reply, type ReplyCode } from './reply.ts';
import { readToolName } from './tool-name.ts';

/** For many tools, a line each and the gist of what changed; for one tool, all of it. An answer has room for 8 MiB. */
const overview = { toolsMax: 1000, detailsMax: 50, changesMax: 20, charsMax: 240 } as const;
const oneTool = { toolsMax: 1, detailsMax: 1, changesMax: 200, charsMax: 4096 } as const;

/** `pins [SERVER[/TOOL]]`: how each tool stands, and of those in quarantine what changed, field by field. */
export function pins(plane: AdminPlane, args: Args): Reply {
  const what = args.text('what');
  const { server, tool } = what === undefined ? { server: undefined, tool: undefined } : aimOf(what);
  const found = plane.pins.report(tool === undefined ? overview : oneTool, server, tool);
  if (server !== undefined) mustKnow(plane, server, tool, found);
  return {
    ok: true,
    command: 'pins',
    what: what ?? null,
    durable: plane.pins.unsaved === undefined,
    because: plane.pins.unsaved ?? null,
    servers: found,
  };
}

/** `pin SERVER/TOOL`, or `pin SERVER` for all that it shows: the definitions as they are now count as approved. */
export function pin(plane: AdminPlane, args: Args, by: string): Reply {
  const what = args.need('what');
  const { server, tool } = aimOf(what);
  const digest = args.text('digest');
  if (digest !== undefined && !/^[0-9a-f]{64}$/.test(digest))
    throw new Refused('BAD_ARGUMENTS', 'a digest has 64 hex digits', `mcpd ctl pins ${what}`);
  mustKnow(plane, server, undefined, plane.pins.report({ ...overview, toolsMax: 0 }, server));
  const pinned =
    tool === undefined
      ? plane.pins.pinServer(server, by, digest)
      : plane.pins.pinTool(server, tool, by, digest);
  if ('why' in pinned) throw refusalOf(pinned, what);
  return {
    ok: true,
    command: 'pin',
    server,
    tool: tool ?? null,
    changed: pinned.kind === 'done',
    pinned: pinned.pinned,
    left: pinned.left,
  };
}

type NotPinned = Extract<Pinned, { readonly why: string }>;

const codes: Readonly<Record<NotPinned['kind'], ReplyCode>> = {
  unseen: 'NOT_FOUND',
  ambiguous: 'AMBIGUOUS',
  differs: 'OVERTAKEN',
  full: 'TOO_MANY',
  'not-durable': 'NOT_DURABLE',
};

function refusalOf(pinned: NotPinned, what: string): Refused {
  const hint =
    pinned.kind === 'not-durable'
      ? 'nothing was pinned; make room in the state directory, then type the same command again'
      : `look again: mcpd ctl pins ${what}`;
  return new Refused(codes[pinned.kind], pinned.why, hint);
}

function aimOf(what: string): { readonly server: string; readonly tool: string | undefined } {
  return what.includes('/') ? readToolName(what) : { server: what, tool: undefined };
}

function mustKnow(
  plane: AdminPlane,
  server: string,
  tool: string | undefined,
  found: readonly PinReport[],
): void {
  const servers = [...plane.orders.current().servers.keys()];
  if (found.length === 0 && !servers.includes(server)) {
    const near = nearest(server, servers);
    throw new Refused(
      'NOT_FOUND',
      `there is no server ${server}`,
      near === undefined ? 'mcpd ctl pins' : `did you mean ${near}?`,
    );
  }
  if (tool !== undefined && found.every(({ tools }) => tools.length === 0))
    throw new Refused('NOT_FOUND', `no listing of ${server} shows a tool ${tool}`, `mcpd ctl pins ${server}`);
}
