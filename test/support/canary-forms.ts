/** The forms in which a secret is recognised, and the search of files for them. */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';

type Form = { readonly name: string; readonly bytes: Buffer };

/**
 * One piece of text in every form it is likely to be written in. The text must be letters, digits, `_` and `-`: what URL,
 * JSON and HTML write as it is, so that its raw form is found in all of those.
 */
export class Needle {
  readonly forms: readonly Form[];
  readonly longest: number;

  constructor(text: string) {
    this.forms = formsOf(text);
    this.longest = Math.max(...this.forms.map(({ bytes }) => bytes.length));
  }

  /** The name of the first form that stands in the bytes. */
  in(bytes: Buffer): string | undefined {
    if (bytes.length === 0) return undefined;
    return this.forms.find((form) => bytes.includes(form.bytes))?.name;
  }
}

function formsOf(text: string): Form[] {
  if (!/^[\w-]{20,}$/.test(text)) throw new Error('a canary is at least 20 letters, digits, _ and -');
  const bytes = Buffer.from(text);
  const hex = bytes.toString('hex');
  const written: [string, string | Buffer][] = [
    ['as it is', text],
    ['reversed', [...text].reverse().join('')],
    ['in hex', hex],
    ['in hex, upper case', hex.toUpperCase()],
    ['in hex with blanks', hex.replaceAll(/..(?=.)/g, '$& ')],
    ['percent-encoded', `%${hex.replaceAll(/..(?=.)/g, '$&%')}`],
    ['percent-encoded, upper case', `%${hex.toUpperCase().replaceAll(/..(?=.)/g, '$&%')}`],
    ['as \\u escapes', [...text].map((it) => `\\u00${it.charCodeAt(0).toString(16)}`).join('')],
    ['in UTF-16', Buffer.from(text, 'utf16le')],
    ['in bytes as numbers', [...bytes].join(',')],
  ];
  for (const before of [0, 1, 2]) {
    const base64 = withoutEnds(bytes, before);
    written.push([`in base64, ${before} bytes in`, base64]);
    written.push([`in base64url, ${before} bytes in`, base64.replaceAll('+', '-').replaceAll('/', '_')]);
    written.push([`in base64, reversed`, [...base64].reverse().join('')]);
  }
  const forms = written.map(([name, form]) => ({ name, bytes: Buffer.from(form as string) }));
  return forms.filter((it, at) => forms.findIndex(({ bytes: same }) => same.equals(it.bytes)) === at);
}

/** Base64 of something that begins `before` bytes into a larger text, without the ends, which depend on what stands there. */
function withoutEnds(bytes: Buffer, before: number): string {
  const whole = Buffer.concat([Buffer.alloc(before, 'x'), bytes]);
  const from = before === 0 ? 0 : 4;
  return whole.toString('base64').slice(from, Math.floor(whole.length / 3) * 4);
}

const chunkBytes = 1024 * 1024;
const overlapMax = 4096;
/** One for all files, which are read one after the other. */
const buffer = Buffer.alloc(chunkBytes + overlapMax);

/** The forms that stand in a file, at most one for each needle. A file that is gone or cannot be read holds none. */
export function scanFile(path: string, needles: readonly Needle[]): string[] {
  const overlap = Math.max(...needles.map(({ longest }) => longest));
  const found = new Map<Needle, string>();
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    let kept = 0;
    for (;;) {
      const read = readSync(file, buffer, kept, chunkBytes, null);
      if (read === 0) break;
      const bytes = buffer.subarray(0, kept + read);
      for (const needle of needles) {
        const form = found.has(needle) ? undefined : needle.in(bytes);
        if (form !== undefined) found.set(needle, form);
      }
      // What stands across the border of two chunks is seen with the second.
      kept = Math.min(overlap, bytes.length);
      bytes.copyWithin(0, bytes.length - kept);
    }
  } finally {
    closeSync(file);
  }
  return [...found.values()];
}

/** Every regular file below a folder; links and sockets are not followed. */
export function scanTree(dir: string, each: (path: string) => void): void {
  let entries;
  try {
    entries = readdirSync(dir, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) scanTree(path, each);
    else if (entry.isFile()) each(path);
  }
}
