/** Where a secret is kept. The reference may be shown to anyone; the value may not. */
export type SecretReference =
  { readonly kind: 'keychain'; readonly name: string } | { readonly kind: 'file'; readonly path: string };

/** What a secret in the keychain may be called: it has to survive a command line, a TOML string and a list with one name per line. */
const secretName = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;

export function isSecretName(text: string): boolean {
  return secretName.test(text);
}

/** Reads `keychain:NAME` or `file:PATH`; undefined when the text is neither. */
export function readReference(text: string): SecretReference | undefined {
  if (text.startsWith('keychain:')) {
    const name = text.slice('keychain:'.length);
    return isSecretName(name) ? { kind: 'keychain', name } : undefined;
  }
  if (text.startsWith('file:')) {
    const path = text.slice('file:'.length);
    // `file://…` would be a URL, which we do not read; a NUL would end the path early inside the kernel.
    const usable = path !== '' && path.length <= 4096 && !path.startsWith('//') && !path.includes('\0');
    return usable ? { kind: 'file', path } : undefined;
  }
  return undefined;
}
