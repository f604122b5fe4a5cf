import type { Command } from 'commander';
import type { Rotation, Revocation, NewKey } from '../callers/keys.ts';
import type { KeyRecord } from '../callers/key-record.ts';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { keyTerms, momentOf, overlapOf, scopeText, type TermOptions } from './key-terms.ts';
import { controlSocketIn, policiesDir, stateDir } from './place.ts';
import { table } from './table.ts';
import { printable } from '../domain/printable.ts';

type Options = { readonly policies?: string; readonly json?: true };

/** `mcpd key …`: who may call. */
export function addKey(program: Command, io: Io, finish: Finish): void {
  const key = program
    .command('key')
    .summary('keys for callers: add, list, rotate, revoke')
    .description('Keys for callers. A key is shown once; mcpd keeps only its hash.')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        'mcpd key add my-editor',
        'mcpd key list',
        'mcpd key rotate ci',
        'mcpd key revoke my-editor',
      ]),
    );
  const dirOf = ({ policies }: Options) => stateDir(policiesDir(policies, io.env), io.env);
  const several = (value: string, before: readonly string[] = []) => [...before, value];

  leaf(key, 'add')
    .argument('<NAME>')
    .description(
      'Makes a key for one caller and shows it, once. A running mcpd accepts it at once. What --server, --tool and --risk say narrows what the policy allows to NAME, and never widens it.',
    )
    .option('--server <pattern>', 'only servers with such a name; may be repeated', several)
    .option('--tool <server/tool>', 'only such tools, and no resources or prompts; may be repeated', several)
    .option('--risk <class>', 'only tools up to this class: read, write or destructive')
    .option('--role <role>', 'a role that the key brings along; may be repeated', several)
    .option('--expires <when>', 'a time from now such as 30d or 12h, or a date such as 2027-01-31')
    .option('--note <text>', 'for yourself: shown in the list')
    .addHelpText(
      'after',
      examples([
        'mcpd key add my-editor',
        'mcpd key add ci --server github --risk read --expires 30d --note "nightly build"',
        "mcpd key add bot --tool 'github/list_*' --tool github/get_issue",
        'mcpd key add ci --json | jq -r .key',
      ]),
    )
    .action(async (name: string, options: Options & TermOptions) =>
      finish(await add(dirOf(options), name, options, io.now()), options.json === true),
    );
  leaf(key, 'list')
    .description(
      'Lists the keys: whose they are, what they open, when they end and when they were last used.',
    )
    .addHelpText('after', examples(['mcpd key list', 'mcpd key list --json']))
    .action(async (options: Options) => finish(await list(dirOf(options), io.now()), options.json === true));
  leaf(key, 'rotate')
    .argument('<NAME>')
    .description(
      'Makes a new key with the same scope and shows it, once. The old one is good until the overlap ends.',
    )
    .option('--overlap <time>', 'how long the old key is still good, such as 24h; 0s: not at all', '24h')
    .option(
      '--expires <when>',
      'when the new key ends (default: it lasts as long as the old one was made for)',
    )
    .addHelpText('after', examples(['mcpd key rotate ci', 'mcpd key rotate ci --overlap 7d']))
    .action(async (name: string, options: Options & { overlap: string; expires?: string }) =>
      finish(await rotate(dirOf(options), name, options, io.now()), options.json === true),
    );
  leaf(key, 'revoke')
    .argument('<NAME|ID>')
    .description(
      "Takes a caller's keys away for good, or the one key with an id. A running mcpd refuses them from the next call on.",
    )
    .addHelpText(
      'after',
      examples([
        'mcpd key revoke my-editor',
        'mcpd key revoke mcpd_AbCd1234',
        'mcpd ctl disable-caller my-editor --now   (also stops its calls)',
      ]),
    )
    .action(async (name: string, options: Options) =>
      finish(await revoke(dirOf(options), name, io.now()), options.json === true),
    );
}

async function add(dir: string, name: string, options: TermOptions, nowMs: number): Promise<Told> {
  const { addKey: make } = await import('../callers/keys.ts');
  const { openStateDir } = await import('../config/state-dir.ts');
  const terms = keyTerms(options, nowMs);
  openStateDir(dir);
  const made = await make(dir, name, terms, nowMs);
  const daemon = await tellDaemon(dir, `key add ${name}`);
  return shown('key add', made, daemon, {}, `This is the key of ${printable(name)}.`);
}

/** The key exists whatever the daemon said, and is shown nowhere else: it must not be swallowed by an error. */
function shown(command: string, { key, record }: NewKey, daemon: Heard, more: object, says: string): Told {
  const { name, id, expiresAt } = record;
  const fields = { command, name, id, key, expiresAt: expiresAt ?? null, ...more, ...daemon.fields };
  const end = expiresAt === undefined ? '' : ` It is good until ${expiresAt}.`;
  const scope = scopeText(record);
  const opens = scope === '' ? '' : `It opens, of what the policy allows: ${printable(scope)}.\n`;
  const text = `${key}\n\n${says} It is shown once; keep it where ${printable(name)} can read it.${end}\n${opens}Clients send it as:  Authorization: Bearer ${key}\n${daemon.says}`;
  if (daemon.error === undefined) return { reply: { ok: true, ...fields }, text };
  return { reply: { ok: false, error: daemon.error, ...fields }, text };
}

async function list(dir: string, nowMs: number): Promise<Told> {
  const { isUsable, listKeys } = await import('../callers/keys.ts');
  const { readUses } = await import('../callers/last-use.ts');
  const uses = readUses(dir);
  const records = listKeys(dir);
  const keys = records.map((it) => {
    const { name, id, createdAt, expiresAt, revokedAt, servers, tools, risk, roles, note } = it;
    const used = uses.get(id);
    return {
      name,
      id,
      createdAt,
      expiresAt: expiresAt ?? null,
      revokedAt: revokedAt ?? null,
      lastUsedAt: used === undefined ? null : new Date(used).toISOString(),
      good: isUsable(it, nowMs),
      scope: { servers: servers ?? null, tools: tools ?? null, risk: risk ?? null, roles: roles ?? null },
      note: note ?? null,
    };
  });
  const rows = keys.map(({ name, id, createdAt, expiresAt, revokedAt, lastUsedAt }, at) => [
    name,
    `mcpd_${id}_…`,
    scopeText(records[at] as KeyRecord) || 'everything',
    minute(createdAt),
    minute(lastUsedAt),
    minute(expiresAt),
    minute(revokedAt),
    keys[at]?.note ?? '',
  ]);
  const text =
    keys.length === 0
      ? 'There are no keys. To make one: mcpd key add NAME'
      : table(['CALLER', 'KEY', 'OPENS', 'MADE', 'LAST USED', 'EXPIRES', 'REVOKED', 'NOTE'], rows);
  return { reply: { ok: true, command: 'key list', keys }, text };
}

/** A time for a column: to the minute, in UTC. */
function minute(time: string | null): string {
  return time === null ? '-' : time.replace(/:\d\d(\.\d+)?Z$/, 'Z');
}

async function rotate(
  dir: string,
  name: string,
  { overlap, expires }: { readonly overlap: string; readonly expires?: string },
  nowMs: number,
): Promise<Told> {
  const { rotateKey } = await import('../callers/keys.ts');
  const terms = {
    overlapMs: overlapOf(overlap),
    expiresAtMs: expires === undefined ? undefined : momentOf(expires, nowMs),
  };
  const result: Rotation = await rotateKey(dir, name, terms, nowMs);
  if (result.kind === 'unknown') return unknown(dir, name, 'has no key that is good');
  const daemon = await tellDaemon(dir, `key rotate ${name}`);
  const old = result.old.map(({ id, expiresAt }) => ({ id, expiresAt: expiresAt ?? null }));
  const ends = old.map(({ id, expiresAt }) => `mcpd_${id}_… is good until ${expiresAt ?? 'then'}.`).join(' ');
  const told = shown(
    'key rotate',
    result.made,
    daemon,
    { old },
    `This is the new key of ${printable(name)}.`,
  );
  return { ...told, text: `${told.text}\n${ends}` };
}

async function revoke(dir: string, name: string, nowMs: number): Promise<Told> {
  const { revokeKey } = await import('../callers/keys.ts');
  const result: Revocation = await revokeKey(dir, name, nowMs);
  if (result.kind === 'unknown') return unknown(dir, name, 'has no key');
  const caller = result.records[0]?.name ?? '';
  // Told even when nothing changed: the daemon may have missed it the first time.
  const daemon = await tellDaemon(dir, `key revoke ${caller}`);
  const ids = result.records.map(({ id }) => id);
  const changed = result.kind === 'revoked';
  const fields = { command: 'key revoke', name: caller, ids, changed, ...daemon.fields };
  if (daemon.error !== undefined) return { reply: { ok: false, error: daemon.error, ...fields }, text: '' };
  const which =
    ids.length === 1
      ? `The key of ${printable(caller)} is`
      : `${ids.length} keys of ${printable(caller)} are`;
  const text = `${which} revoked${changed ? '' : ' already'}. ${daemon.says}`;
  return { reply: { ok: true, ...fields }, text };
}

async function unknown(dir: string, name: string, what: string): Promise<Told> {
  const { listKeys } = await import('../callers/keys.ts');
  const { nearest } = await import('../operate/nearest.ts');
  const near = nearest(
    name,
    listKeys(dir).map((it) => it.name),
  );
  const hint = near === undefined ? 'mcpd key list' : `did you mean ${near}?`;
  // Whoever types a whole key here would read it again in a log.
  const said = name.startsWith('mcpd_') ? `${name.slice(0, 13)}…` : name;
  return { reply: { ok: false, error: { code: 'NOT_FOUND', says: `${said} ${what}`, hint } }, text: '' };
}

type Heard = {
  /** `inForce`: a running daemon obeys the change now. */
  readonly fields: { readonly daemon: 'told' | 'not running' | 'failed'; readonly inForce: boolean };
  readonly says: string;
  readonly error: { readonly code: string; readonly says: string; readonly hint: string } | undefined;
};

/** A change of keys that a running daemon does not hear of would be a revoked key that still opens. */
async function tellDaemon(dir: string, after: string): Promise<Heard> {
  const { ask, NoAnswer } = await import('../control/client.ts');
  const hint = 'mcpd ctl reload-keys';
  try {
    const answer = await ask(controlSocketIn(dir), 'reload-keys', { after });
    if (answer.ok)
      return {
        fields: { daemon: 'told', inForce: true },
        says: 'The running mcpd knows already.',
        error: undefined,
      };
    const says = `the change is written down, but the running mcpd did not take it: ${answer.error.says}`;
    return {
      fields: { daemon: 'failed', inForce: false },
      says: '',
      error: { code: answer.error.code, says, hint },
    };
  } catch (reason) {
    if (reason instanceof NoAnswer && reason.code === 'NOT_RUNNING') {
      return {
        fields: { daemon: 'not running', inForce: true },
        says: 'mcpd is not running; it will know when it starts.',
        error: undefined,
      };
    }
    const why = reason instanceof Error ? reason.message : String(reason);
    const says = `the change is written down, but the running mcpd could not be told: ${why}`;
    return {
      fields: { daemon: 'failed', inForce: false },
      says: '',
      error: { code: 'NO_ANSWER', says, hint },
    };
  }
}
