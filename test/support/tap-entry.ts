const headBytes = 8;

/** What was written to one of the children of a process: which one, how many bytes, the bytes. */
export function tapEntry(child: number, bytes: Buffer): Buffer[] {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(child, 0);
  head.writeUInt32LE(bytes.length, 4);
  return [head, bytes];
}

/** Child → everything that it was written, in order. What a killed process has left behind half is left out. */
export function tapEntriesIn(file: Buffer): Map<number, Buffer> {
  const parts = new Map<number, Buffer[]>();
  for (let at = 0; at + headBytes <= file.length;) {
    const child = file.readUInt32LE(at);
    const end = at + headBytes + file.readUInt32LE(at + 4);
    if (end > file.length) break;
    const so = parts.get(child) ?? [];
    so.push(file.subarray(at + headBytes, end));
    parts.set(child, so);
    at = end;
  }
  return new Map([...parts].map(([child, chunks]) => [child, Buffer.concat(chunks)]));
}
