/** More exact addresses than this are hard to review one by one. */
const exactMax = 8;

/**
 * Addresses that a rule can name: as they are while there are few, else by the folder that many of them share. Never wider
 * than one authority, and never a whole scheme.
 */
export function commonFolders(uris: readonly string[]): readonly string[] {
  if (uris.length <= exactMax) return uris;
  const byRoot = new Map<string, string[]>();
  for (const uri of uris) {
    const root = /^[a-z][a-z0-9+.-]*:\/\/[^/]*\//.exec(uri)?.[0] ?? uri;
    byRoot.set(root, [...(byRoot.get(root) ?? []), uri]);
  }
  return [...byRoot.values()].flatMap((all) => {
    const folder = sharedFolder(all);
    return all.length <= exactMax || folder === undefined ? all : [`${folder}**`];
  });
}

/** Up to the last slash that all have in common; undefined where that is only the root. */
function sharedFolder(uris: readonly string[]): string | undefined {
  let shared = uris[0] ?? '';
  for (const uri of uris) {
    let at = 0;
    while (at < shared.length && shared[at] === uri[at]) at++;
    shared = shared.slice(0, at);
  }
  const folder = shared.slice(0, shared.lastIndexOf('/') + 1);
  return /^[a-z][a-z0-9+.-]*:\/\/[^/]*\/[^/]/.test(folder) ? folder : undefined;
}
