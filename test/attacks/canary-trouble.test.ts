// A daemon at which goes wrong what can, at the loudest log level: no secret comes out of it. The search itself is in
// `test/support/canary.ts`, ends every test here, and is held to find things in `canary.test.ts`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  alive,
  initialize,
  post,
  projectRoot,
  rule,
  serving,
  TestDaemon,
  until,
  type DaemonOptions,
} from '../support/daemon.ts';
import { HallClient } from '../support/hall.ts';
import { StdioPeer } from '../support/stdio-peer.ts';

const open = '[[rule]]\nname = "all"\nverdict = "allow"\ntools = ["*"]\nupcalls = ["*"]\n';
const trace = '[log]\nlevel = "trace"\n';
/** The canary under the name by which the leaking fixtures know their secret. */
const asToken = (server: string) => `[secrets]\nTOKEN = "file:$DIR/canary-${server}"\n`;

const noLinux = process.platform === 'linux' ? false : 'looks at processes as Linux shows them';
const one: DaemonOptions = {
  servers: { fx: serving('answers', rule('allow', ['*'])) },
  daemon: trace,
};

describe('no secret comes out', () => {
  it('of servers that fail, die, tell it or lack it, nor of commands, reports and errors about them', async () => {
    await using daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', open),
        leaks: serving('leaks-its-token', `record_payloads = true\n${asToken('leaks')}${open}`),
        disguise: serving('leaks-in-disguise', `record_payloads = true\n${asToken('disguise')}${open}`),
        exits: serving('exits-at-once', open),
        garbage: serving('prints-garbage', open),
        crashes: serving('crashes-after', open),
        lacking: serving('answers', `[secrets]\nTOKEN = "file:$DIR/no-such-file"\n${open}`),
        loose: serving('answers', `[secrets]\nTOKEN = "file:$DIR/loose"\n${open}`),
      },
      daemon: trace,
      prepare: ({ dir }) => {
        writeFileSync(join(dir, 'loose'), 'others may read this');
        chmodSync(join(dir, 'loose'), 0o644);
      },
    });
    for (const server of ['exits', 'garbage', 'lacking', 'loose', 'no-such'])
      await post(daemon, server, daemon.key, undefined, initialize());
    const leaks = await daemon.session('leaks');
    for (const name of ['leak', 'fail']) await leaks.call(name);
    const disguise = await daemon.session('disguise');
    for (const name of ['encoded', 'named', 'escaped', 'stderr', 'die']) await disguise.call(name);
    const crashes = await daemon.session('crashes');
    for (let call = 0; call < 3; call++) await crashes.call('work');
    const fx = await daemon.session('fx');
    assert.match(await fx.text('env'), /TEST_CANARY/, 'the server has it');
    await fx.call('die');
    await fx.raw('{"jsonrpc":"2.0",');
    await fx.raw({ jsonrpc: '2.0', id: 1, method: 'no/such' });

    for (const command of [
      ['ctl', 'status'],
      ['ctl', 'status', '--json'],
      ['ctl', 'tools', '--json'],
      ['audit', 'query', '--limit', '1000'],
      ['audit', 'query', '--limit', '1000', '--json'],
      ['check', '--json'],
      ['key', 'list', '--json'],
    ])
      await daemon.mcpd(command);
    for (const path of ['/readyz', '/healthz', '/metrics', '/servers/fx/mcp', '/nowhere']) {
      const response = await fetch(daemon.url + path, {
        headers: { authorization: `Bearer ${daemon.key}`, accept: 'application/json' },
      });
      daemon.canaries?.look(path, await response.text());
    }
    assert.ok(daemon.log().includes('"level":"error"'), 'something went wrong');
  });

  it('of a policy file that an owner spoilt, with the secret itself where a reference belongs', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: serving('answers', open) }, daemon: trace });
    const secret = daemon.canaries?.canaryOf('fx') ?? '';
    const written = JSON.stringify(secret);
    for (const line of [
      `[secrets]\nTOKEN = ${written}\n`,
      `[secrets]\nTOKEN = ${written.slice(0, -1)}\n`,
      `[secrets]\nTOKEN = '${secret}' # "\n`,
      `[secrets]\nTOKEN = { from = ${written} }\n`,
      `[secrets]\nTOKEN = ${JSON.stringify(`file:${secret}`)}\n[secrets]\n`,
      `[secrets]\nTOKEN = ${secret}\n`,
      `[env]\nTOKEN = ${written}\nTOKEN = 1\n`,
    ]) {
      daemon.writeExactly('servers/spoilt.toml', serving('answers', `owner = "tests"\n${line}`));
      await daemon.mcpd(['ctl', 'reload']);
      await daemon.mcpd(['check']);
      await daemon.mcpd(['check', '--json']);
      await daemon.mcpd(['ctl', 'status', '--json']);
    }
    // The file is the owner's; what was said about it is not.
    daemon.writeExactly('servers/spoilt.toml', '');
    assert.match(daemon.log(), /spoilt/);
  });

  for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGQUIT', 'SIGABRT', 'SIGSEGV', 'SIGTRAP'] as const)
    it(`when the daemon gets ${signal} where a core would be written`, { skip: noLinux }, async () => {
      await using daemon = await TestDaemon.start({ ...one, boot: false });
      await bootWith(daemon, 'ulimit -c unlimited; ');
      const { child, pid } = daemon;
      process.kill(pid, signal);
      // It ends, or is as well as before; both are documented elsewhere.
      await until(
        'it has ended, or answers',
        async () => child?.exitCode !== null || child.signalCode !== null || (await answers(daemon)),
      );
      assert.doesNotMatch(daemon.output, /Debugger listening/);
      assert.doesNotMatch(daemon.log(), /Debugger listening/);
    });

  it('when a server crashes where a core would be written', { skip: noLinux }, async () => {
    await using daemon = await TestDaemon.start({ ...one, boot: false });
    await bootWith(daemon, 'ulimit -c unlimited; ');
    const { pid } = await daemon.status('fx');
    process.kill(pid ?? 0, 'SIGABRT');
    await until('it is gone', () => !alive(pid ?? 0));
  });

  it('by a diagnostic report that the environment asks for', { skip: noLinux }, async () => {
    await using daemon = await TestDaemon.start({ ...one, boot: false });
    const flags = `--report-on-signal --report-signal=SIGUSR2 --report-uncaught-exception --report-on-fatalerror --report-directory=${daemon.dir}`;
    try {
      await bootWith(daemon, `NODE_OPTIONS='${flags}'; export NODE_OPTIONS; `);
    } catch (reason) {
      // To refuse to start is an answer, too.
      assert.match(String(reason), /exited with 78/);
      return;
    }
    process.kill(daemon.pid, 'SIGUSR2');
    assert.ok(await answers(daemon));
    assert.equal(await daemon.end(), 0);
  });
});

describe('what a caller signs in with reaches no server', () => {
  it('whichever way the call goes, and nothing that the daemon keeps', async () => {
    await using daemon = await TestDaemon.start({
      servers: {
        own: serving('answers', `sharing = "session"\n[env]\nFX_RAW = "$DIR/own.raw"\n${open}`),
        mine: serving('answers', `sharing = "principal"\n[env]\nFX_RAW = "$DIR/mine.raw"\n${open}`),
        all: serving('answers', `sharing = "all"\n[env]\nFX_RAW = "$DIR/all.raw"\n${open}`),
      },
      daemon: trace,
    });
    const token = jwt();
    // Its signature is 86 characters; the last 43 are looked for.
    daemon.canaries?.addKey(token);
    for (const server of ['own', 'mine', 'all']) {
      const session = await daemon.session(server);
      assert.equal(await session.text('echo', { text: 'legacy' }), 'legacy');
      assert.doesNotMatch(await session.text('env'), /mcpd_\w{8}_/);
      for (const key of [token, `${daemon.key}x`, `Bearer ${daemon.key}`])
        assert.equal((await post(daemon, server, key, session.id, initialize())).status, 401);
      for (const query of [`access_token=${daemon.key}`, `access_token=${token}`]) {
        const url = `${daemon.url}/servers/${server}/mcp?${query}`;
        assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401);
        assert.equal((await fetch(url)).status, 401);
      }
    }
    const hall = await HallClient.open(daemon);
    const { names } = { names: await hall.names('tools/list', 'tools') };
    const echoes = names.filter((name) => name.endsWith('echo'));
    assert.equal(echoes.length, 3);
    for (const name of echoes) await hall.call(name, { text: 'hall' });
    for (const name of echoes)
      await new HallClient(daemon).modern('tools/call', { name, arguments: { text: 'modern' } });
    const peer = new StdioPeer(['own'], { env: { MCPD_STATE_DIR: daemon.state, MCPD_KEY: daemon.key } });
    peer.say(initialize());
    await until('the client over stdio is greeted', () =>
      peer.heard.some(({ result }) => result !== undefined),
    );
    daemon.canaries?.lookAtProcesses();
    peer.child.stdin.end();
    await peer.exit;
    daemon.canaries?.look('what the client over stdio was told', peer.raw.join('\n') + peer.notes);
  });
});

/** Starts the daemon from a shell, in its own folder. */
async function bootWith(daemon: TestDaemon, prelude: string): Promise<void> {
  const launcher = join(projectRoot, 'src', 'launch.cjs');
  const child = spawn('sh', ['-c', `${prelude}exec "$0" "$@"`, process.execPath, launcher, 'run'], {
    env: daemon.env,
    cwd: daemon.dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  daemon.child = child;
  for (const pipe of [child.stdout, child.stderr])
    pipe.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
  await until('the daemon is ready', async () => {
    if (child.exitCode !== null) throw new Error(`mcpd exited with ${child.exitCode}:\n${daemon.output}`);
    return daemon.output.includes('fx') && (await answers(daemon));
  });
}

function answers(daemon: TestDaemon): Promise<boolean> {
  return fetch(`${daemon.url}/healthz`).then(
    ({ status }) => status === 200,
    () => false,
  );
}

/** A well-formed access token of an issuer that nobody configured. */
function jwt(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: 'https://issuer.example', sub: 'tester', aud: 'mcpd', exp: 4_000_000_000 };
  const signed = `${part({ alg: 'ES256', typ: 'at+jwt' })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
