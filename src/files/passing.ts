/** What a disk or the system may say now and not a moment later: no room, no descriptors, an error of the device. */
const codes: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EAGAIN',
]);

/** Whether to try again is worth it: the reason, or what was behind it, is one that passes by itself. */
export function isPassing(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false;
  return codes.has((reason as NodeJS.ErrnoException).code ?? '') || isPassing(reason.cause);
}
