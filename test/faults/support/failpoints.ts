/**
 * Failpoints without a line in `src/`: everything that can fail reaches a story through its plane, so a plane whose N-th effect
 * fails is a failpoint at each of them. N = 1, 2, … until none fires is every place there is (sqlite.org/testing.html).
 */

/** How an effect fails. `after`: it was done, and then it failed; the caller cannot know. */
export type Manner = 'throws' | 'throws nothing' | 'rejects' | 'after';
export const manners: readonly Manner[] = ['throws', 'throws nothing', 'rejects', 'after'];

export type Failpoint = {
  /** The effect that failed, such as `fleet.forward`; undefined while none did. */
  fired: string | undefined;
  /** All effects so far. */
  count: number;
};

/** The same object, all of whose functions count, and of which the N-th fails. What they return is treated alike. */
export function failing<T extends object>(
  whole: T,
  at: number,
  manner: Manner,
): { plane: T; point: Failpoint } {
  const point: Failpoint = { fired: undefined, count: 0 };
  // Whoever catches it must not count on its being an error.
  const error = () =>
    manner === 'throws nothing' ? (undefined as unknown as Error) : new Error('a failpoint');
  const wrapFunction = (real: (...args: unknown[]) => unknown, self: object, name: string) => {
    return (...args: unknown[]): unknown => {
      const fires = ++point.count === at;
      if (fires) point.fired = name;
      if (fires && (manner === 'throws' || manner === 'throws nothing')) throw error();
      // What is not waited for cannot reject: it throws.
      if (fires && manner === 'rejects') return rejected(real, error());
      const result = real.apply(self, args);
      const fail = () => Promise.reject(error());
      if (fires && result instanceof Promise) return result.then(fail, fail);
      if (fires) throw error();
      // A trail is handed out by an effect and is made of effects.
      return name === 'audit.open' ? wrap(result as object, 'trail') : result;
    };
  };
  const wrap = (object: object, path: string): object =>
    new Proxy(object, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof key !== 'string') return value;
        const name = path === '' ? key : `${path}.${key}`;
        if (typeof value === 'function')
          return wrapFunction(value as (...args: unknown[]) => unknown, target, name);
        // The rooms of a plane; what lies deeper are values.
        return path === '' && typeof value === 'object' && value !== null ? wrap(value, name) : value;
      },
    });
  // A proxy of the same members.
  return { plane: wrap(whole, '') as T, point };
}

/** A failed promise from what gives one; nothing was done. */
function rejected(real: object, error: Error): Promise<never> {
  if (real.constructor.name !== 'AsyncFunction') throw error;
  return Promise.reject(error);
}
