import type { Io, Told } from './io.ts';
import { openPlace, type PlaceOptions, type SecretPlace, type Use } from './secret-place.ts';
import { plural } from './words.ts';
import { Fault } from '../domain/faults.ts';
import { printable } from '../domain/printable.ts';
import { readReference, schemeOf } from '../domain/secret-reference.ts';
import { withKeychain } from '../secrets/keychain.ts';
import { askEach, settle } from '../secrets/resolve.ts';
import { defaultKeyFile } from '../secrets/vault-key.ts';

/** One place where secrets may be kept. */
type Finding = {
  readonly provider: string;
  /** `unknown`: only the daemon itself can tell, and it does not run. */
  readonly state: 'usable' | 'unusable' | 'unused' | 'unknown';
  readonly says: string;
  readonly hint: string | null;
  /** How many variables of the policy need it. */
  readonly uses: number;
};

/** `mcpd secret doctor`. */
export async function doctor(options: PlaceOptions, io: Io): Promise<Told> {
  const place = openPlace(options, io);
  const answers = await whatTheDaemonSays(place.controlSocket);
  const providers = [
    'keychain',
    'vault',
    'systemd',
    'env',
    'file',
    ...place.settings.commands.map(({ name }) => name),
  ];
  const findings = await Promise.all(
    providers.map((provider) => {
      const uses = place.uses.filter(({ reference }) => schemeIn(reference) === provider);
      return findingFor(provider, uses, place, answers);
    }),
  );
  const wrong = findings.filter(({ state, uses }) => state === 'unusable' && uses > 0);
  const marks = { usable: 'ok', unusable: 'FAIL', unused: '-', unknown: '?' } as const;
  const rows = findings.map(({ provider, state, uses, says, hint }) => {
    const mark = state === 'unusable' && uses === 0 ? '-' : marks[state];
    return `${mark.padEnd(5)}${provider.padEnd(10)}${printable(hint === null ? says : `${says}; ${hint}`)}`;
  });
  const doubt = place.unread === undefined ? [] : [`?    policy    ${printable(place.unread)}`];
  const text = [...rows, ...doubt].join('\n');
  const fields = { command: 'secret doctor', providers: findings, policy: place.unread ?? null };
  if (wrong.length === 0) return { reply: { ok: true, ...fields }, text };
  const says = `the policy needs what cannot be used: ${wrong.map(({ provider }) => provider).join(', ')}`;
  const hint = wrong[0]?.hint ?? 'mcpd secret list';
  return { reply: { ok: false, error: { code: 'SECRET_UNAVAILABLE', says, hint }, ...fields }, text };
}

type Judgement = {
  readonly says: string;
  readonly hint?: string | undefined;
  readonly ok: boolean | undefined;
};

async function findingFor(
  provider: string,
  uses: readonly Use[],
  place: SecretPlace,
  daemon: ReadonlyMap<string, string | null> | undefined,
): Promise<Finding> {
  const itself = await judge(provider, place);
  const found = itself.ok === false ? itself : await judgeUses(provider, uses, place, daemon, itself);
  const state =
    found.ok === undefined ? (uses.length === 0 ? 'unused' : 'unknown') : found.ok ? 'usable' : 'unusable';
  return { provider, state, says: found.says, hint: found.hint ?? null, uses: uses.length };
}

/** The place as such, whatever is kept there. */
async function judge(provider: string, place: SecretPlace): Promise<Judgement> {
  try {
    if (provider === 'keychain') {
      await withKeychain((keychain) => keychain.probe());
      return { ok: true, says: 'keeps what it is given' };
    }
    if (provider === 'vault') return await judgeVault(place);
  } catch (reason) {
    const { detail, says, hint } = Fault.from(reason);
    return { ok: false, says: detail ?? says, hint };
  }
  return { ok: undefined, says: 'nothing in the policy is kept there' };
}

async function judgeVault({ vault, settings, env }: SecretPlace): Promise<Judgement> {
  const { vaultKey } = settings;
  const names = await vault.names();
  // Nobody wants to be asked for a passphrase by a doctor, least of all twice.
  if (vaultKey?.kind === 'passphrase' && names.length > 0)
    return {
      ok: undefined,
      says: `${plural(names.length, 'secret')} behind a passphrase; whether it fits is not known`,
    };
  const count = await vault.check();
  const key = vaultKey === undefined ? `key in ${defaultKeyFile(env)}` : `key from ${vaultKey.kind}`;
  return count === undefined
    ? { ok: true, says: `not made yet; the first secret makes it, ${key}` }
    : { ok: true, says: `opens, ${plural(count, 'secret')}, ${key}` };
}

/** What the policy keeps there. */
async function judgeUses(
  provider: string,
  uses: readonly Use[],
  place: SecretPlace,
  daemon: ReadonlyMap<string, string | null> | undefined,
  itself: Judgement,
): Promise<Judgement> {
  if (uses.length === 0) return itself;
  const all = `${new Set(uses.map(({ reference }) => reference)).size} of the policy can be had`;
  // Its environment and its credentials are the daemon's own; those of this shell are others.
  if (provider === 'env' || provider === 'systemd') {
    if (daemon === undefined)
      return { ok: undefined, says: 'only the daemon can tell, and it does not run', hint: undefined };
    const lack = uses.find(({ reference }) => typeof daemon.get(reference) === 'string');
    return lack === undefined
      ? { ok: true, says: all }
      : { ok: false, says: daemon.get(lack.reference) ?? '', hint: `mcpd ctl restart ${lack.by}` };
  }
  if (provider === 'vault' && place.settings.vaultKey?.kind === 'passphrase') return itself;
  const found = await settle(
    askEach(
      uses.map(({ reference }) => reference),
      place.providers,
    ),
  );
  for (const { reference, by, variable } of uses) {
    const answer = found.get(reference);
    if (answer === undefined || !('fault' in answer)) continue;
    const { detail, says, hint } = answer.fault;
    return { ok: false, says: `${reference} for ${by} ${variable}: ${detail ?? says}`, hint };
  }
  return { ok: true, says: itself.ok === true ? `${itself.says}; ${all}` : all };
}

/** Reference → what the daemon lacks it for, or null where it has it; undefined when it does not run. */
async function whatTheDaemonSays(socket: string): Promise<ReadonlyMap<string, string | null> | undefined> {
  const { ask } = await import('../control/client.ts');
  try {
    const answer = await ask(socket, 'secrets', {}, { answerWithinMs: 5_000 });
    const rows = answer.ok ? answer['secrets'] : undefined;
    if (!Array.isArray(rows)) return undefined;
    return new Map(
      (rows as { reference: string; because: string | null }[]).map((it) => [it.reference, it.because]),
    );
  } catch {
    // It does not run, or does not let us: then nobody knows.
    return undefined;
  }
}

function schemeIn(reference: string): string | undefined {
  const read = readReference(reference);
  return read === undefined ? undefined : schemeOf(read);
}
