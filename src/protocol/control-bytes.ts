/** Looked at between two looks at what was found: a text with a line end near its begin costs next to nothing. */
const wordsAtOnce = 4096;
/** The highest bit of each of four bytes, as a signed word. */
const HIGH = 0x80808080 | 0;

/**
 * Whether a byte below 0x20 stands in these: what JSON knows as a control character, of ASCII and of UTF-8 alike. Four bytes
 * at a time: what is 0x20 or more carries into the highest bit of its byte when 0x60 is added, and no byte carries into the next.
 */
export function hasControlByte({ buffer, byteOffset, length }: Uint8Array): boolean {
  const before = Math.min(length, -byteOffset & 3);
  const words = (length - before) >> 2;
  const behind = before + words * 4;
  const edges = new Uint8Array(buffer, byteOffset, length);
  for (let at = 0; at < before; at++) if ((edges[at] as number) < 0x20) return true;
  for (let at = behind; at < length; at++) if ((edges[at] as number) < 0x20) return true;
  if (words === 0) return false;
  const all = new Int32Array(buffer, byteOffset + before, words);
  for (let from = 0; from < words; from += wordsAtOnce) {
    const to = Math.min(words, from + wordsAtOnce);
    let high = HIGH;
    for (let at = from; at < to; at++) {
      const word = all[at] as number;
      high &= ((word & 0x7f7f7f7f) + 0x60606060) | word;
    }
    if (high !== HIGH) return true;
  }
  return false;
}
