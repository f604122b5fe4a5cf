import { Refused } from './reply.ts';

/** What a command takes: `text` and `flag` by name. */
export type Shape = Readonly<Record<string, 'text' | 'text?' | 'flag'>>;

/** A command's arguments, checked. */
export type Args = {
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly need: (name: string) => string;
  readonly text: (name: string) => string | undefined;
  readonly flag: (name: string) => boolean;
};

const textCharsMax = 1024;

/** Checks arguments against a shape. Throws `BAD_ARGUMENTS` on a missing, unknown, empty or overlong one. */
export function readArgs(shape: Shape, given: unknown): Args {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw new Refused('BAD_ARGUMENTS', 'args is not an object');
  }
  // A Map, because the names come from outside and an object literal has an entry for `constructor`.
  const kinds = new Map(Object.entries(shape));
  const read = new Map<string, string | boolean>();
  for (const [name, value] of Object.entries(given)) {
    const kind = kinds.get(name);
    if (kind === undefined) {
      throw new Refused('BAD_ARGUMENTS', `there is no argument ${name}`, `it takes: ${usage(shape)}`);
    }
    if (kind === 'flag' ? typeof value !== 'boolean' : typeof value !== 'string') {
      throw new Refused('BAD_ARGUMENTS', `${name} is not a ${kind === 'flag' ? 'boolean' : 'string'}`);
    }
    if (typeof value === 'string' && (value.trim() === '' || value.length > textCharsMax)) {
      throw new Refused('BAD_ARGUMENTS', `${name} must be 1 to ${textCharsMax} characters`);
    }
    read.set(name, value as string | boolean);
  }
  for (const [name, kind] of kinds) {
    if (kind === 'text' && !read.has(name)) {
      throw new Refused('BAD_ARGUMENTS', `${name} is missing`, `it takes: ${usage(shape)}`);
    }
  }
  const text = (name: string) => {
    const value = read.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return {
    given: Object.fromEntries(read),
    // The loop above has seen to it that what a shape calls `text` is there.
    need: (name) => text(name) as string,
    text,
    flag: (name) => read.get(name) === true,
  };
}

function usage(shape: Shape): string {
  const names = Object.entries(shape).map(([name, kind]) => (kind === 'text' ? name : `[${name}]`));
  return names.length === 0 ? 'nothing' : names.join(', ');
}
