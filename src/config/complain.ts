import { z } from 'zod';
import { nearestTo, quote } from './complaint.ts';
import type { Complaint } from './complaint.ts';
import type { Path, Place, Places } from './toml.ts';

/** Nobody reads more than this; a file made of nothing else could otherwise fill the log. */
const complaintsMax = 100;

/** Collects what is wrong with one file. */
export class Complaints {
  readonly #file: string;
  readonly #places: Places;
  readonly #all: Complaint[] = [];

  constructor(file: string, places: Places) {
    this.#file = file;
    this.#places = places;
  }

  get all(): readonly Complaint[] {
    return this.#all;
  }

  get anyErrors(): boolean {
    return this.#all.some(({ severity }) => severity === 'error');
  }

  /** Where something is written, for those who name it later. */
  lineOf(path: Path): { readonly file: string; readonly line: number } {
    return { file: this.#file, line: this.#places.valueOf(path).line };
  }

  /** About a value; about the table around it when there is no such value. */
  about(
    path: Path,
    what: string,
    expected: string,
    severity: Complaint['severity'] = 'error',
    nearest?: string,
  ): void {
    this.#add(this.#places.valueOf(path), {
      severity,
      what,
      expected,
      ...(nearest !== undefined && { nearest }),
    });
  }

  /** About a key. */
  aboutKey(
    path: Path,
    what: string,
    expected: string,
    nearest?: string,
    severity: Complaint['severity'] = 'error',
  ): void {
    const named = nearest === undefined ? { what, expected } : { what, expected, nearest };
    this.#add(this.#places.keyOf(path), { severity, ...named });
  }

  /** Checks a value against a shape. What is undefined has been complained about. */
  check<S extends z.ZodType>(shape: S, value: unknown): z.output<S> | undefined {
    const checked = shape.safeParse(value);
    if (checked.success) return checked.data;
    for (const issue of checked.error.issues) this.#take(asMeant(issue), shape, value);
    return undefined;
  }

  #take(issue: z.core.$ZodIssue, shape: z.ZodType, whole: unknown): void {
    const path = issue.path.filter((step) => typeof step !== 'symbol');
    const name = nameOf(path);
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(shape, path);
      for (const key of issue.keys) {
        this.aboutKey(
          [...path, key],
          `unknown key ${quote(key)}`,
          `one of ${known.join(', ')}`,
          nearestTo(key, known),
        );
      }
    } else if (valueAt(whole, path) === undefined) {
      this.aboutKey(path, `missing key ${name}`, issue.message);
    } else if (issue.code === 'invalid_type') {
      this.about(path, `wrong type for ${name}`, issue.message);
    } else {
      const written = valueAt(whole, path);
      const choices = issue.code === 'invalid_value' ? issue.values.map(String) : [];
      const nearest = typeof written === 'string' ? nearestTo(written, choices) : undefined;
      this.#add(this.#places.valueOf(path), {
        severity: 'error',
        what: `bad value for ${name}`,
        expected: issue.message,
        ...(nearest !== undefined && { nearest }),
      });
    }
  }

  #add(place: Place, said: Pick<Complaint, 'severity' | 'what' | 'expected' | 'nearest'>): void {
    if (this.#all.length >= complaintsMax) return;
    this.#all.push({ file: this.#file, line: place.line, column: place.column, ...said });
  }
}

/**
 * What is wrong with a value that may have either of two forms: what is wrong with it in the form it was written in. Without
 * this, a slip inside a list would be told about the list as a whole.
 */
function asMeant(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const ofThisForm = issue.errors.filter((inner) =>
    inner.every(({ code, path }) => code !== 'invalid_type' || path.length > 0),
  );
  const [inner] = ofThisForm[0] ?? [];
  if (inner !== undefined) return { ...asMeant(inner), path: [...issue.path, ...inner.path] };
  return {
    code: 'invalid_type',
    expected: 'custom',
    path: issue.path,
    message: issue.message,
    input: issue.input,
  };
}

/** The last key of a path, in quotes; a place in a list is named after its list. */
function nameOf(path: Path): string {
  const key = path.findLast((step) => typeof step === 'string');
  return key === undefined ? 'the file' : quote(key);
}

function valueAt(whole: unknown, path: Path): unknown {
  let here = whole;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Readonly<Record<string | number, unknown>>)[step];
  }
  return here;
}

/** The keys a shape knows at a path, for the suggestion. */
function keysAt(shape: z.core.$ZodType, path: Path): readonly string[] {
  if (shape instanceof z.ZodObject) {
    const [key, ...rest] = path;
    if (key === undefined) return Object.keys(shape.shape);
    const inner: unknown = Object.hasOwn(shape.shape, key) ? shape.shape[key] : undefined;
    return inner instanceof z.ZodType ? keysAt(inner, rest) : [];
  }
  if (shape instanceof z.ZodArray) return keysAt(shape.element, path.slice(1));
  if (shape instanceof z.ZodRecord) return keysAt(shape.valueType, path.slice(1));
  if (shape instanceof z.ZodOptional || shape instanceof z.ZodDefault || shape instanceof z.ZodPrefault) {
    return keysAt(shape.unwrap(), path);
  }
  return [];
}
