/** A copy of a map that can no longer be changed; Object.freeze alone leaves `set` working. */
export function sealed<Value>(map: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
  const copy = new Map(map);
  const refuse = (): never => {
    throw new TypeError('Orders are frozen: build new ones and replace them whole.');
  };
  for (const key of ['set', 'delete', 'clear']) Object.defineProperty(copy, key, { value: refuse });
  return copy;
}

/** The value itself, frozen to the bottom. */
export function freeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  const inner = value instanceof Map ? value.values() : Object.values(value);
  for (const it of inner) freeze(it as unknown);
  return value;
}
