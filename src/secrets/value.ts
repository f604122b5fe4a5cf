/** More than this is no password, and an environment has little room. */
export const secretBytesMax = 64 * 1024;

/** Why a value cannot be a secret in an environment; undefined when it can. Never quotes it. */
export function unfit(value: string): string | undefined {
  if (value === '') return 'is empty';
  if (value.includes('\0')) return 'holds a NUL, which no environment can carry';
  if (Buffer.byteLength(value) > secretBytesMax) return 'is larger than 64 KiB';
  return value.isWellFormed() ? undefined : 'is not valid Unicode';
}
