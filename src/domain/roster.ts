/**
 * A map for what comes and goes at every call, in the order it came. A `Map` or `Set` will not do there: each table that it
 * outgrows points to the next one (V8's OrderedHashTable, for iterators that are under way), so once a full collection has
 * made one of them old, every later table, and every call that stood in it, outlives all small collections until the next
 * full one. That took a sixth of the time of a busy daemon. Here the map holds numbers alone, and a value's place lets go of
 * it at once.
 */
export class Roster<K extends string | number, V> {
  readonly #placeOf = new Map<K, number>();
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#placeOf.size;
  }

  get(key: K): V | undefined {
    const place = this.#placeOf.get(key);
    return place === undefined ? undefined : this.#values[place];
  }

  /** As of a `Map`: a key that is there already keeps its turn. */
  set(key: K, value: V): void {
    let place = this.#placeOf.get(key);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#values.length;
      this.#placeOf.set(key, place);
    }
    this.#values[place] = value;
  }

  /** False: it was not there. */
  delete(key: K): boolean {
    const place = this.#placeOf.get(key);
    if (place === undefined) return false;
    this.#placeOf.delete(key);
    this.#values[place] = undefined;
    this.#free.push(place);
    return true;
  }

  /** Who came first of those who are still there. */
  first(): V | undefined {
    for (const place of this.#placeOf.values()) return this.#values[place];
    return undefined;
  }

  /** All of them as they are now, in the order they came. */
  list(): V[] {
    return [...this.#placeOf.values()].map((place) => this.#values[place] as V); // A place that is taken has its value.
  }
}
