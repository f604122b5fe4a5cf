/** Under which names this daemon is itself: the Host and Origin values that need no configuration. `secure`: it speaks TLS. */
export function addressesOf(
  host: string,
  port: number,
  secure = false,
): { url: string; hosts: string[]; origins: string[] } {
  const names = loopback.has(host) ? [...loopback].map(bracketed) : [bracketed(host)];
  const scheme = secure ? 'https' : 'http';
  const usual = secure ? 443 : 80;
  const hosts = names.flatMap((name) => (port === usual ? [name, `${name}:${usual}`] : [`${name}:${port}`]));
  const origins = names.map((name) => new URL(`${scheme}://${name}:${port}`).origin);
  return { url: `${scheme}://${bracketed(host)}:${port}`, hosts, origins };
}

const loopback = new Set(['127.0.0.1', 'localhost', '::1']);

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
