import type { JsonObject } from './message.ts';

/**
 * What must hold for one argument, or for each of several. Values are compared as they are: nothing is coerced, and a value
 * of another type meets no condition.
 */
export type Condition = {
  /** Where it stands below `arguments`; `*` stands for every item of a list and every member of an object. */
  readonly path: readonly string[];
  /** As the owner wrote the path: `options.paths.*`. */
  readonly at: string;
  /** Whether the condition also holds where there is no such argument. */
  readonly optional: boolean;
  /** The argument must not be there at all. */
  readonly absent: boolean;
  readonly checks: readonly Check[];
};

export type Check =
  | { readonly kind: 'type'; readonly type: ArgumentType }
  | { readonly kind: 'one-of'; readonly values: readonly (string | number | boolean)[] }
  /** In code points for a text, in items for a list, in members for an object. */
  | { readonly kind: 'length'; readonly min: number; readonly max: number }
  /** Numbers; both ends included. */
  | { readonly kind: 'range'; readonly min: number; readonly max: number }
  /** Name patterns (`*`) and linear-time regular expressions; one of them must match the whole text. */
  | { readonly kind: 'text'; readonly like: readonly string[]; readonly matches: readonly string[] }
  | {
      readonly kind: 'url';
      readonly schemes: readonly string[];
      readonly hosts: readonly string[];
      readonly ports: readonly number[] | undefined;
      readonly paths: readonly string[] | undefined;
    }
  /** An absolute path whose real path lies in one of these folders, compared component by component. */
  | { readonly kind: 'within'; readonly folders: readonly string[] }
  | { readonly kind: 'not'; readonly checks: readonly Check[] };

export type ArgumentType = 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array' | 'null';

/** `unknown`: the condition does not speak about values of this type, so it can neither be said to hold nor not to. */
export type Holds = 'yes' | 'no' | 'unknown';

/** A condition, ready to be asked. */
export type ArgumentTest = {
  readonly condition: Condition;
  readonly holds: (args: JsonObject, realPath: (path: string) => string | undefined) => Holds;
};
