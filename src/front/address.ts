/** Under which names this daemon is itself: the Host and Origin values that need no configuration. */
export function addressesOf(host: string, port: number): { url: string; hosts: string[]; origins: string[] } {
  const names = loopback.has(host) ? [...loopback].map(bracketed) : [bracketed(host)];
  const hosts = names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
  const origins = names.map((name) => new URL(`http://${name}:${port}`).origin);
  return { url: `http://${bracketed(host)}:${port}`, hosts, origins };
}

const loopback = new Set(['127.0.0.1', 'localhost', '::1']);

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
