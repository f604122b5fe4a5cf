import { Fault } from '../domain/faults.ts';
import type { SecretReference } from '../domain/secret-reference.ts';
import { unfit } from './value.ts';

/** What came of one reference. */
export type Answer = { readonly value: string } | { readonly fault: Fault };

/** A place where secrets are kept. Never rejects; each reference has its answer, in the same order. */
export type Provider = {
  readonly get: (references: readonly SecretReference[]) => Promise<readonly Answer[]>;
};

/** By scheme: `keychain`, `vault`, … and the names of the owner's commands. */
export type Providers = ReadonlyMap<string, Provider>;

/** A provider that answers each reference by itself. */
export function oneByOne(read: (reference: SecretReference) => Promise<string>): Provider {
  return { get: (references) => Promise.all(references.map((it) => answered(() => read(it)))) };
}

/** What a read came to; a value that no environment can carry counts as missing. */
export async function answered(read: () => Promise<string>): Promise<Answer> {
  try {
    const value = await read();
    const wrong = unfit(value);
    if (wrong === undefined) return { value };
    return {
      fault: new Fault('SECRET_UNAVAILABLE', { detail: `the value ${wrong}`, hint: 'store it again' }),
    };
  } catch (reason) {
    return { fault: Fault.from(reason) };
  }
}
