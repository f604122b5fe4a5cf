/** Exit codes, after sysexits.h. They are a promise; docs/ctl.md lists them. */
export const exits = {
  ok: 0,
  /** It was refused, or it failed. */
  refused: 1,
  /** The command line is wrong. */
  usage: 64,
  /** The daemon does not run, or does not answer. */
  unavailable: 69,
  /** mcpd itself is at fault. */
  bug: 70,
  /** Another mcpd, or another program on the port, is in the way. It may be on its way out: PM2 tries again. */
  inTheWay: 75,
  /** The operating system does not let this user. */
  notPermitted: 77,
  /** The configuration, or a file of the state directory, has to be mended first. PM2 does not restart after it. */
  configuration: 78,
} as const;

const byCode: ReadonlyMap<string, number> = new Map<string, number>([
  ['USAGE', exits.usage],
  ['BAD_ARGUMENTS', exits.usage],
  ['UNKNOWN_COMMAND', exits.usage],
  ['NOT_RUNNING', exits.unavailable],
  ['NO_ANSWER', exits.unavailable],
  ['NOT_PERMITTED', exits.notPermitted],
  ['PLACE_TAKEN', exits.inTheWay],
  ['CONFIG_INVALID', exits.configuration],
  ['BUG', exits.bug],
]);

/** The exit code for the error code of a reply. */
export function exitFor(code: string): number {
  return byCode.get(code) ?? exits.refused;
}
