import type { z } from 'zod';

/**
 * What is usable in a file whose shape is wrong, with stand-ins for the rest, so that whatever else is wrong with it can be
 * told in the same breath. Nothing ever runs on it.
 */
export function salvage<S extends z.ZodObject>(
  shape: S,
  value: unknown,
  standIns: Readonly<Record<string, (written: unknown) => unknown>>,
): z.output<S> | undefined {
  const written =
    typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : new Map<string, unknown>();
  const kept: [string, unknown][] = [];
  for (const [key, field] of Object.entries(shape.shape)) {
    const usable = written.has(key) && (field as z.ZodType).safeParse(written.get(key)).success;
    if (usable) kept.push([key, written.get(key)]);
    else if (standIns[key] !== undefined) kept.push([key, standIns[key](written.get(key))]);
  }
  return shape.safeParse(Object.fromEntries(kept)).data;
}
