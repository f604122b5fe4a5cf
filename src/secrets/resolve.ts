import { Fault } from '../domain/faults.ts';
import type { SecretUse } from '../domain/orders.ts';
import { readReference, referenceForms, schemeOf } from '../domain/secret-reference.ts';
import type { SecretReference } from '../domain/secret-reference.ts';
import { withKeychain, type OpenKeychain } from './keychain.ts';
import { fileProvider, keychainProvider } from './providers.ts';
import type { Answer, Provider, Providers } from './provider.ts';

/**
 * Variable → reference becomes variable → value, from the keychain and from files alone. `baseDir` is what a relative `file:`
 * path counts from. Rejects with `SECRET_UNAVAILABLE`, which names every variable that lacks its value and what to type, and
 * never a value.
 */
export async function resolveSecrets(
  refs: Readonly<Record<string, string | SecretUse>>,
  baseDir: string,
  openKeychain: OpenKeychain = withKeychain,
): Promise<Record<string, string>> {
  const providers: Providers = new Map<string, Provider>([
    ['keychain', keychainProvider(openKeychain)],
    ['file', fileProvider(baseDir)],
  ]);
  const texts = Object.entries(refs).map(
    ([name, use]) => [name, typeof use === 'string' ? use : use.reference] as const,
  );
  const asked = askEach(
    texts.map(([, text]) => text),
    providers,
  );
  return valuesOf(texts, await settle(asked));
}

/** Each text once, all of one provider together, and no provider waits for another. None of these rejects. */
export function askEach(
  texts: readonly string[],
  providers: Providers,
): ReadonlyMap<string, Promise<Answer>> {
  const found = new Map<string, Promise<Answer>>();
  const asked = new Map<Provider, { readonly text: string; readonly reference: SecretReference }[]>();
  for (const text of new Set(texts)) {
    const reference = readReference(text);
    const provider = reference === undefined ? undefined : providers.get(schemeOf(reference));
    if (reference === undefined || provider === undefined)
      found.set(text, Promise.resolve({ fault: noReference() }));
    else asked.set(provider, [...(asked.get(provider) ?? []), { text, reference }]);
  }
  for (const [provider, wanted] of asked) {
    const answers = askSafely(
      provider,
      wanted.map(({ reference }) => reference),
    );
    wanted.forEach(({ text }, at) =>
      found.set(
        text,
        answers.then((all) => all[at] ?? { fault: noReference() }),
      ),
    );
  }
  return found;
}

/** What all of them came to. */
export async function settle(
  asked: ReadonlyMap<string, Promise<Answer>>,
): Promise<ReadonlyMap<string, Answer>> {
  return new Map(await Promise.all([...asked].map(async ([text, answer]) => [text, await answer] as const)));
}

/** Variable → value, or the fault that names every variable that lacks one. */
export function valuesOf(
  texts: readonly (readonly [name: string, text: string])[],
  answers: ReadonlyMap<string, Answer>,
): Record<string, string> {
  const values: [string, string][] = [];
  const lacking: { readonly why: string; readonly fault: Fault }[] = [];
  for (const [name, text] of texts) {
    const answer = answers.get(text) ?? { fault: noReference() };
    if ('value' in answer) values.push([name, answer.value]);
    else lacking.push({ why: whyNot(name, text, answer.fault), fault: answer.fault });
  }
  if (lacking.length === 0) return Object.fromEntries(values);
  throw new Fault('SECRET_UNAVAILABLE', {
    detail: lacking.map(({ why }) => why).join('; '),
    hint: [...new Set(lacking.map(({ fault }) => fault.hint ?? ''))].filter((hint) => hint !== '').join('; '),
  });
}

/** Reference → why it has no value, of those that have none. */
export function lackingOf(
  texts: readonly (readonly [name: string, text: string])[],
  answers: ReadonlyMap<string, Answer>,
): ReadonlyMap<string, string> {
  return new Map(
    texts.flatMap(([name, text]) => {
      const answer = answers.get(text) ?? { fault: noReference() };
      return 'value' in answer ? [] : [[text, whyNot(name, text, answer.fault)] as const];
    }),
  );
}

function whyNot(name: string, text: string, fault: Fault): string {
  return `${name} = "${shown(text, fault)}": ${fault.detail ?? fault.says}`;
}

async function askSafely(
  provider: Provider,
  references: readonly SecretReference[],
): Promise<readonly Answer[]> {
  try {
    return await provider.get(references);
  } catch (reason) {
    const fault = Fault.from(reason);
    return references.map(() => ({ fault }));
  }
}

const notReference = 'not a secret reference';

function noReference(): Fault {
  return new Fault('SECRET_UNAVAILABLE', { detail: notReference, hint: `write ${referenceForms}` });
}

/** What is no reference may be a secret that somebody pasted in its place. */
function shown(text: string, { detail }: Fault): string {
  return detail === notReference ? '…' : text;
}
