/**
 * What a yes is bound to besides the call itself: `DIGEST@CHILD`, the definition of the tool as its server gave it, and the
 * child that carries the call; or `DIGEST@LOSSES+CHILD` where each call may get another child, with the number of those that
 * were lost. Definition and child are empty while nobody knows them.
 */
export function bindingText(definition: string, child: string): string {
  return `${definition}@${child}`;
}

/**
 * Whether what somebody agreed to is still what would happen. A child that did not run yet then may have been started since;
 * one that ran must be the same. The definition must be the same (rug pull, CVE-2025-54136).
 */
export function stillBound(then: string, now: string): boolean {
  return then === now || (/[@+]$/.test(then) && now.startsWith(then));
}
