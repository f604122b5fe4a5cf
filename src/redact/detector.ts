import type { Shape } from './shapes.ts';

export type Detector = {
  /** What stands in the place of the secret: `[redacted:github-token]`. */
  readonly name: string;
  /** Texts one of which begins every secret of this kind; at least three characters, because all are searched for at once. */
  readonly literals: readonly string[];
  readonly shape: Shape;
  /** Whether it is also looked for in base64, hexadecimal, percent-encoding and HTML character references. */
  readonly encoded: boolean;
};

export function row(name: string, literals: readonly string[], shape: Shape, encoded = true): Detector {
  return { name, literals, shape, encoded };
}

export function plainRow(name: string, literals: readonly string[], shape: Shape): Detector {
  return row(name, literals, shape, false);
}
