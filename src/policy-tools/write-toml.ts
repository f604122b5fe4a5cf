import { printable } from '../domain/printable.ts';

/** A TOML string. Everything that a terminal or an editor would not show is escaped: it came from outside. */
export function text(value: string): string {
  return JSON.stringify(value.toWellFormed()).replace(/[\u{7f}-\u{10ffff}]/gu, (it) =>
    printable(it) === it ? it : `\\U${(it.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`,
  );
}

export function line(name: string, value: string): string {
  return `${name} = ${text(value)}`;
}

/** In one line where it fits, else one to a line. */
export function list(values: readonly string[]): string {
  const short = `[${values.map(text).join(', ')}]`;
  return short.length <= 90 ? short : `[\n${values.map((value) => `  ${text(value)},`).join('\n')}\n]`;
}

/** A key, in quotes where it needs them. */
export function key(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : text(name);
}

/** One comment line, whatever is in it: a line end would end the comment and begin a setting. */
export function comment(words: string): string {
  return `# ${printable(words)}`;
}
