// The same scripts, played to each server directly and through a real mcpd that allows everything: what the client sees is
// the same, ids aside.
import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestDaemon } from '../support/daemon.ts';
import { compare, misplaced, tell } from './compare.ts';
import { differences, mayBeLate } from './differences.ts';
import { overHttp } from './http-peer.ts';
import { play } from './play.ts';
import { chromeDevtools } from './scripts/chrome-devtools.ts';
import { context7 } from './scripts/context7.ts';
import { eslint } from './scripts/eslint.ts';
import { everything } from './scripts/everything.ts';
import { filesystem } from './scripts/filesystem.ts';
import { fx } from './scripts/fx.ts';
import { git } from './scripts/git.ts';
import { github } from './scripts/github.ts';
import { memory } from './scripts/memory.ts';
import { mirror } from './scripts/mirror.ts';
import { commandOf, policyOf, type Scripted } from './server.ts';
import { overStdio } from './stdio-peer.ts';
import type { Seen } from './transcript.ts';

const servers: readonly Scripted[] = [
  everything,
  filesystem,
  memory,
  github,
  eslint,
  context7,
  git,
  chromeDevtools,
  fx,
  mirror,
];

describe('with an allow-all policy mcpd is transparent', () => {
  const needed = new Set<string>();
  const played = new Set<string>();

  for (const server of servers)
    describe(`in front of ${server.name} (${server.maker})`, () => {
      let place = '';
      let daemon: TestDaemon | undefined;
      before(async () => {
        place = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-differential-')));
        server.prepare(place);
        daemon = await TestDaemon.start({ servers: { [server.name]: policyOf(server, place) } });
      });
      after(async () => {
        await daemon?.[Symbol.asyncDispose]();
        rmSync(place, { recursive: true, force: true });
      });

      it('a client sees the same messages, to the digit', async () => {
        assert.ok(daemon !== undefined);
        const script = server.script(place);
        const command = commandOf(server, place);
        const env = { PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`, ...command.env };
        server.prepare(place);
        const direct = await play(script, overStdio({ ...command, env }));
        server.prepare(place);
        const url = `${daemon.url}/servers/${server.name}/mcp`;
        const through = await play(script, overHttp({ url, key: daemon.key }));

        assert.ok(direct.seen.length > script.steps.length / 2, 'the server said next to nothing');
        let expected: readonly Seen[] = direct.seen;
        for (const { what, through: shown } of differences) {
          const next = shown(expected, direct.sent);
          if (next.length !== expected.length || next.some((seen, n) => seen !== expected[n]))
            needed.add(what);
          expected = next;
        }
        const wrong = [
          ...compare(tell(expected, server.varies), tell(through.seen, server.varies), mayBeLate),
        ];
        wrong.push(...misplaced(through.seen, through.sent));
        assert.ok(wrong.length === 0, ['', ...wrong].join('\n'));
        played.add(server.name);
      });
    });

  it('every difference on record is needed', () => {
    assert.deepEqual(
      [...played],
      servers.map(({ name }) => name),
      'some servers were not played to their end',
    );
    assert.deepEqual(
      differences.map(({ what }) => what).filter((what) => !needed.has(what)),
      [],
    );
  });
});
