import type { Json, JsonObject } from '../domain/message.ts';

/* What the state files of the operator have in common. Everything here throws a plain sentence that says what is wrong. */

export function objectAt(value: Json | undefined, where: string): JsonObject {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value))
    throw new Error(`${where} is not an object`);
  return value;
}

export function onlyKeys(value: JsonObject, keys: readonly string[], where: string): void {
  const stranger = Object.keys(value).find((key) => !keys.includes(key));
  if (stranger !== undefined) throw new Error(`${where} has an unknown member ${JSON.stringify(stranger)}`);
}

export function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
