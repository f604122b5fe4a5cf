// Prose with line ends: a text file's shape. No run of it looks like a secret, and its line ends are escaped on the wire,
// so a gateway that scans results meets what real results hold.
const line = 'The quick brown fox jumps over the lazy dog while nine more wait their turn.\n';

/** Text of exactly `bytes` ASCII characters, the same every time. */
export function payload(bytes: number): string {
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}

/** The same text as it stands inside a JSON string, without the quotes. */
export function payloadOnTheWire(bytes: number): string {
  return JSON.stringify(payload(bytes)).slice(1, -1);
}
