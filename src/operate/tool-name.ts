import { Refused } from './reply.ts';

/** `server/tool` in two, split at the first slash: a server's name has none. Throws `BAD_ARGUMENTS`. */
export function readToolName(text: string): { readonly server: string; readonly tool: string } {
  const slash = text.indexOf('/');
  if (slash <= 0 || slash === text.length - 1) {
    throw new Refused(
      'BAD_ARGUMENTS',
      `${text} does not name a tool`,
      'write SERVER/TOOL, for example files/write_file',
    );
  }
  return { server: text.slice(0, slash), tool: text.slice(slash + 1) };
}

/** Throws `BAD_ARGUMENTS` for a pattern: it would be taken for one name, and its writer would believe that all are meant. */
export function refusePattern(text: string, what: string, instead: string): void {
  if (/[*?]/.test(text)) throw new Refused('BAD_ARGUMENTS', `${what}, not a pattern`, instead);
}
