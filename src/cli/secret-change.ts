import type { Io, Told } from './io.ts';
import { openPlace, type PlaceOptions, type SecretPlace } from './secret-place.ts';
import { tellDaemon, type Heard } from './secret-tell.ts';
import { Fault } from '../domain/faults.ts';
import { printable } from '../domain/printable.ts';
import { withKeychain } from '../secrets/keychain.ts';
import { checkName, checkValue, listSecrets, removeSecret, setSecret } from '../secrets/store.ts';

type Store = 'keychain' | 'vault';
type Options = PlaceOptions & { readonly in?: Store };

/** `mcpd secret set`. */
export async function set(name: string, options: Options, io: Io): Promise<Told> {
  checkName(name);
  const place = openPlace(options, io);
  const given = await io.readSecret(`Value of ${printable(name)} (not shown): `);
  checkValue(given);
  const store = options.in ?? (await whereNow(name, place)) ?? (await whereNew());
  const result = await put(store, name, given, place, io);
  const reference = `${store}:${name}`;
  const heard = await tellDaemon(place.controlSocket, reference, 'keep');
  const fields = {
    command: 'secret set',
    name,
    changed: true,
    result,
    in: store,
    reference,
    ...heard.fields,
  };
  const text = `${printable(name)} is ${result} in the ${store}. A policy names it as ${reference}\n${heard.says}`;
  return { reply: { ok: true, ...fields }, text };
}

/** `mcpd secret rotate`. */
export async function rotate(name: string, options: Options, io: Io): Promise<Told> {
  checkName(name);
  const place = openPlace(options, io);
  const store = options.in ?? (await whereNow(name, place));
  // A slip in the name would store a secret that nobody uses, and leave the old one in use.
  if (store === undefined || !(await isIn(store, name, place))) throw unknown(name, place);
  const given = await io.readSecret(`New value of ${printable(name)} (not shown): `);
  checkValue(given);
  await put(store, name, given, place, io);
  const reference = `${store}:${name}`;
  const heard = await tellDaemon(place.controlSocket, reference, 'restart');
  const fields = { command: 'secret rotate', name, changed: true, in: store, reference, ...heard.fields };
  const text = `${printable(name)} is replaced in the ${store}.\n${heard.says}`;
  return { reply: failed(heard, fields), text };
}

/** `mcpd secret rm`. Removing what is not there succeeds and says so. */
export async function remove(name: string, options: Options, io: Io): Promise<Told> {
  checkName(name);
  const place = openPlace(options, io);
  const store = options.in ?? (await whereNow(name, place));
  // On neither list: a keychain that cannot be used is no reason to fail, there was nothing to remove that we know of.
  if (store === undefined)
    return {
      reply: { ok: true, command: 'secret rm', name, changed: false, in: null, usedBy: [] },
      text: `There is no ${printable(name)}; nothing changed.`,
    };
  const result =
    store === 'vault'
      ? await place.vault.remove(name)
      : await removeSecret(name, place.state.secretNamesFile);
  const reference = `${store}:${name}`;
  const usedBy = place.uses.filter((use) => use.reference === reference).map(({ by }) => by);
  const still =
    usedBy.length === 0
      ? ''
      : ` The policy still names it, for ${[...new Set(usedBy)].map(printable).join(', ')}: they will not start without it.`;
  return {
    reply: { ok: true, command: 'secret rm', name, changed: result === 'removed', in: store, usedBy },
    text:
      result === 'removed'
        ? `${printable(name)} is removed from the ${store}.${still}`
        : `There is no ${printable(name)} in the ${store}; nothing changed.`,
  };
}

/** Where a name is kept already; undefined where it is new. */
export async function whereNow(name: string, place: SecretPlace): Promise<Store | undefined> {
  const places = await Promise.all(
    (['keychain', 'vault'] as const).map(async (store) => ((await isIn(store, name, place)) ? [store] : [])),
  );
  const [first, second] = places.flat();
  if (second !== undefined)
    throw new Fault('SECRET_UNAVAILABLE', {
      detail: `${name} is in the keychain and in the vault`,
      hint: 'say which is meant: --in keychain or --in vault',
    });
  return first;
}

export function unknown(name: string, place: SecretPlace): Fault {
  const used = place.uses.some(({ reference }) => reference.endsWith(`:${name}`));
  return new Fault('SECRET_UNAVAILABLE', {
    detail: `there is no secret ${name}`,
    hint: used ? `mcpd secret set ${name}` : 'mcpd secret list',
  });
}

async function isIn(store: Store, name: string, place: SecretPlace): Promise<boolean> {
  const kept = store === 'vault' ? await place.vault.names() : await listSecrets(place.state.secretNamesFile);
  return kept.some((it) => it.name === name);
}

/** The keychain where it keeps what it is given. */
async function whereNew(): Promise<Store> {
  try {
    await withKeychain((keychain) => keychain.probe());
    return 'keychain';
  } catch {
    // Whatever is wrong with it, `secret doctor` says; the vault needs nothing.
    return 'vault';
  }
}

function put(store: Store, name: string, value: string, place: SecretPlace, io: Io) {
  return store === 'vault'
    ? place.vault.set(name, value)
    : setSecret(name, value, place.state.secretNamesFile, withKeychain, io.now);
}

function failed({ error }: Heard, fields: Record<string, unknown>): Told['reply'] {
  return error === undefined ? { ok: true, ...fields } : { ok: false, error, ...fields };
}
