import type { Wanted } from './choose.ts';
import type { Pin } from './lock.ts';

/** Of one server: pins, and characters of names and kept definitions. One server must not use up the room of others. */
const pinsMax = 10_000;
const namesCharsMax = 2 * 1024 * 1024;
const definitionsCharsMax = 2 * 1024 * 1024;
const definitionCharsMax = 64 * 1024;

/**
 * The pins of a server with some added or replaced. `left`: how many there was no room for. Where there is no room for a
 * definition, its digest is kept alone: then a change is found all the same, and cannot be shown field by field.
 */
export function withPins(
  before: ReadonlyMap<string, Pin>,
  wanted: readonly Wanted[],
  made: Pick<Pin, 'at' | 'how' | 'by'>,
  clean: (definition: NonNullable<Wanted['sight']['definition']>) => string,
): { readonly tools: ReadonlyMap<string, Pin>; readonly left: number } {
  const tools = new Map(before);
  let names = 0;
  let definitions = 0;
  for (const [tool, { definition }] of tools) {
    names += tool.length;
    definitions += definition?.length ?? 0;
  }
  let left = 0;
  for (const { tool, sight } of wanted) {
    const old = tools.get(tool);
    if (old === undefined && (tools.size >= pinsMax || names + tool.length > namesCharsMax)) {
      left++;
      continue;
    }
    if (old === undefined) names += tool.length;
    definitions -= old?.definition?.length ?? 0;
    const definition = kept(sight.definition, definitionsCharsMax - definitions, clean);
    definitions += definition?.length ?? 0;
    tools.set(tool, Object.freeze({ digest: sight.digest, ...made, definition }));
  }
  return { tools, left };
}

function kept(
  definition: Wanted['sight']['definition'],
  room: number,
  clean: (definition: NonNullable<Wanted['sight']['definition']>) => string,
): string | undefined {
  const most = Math.min(definitionCharsMax, room);
  if (definition === undefined || definition.length > most) return undefined;
  const text = clean(definition);
  return text.length <= most ? text : undefined;
}
