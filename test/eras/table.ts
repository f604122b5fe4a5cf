/** One door of the era table: a daemon with a server for each row, and a suite for each cell. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestDaemon } from '../support/daemon.ts';
import { cellOf, kinds, rows, type Door, type Kind, type Row } from './cells.ts';
import { open } from './client.ts';
import { tellMeeting } from './meeting.ts';

const rules = `[[rule]]
name = "most things"
verdict = "allow"
tools = ["*"]
resources = ["note://**"]
prompts = ["*"]
upcalls = ["*"]

[[rule]]
name = "not these"
verdict = "deny"
tools = ["remove"]
resources = ["note://hidden"]

[[rule]]
name = "no models for some"
verdict = "deny"
callers = ["muted"]
upcalls = ["sampling/createMessage"]
`;

const programs: Readonly<Record<Row['conduct'], string>> = {
  'legacy only': 'legacy-only',
  'legacy only, strict': 'legacy-only',
  both: 'both-eras',
  'modern only': 'modern-only',
};

/** The policy file of a row's server. `more`: further lines before the tables. */
export function serve(row: Row, more = ''): string {
  const env = row.conduct === 'legacy only, strict' ? 'FX_BEFORE_HELLO = "exit"\n' : '';
  return `command = "$NODE"
args = ["$FIXTURES/${programs[row.conduct]}.ts"]
protocol = "${row.protocol}"
start_within = "10s"
${more}
[env]
FX_NOTES = "$DIR/${row.server}.notes"
${env}
${rules}`;
}

/** What the server of a row wrote down so far. */
export function notesOf(daemon: TestDaemon, { server }: Row): readonly string[] {
  try {
    return readFileSync(join(daemon.dir, `${server}.notes`), 'utf8')
      .trimEnd()
      .split('\n');
  } catch {
    // It has not said anything yet.
    return [];
  }
}

/** The row of a server by what it speaks, with `protocol = "auto"`. */
export function rowOf(conduct: Row['conduct'], protocol: Row['protocol'] = 'auto'): Row {
  const found = rows.find((it) => it.conduct === conduct && it.protocol === protocol);
  if (found === undefined) throw new Error(`no row for ${conduct}`);
  return found;
}

/** Registers one suite for each meeting at a door. */
export function tellDoor(door: Door): void {
  let daemon: TestDaemon;
  let mutedKey = '';
  before(async () => {
    daemon = await TestDaemon.start({
      servers: Object.fromEntries(rows.map((row) => [row.server, serve(row)])),
      daemon: door === 'HTTP+SSE' ? 'http_sse = true\n' : '',
    });
    mutedKey = await daemon.addKey('muted');
  });
  after(async () => daemon[Symbol.asyncDispose]());
  for (const row of rows)
    for (const kind of kinds)
      describe(`${kind}, ${door}, ${row.conduct}, protocol = "${row.protocol}"`, () => {
        const cell = cellOf(kind, door, row);
        if (typeof cell !== 'string')
          it(`is ${cell.says}`, () => tellRefusal(kind, door, daemon, row, cell.refused));
        else
          tellMeeting({
            daemon: () => daemon,
            kind,
            door,
            row,
            carried: cell,
            notes: () => notesOf(daemon, row),
            mutedKey: () => mutedKey,
          });
      });
}

async function tellRefusal(
  kind: Kind,
  door: Door,
  daemon: TestDaemon,
  { server }: Row,
  refused: RegExp,
): Promise<void> {
  // Whoever gets in all the same must not keep the test alive.
  const opening = open(kind, door, daemon, server).then(({ client }) => client.close());
  await assert.rejects(opening, refused);
}
