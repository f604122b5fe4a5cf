import type { Io, Told } from './io.ts';
import { unknown, whereNow } from './secret-change.ts';
import { openPlace, type PlaceOptions, type SecretPlace, type Use } from './secret-place.ts';
import { table } from './table.ts';
import { printable } from '../domain/printable.ts';
import { readReference, schemeOf } from '../domain/secret-reference.ts';
import { askEach, settle } from '../secrets/resolve.ts';
import { listSecrets } from '../secrets/store.ts';

/** `mcpd secret get`. */
export async function get(
  what: string,
  options: PlaceOptions & { readonly in?: 'keychain' | 'vault'; readonly reveal?: true },
  io: Io,
): Promise<Told> {
  const place = openPlace(options, io);
  const reference = await referenceFor(what, options.in, place);
  const found = (await settle(askEach([reference], place.providers))).get(reference);
  if (found === undefined || 'fault' in found) throw found?.fault ?? unknown(what, place);
  const { value } = found;
  const fields = { command: 'secret get', reference, ...(options.reveal === true ? { value } : {}) };
  // Neither its length nor its beginning: a hint about a secret is a piece of it.
  const text =
    options.reveal === true ? value : `There is such a secret: ${printable(reference)}. To see it: --reveal`;
  return { reply: { ok: true, ...fields }, text };
}

async function referenceFor(
  what: string,
  store: 'keychain' | 'vault' | undefined,
  place: SecretPlace,
): Promise<string> {
  if (store === undefined && readReference(what) !== undefined) return what;
  const found = store ?? (await whereNow(what, place));
  if (found === undefined) throw unknown(what, place);
  return `${found}:${what}`;
}

type Row = {
  readonly reference: string;
  readonly provider: string;
  readonly name: string;
  readonly setAt: string | null;
  readonly usedBy: readonly { readonly by: string; readonly variable: string }[];
};

/** `mcpd secret list`. */
export async function list(options: PlaceOptions, io: Io): Promise<Told> {
  const place = openPlace(options, io);
  const [inKeychain, inVault] = await Promise.all([
    listSecrets(place.state.secretNamesFile),
    place.vault.names(),
  ]);
  const kept = new Map([
    ...inKeychain.map(({ name, setAt }) => [`keychain:${name}`, setAt] as const),
    ...inVault.map(({ name, setAt }) => [`vault:${name}`, setAt] as const),
  ]);
  const references = [...new Set([...kept.keys(), ...place.uses.map(({ reference }) => reference)])].sort();
  const rows = references.map((reference) => rowOf(reference, kept, place.uses));
  const names = [...new Set([...inKeychain, ...inVault].map(({ name }) => name))].sort();
  const doubt =
    place.unread === undefined ? '' : `\nWhich servers use them is not known: ${printable(place.unread)}`;
  const text =
    rows.length === 0
      ? 'There are no secrets. To keep one: mcpd secret set NAME'
      : table(
          ['SECRET', 'USED BY', 'LAST SET'],
          rows.map((row) => [
            row.reference,
            row.usedBy.map(({ by, variable }) => `${by} ${variable}`).join(', ') || '-',
            row.setAt ?? '-',
          ]),
        );
  const fields = { names, secrets: rows, policy: place.unread ?? null };
  return { reply: { ok: true, command: 'secret list', ...fields }, text: text + doubt };
}

function rowOf(reference: string, kept: ReadonlyMap<string, string | undefined>, uses: readonly Use[]): Row {
  const read = readReference(reference);
  return {
    reference,
    provider: read === undefined ? '' : schemeOf(read),
    name: reference.slice(reference.indexOf(':') + 1),
    setAt: kept.get(reference) ?? null,
    usedBy: uses.filter((use) => use.reference === reference).map(({ by, variable }) => ({ by, variable })),
  };
}
