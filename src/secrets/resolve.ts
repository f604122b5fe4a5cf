import { resolve } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { readReference } from '../domain/secret-reference.ts';
import { withKeychain } from './keychain.ts';
import type { Keychain } from './keychain.ts';
import { readSecretFile } from './secret-file.ts';
import { unfit } from './value.ts';

/** Opens the keychain for as long as somebody asks it something; handed in by tests. */
export type OpenKeychain = <T>(ask: (keychain: Keychain) => Promise<T>) => Promise<T>;

/**
 * Variable → reference becomes variable → value. `baseDir` is what a relative `file:` path counts from. Rejects with
 * `SECRET_UNAVAILABLE`, which names every variable that lacks its value and what to type, and never a value.
 */
export async function resolveSecrets(
  refs: Readonly<Record<string, string>>,
  baseDir: string,
  openKeychain: OpenKeychain = withKeychain,
): Promise<Record<string, string>> {
  const entries = Object.entries(refs);
  const inKeychain = entries.filter(([, reference]) => readReference(reference)?.kind === 'keychain');
  const elsewhere = entries.filter((entry) => !inKeychain.includes(entry));

  const answers: Found[] = await Promise.all(
    elsewhere.map(([name, text]) => find(name, text, () => fromFile(text, baseDir))),
  );
  if (inKeychain.length > 0) answers.push(...(await fromKeychain(inKeychain, openKeychain)));

  const lacking = answers.filter((answer) => 'fault' in answer);
  if (lacking.length > 0) {
    throw new Fault('SECRET_UNAVAILABLE', {
      detail: lacking
        .map(({ name, text, fault }) => `${name} = "${text}": ${fault.detail ?? fault.says}`)
        .join('; '),
      hint: [...new Set(lacking.map(({ fault }) => fault.hint ?? ''))]
        .filter((hint) => hint !== '')
        .join('; '),
    });
  }
  return Object.fromEntries(
    answers.flatMap((answer) => ('value' in answer ? [[answer.name, answer.value]] : [])),
  );
}

type Found =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly text: string; readonly fault: Fault };

async function find(name: string, text: string, read: () => Promise<string>): Promise<Found> {
  try {
    const value = await read();
    const wrong = unfit(value);
    if (wrong === undefined) return { name, value };
    const fault = new Fault('SECRET_UNAVAILABLE', { detail: `the value ${wrong}`, hint: 'store it again' });
    return { name, text, fault };
  } catch (reason) {
    return { name, text: shown(text), fault: Fault.from(reason) };
  }
}

/** A keychain that fails once would fail each time, three seconds later; the first failure stands for all. */
async function fromKeychain(
  entries: readonly (readonly [string, string])[],
  openKeychain: OpenKeychain,
): Promise<Found[]> {
  return openKeychain(async (keychain) => {
    const answers: Found[] = [];
    let broken: Fault | undefined;
    for (const [variable, text] of entries) {
      const name = text.slice('keychain:'.length);
      const answer = await find(variable, text, async () => {
        if (broken !== undefined) throw broken;
        const value = await keychain.get(name).catch((reason: unknown) => {
          broken = Fault.from(reason);
          throw broken;
        });
        if (value !== undefined) return value;
        throw new Fault('SECRET_UNAVAILABLE', {
          detail: 'the keychain holds no such secret',
          hint: `mcpd secret set ${name}`,
        });
      });
      answers.push(answer);
    }
    return answers;
  });
}

async function fromFile(text: string, baseDir: string): Promise<string> {
  const reference = readReference(text);
  if (reference?.kind === 'file') return readSecretFile(resolve(baseDir, reference.path));
  throw new Fault('SECRET_UNAVAILABLE', {
    detail: 'not a secret reference',
    hint: 'write "keychain:NAME" or "file:PATH"',
  });
}

/** What is no reference may be a secret that somebody pasted in its place. */
function shown(text: string): string {
  return readReference(text) === undefined ? '…' : text;
}
