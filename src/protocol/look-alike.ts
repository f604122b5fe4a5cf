import type { JsonObject } from '../domain/message.ts';

/**
 * As Unicode folds case for readers that ignore it (Go's `encoding/json`, `strings.EqualFold`): `ſ` is an `s` to them, the
 * Kelvin sign a `k`.
 */
export function fold(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/**
 * Whether some reader takes another member for the one of this name: it would act on `Path` where the policy looked at
 * `path` (CVE-2026-27896). Which of them counts cannot be told from here.
 */
export function hasLookAlike(value: JsonObject, name: string): boolean {
  let folded: string | undefined;
  for (const key of namesOf(value)) {
    // Simple case folding keeps the length.
    if (key.length !== name.length || key === name) continue;
    folded ??= fold(name);
    if (fold(key) === folded) return true;
  }
  return false;
}

/** Names of members that are looked at again and again for one message: every condition of every rule asks for them. */
const remembered = new WeakMap<object, readonly string[]>();
/** Below this it costs more to remember them than to list them. */
const rememberedMin = 64;

/** The names of an object's members. To list a hundred thousand of them takes long, so that is done once for each message. */
export function namesOf(value: JsonObject): readonly string[] {
  const known = remembered.get(value);
  if (known !== undefined) return known;
  const names = Object.keys(value);
  if (names.length >= rememberedMin) remembered.set(value, names);
  return names;
}
