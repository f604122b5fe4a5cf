import { encode, valueOf } from '../protocol/codec.ts';
import type { DataPlane } from './data-plane.ts';

/** A sentence without its secrets. */
export function cleanText(text: string, plane: DataPlane): string {
  return valueOf(plane.redactor.clean(encode(text))) as string; // It was one text before, and markers leave it one.
}
