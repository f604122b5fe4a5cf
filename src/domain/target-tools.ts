import type { Target } from './call.ts';

/** The tool that a target is about, where it is about one. */
export function toolOf(target: Target): string | undefined {
  return target.kind === 'tool' ? target.name : target.kind === 'task' ? target.tool : undefined;
}

/** Every tool that a target is about: a stream may follow tasks of several. */
export function toolsOf(target: Target): readonly string[] {
  if (target.kind === 'subscription') return target.tools ?? [];
  const tool = toolOf(target);
  return tool === undefined ? [] : [tool];
}
