/** An address → the place that is counted: IPv4 whole (however it is written), IPv6 by its first 64 bits, else the text. */
export function placeOf(remote: string): string {
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(remote)?.[1];
  if (mapped !== undefined) return mapped;
  if (!/^[0-9a-f:.]+(%.*)?$/i.test(remote) || !remote.includes(':')) return remote.slice(0, 64);
  const [head = '', tail] = (remote.split('%')[0] ?? '').toLowerCase().split('::');
  const left = head.split(':').filter((it) => it !== '');
  const right = (tail ?? '').split(':').filter((it) => it !== '');
  // An IPv4 address at the end stands for two groups.
  const groups = left.length + right.length + (remote.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups);
  const whole = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return `${whole
    .slice(0, 4)
    .map((it) => it.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
