import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { scratch } from './scratch.ts';

const script = join(import.meta.dirname, 'ask-keychain.ts');

const present = ['dbus-run-session', 'gnome-keyring-daemon'].every(
  (program) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0,
);
const skip =
  process.platform !== 'linux'
    ? 'the keychain of this system belongs to its user'
    : !present && 'needs dbus-run-session and gnome-keyring-daemon (Debian packages dbus and gnome-keyring)';

/** Runs a shell line in a home of its own, so that no keyring of a person is touched, and gives what the script printed. */
function inFreshHome(t: TestContext, line: string): Record<string, unknown> {
  const home = scratch(t);
  const runtime = join(home, 'run');
  mkdirSync(runtime, { mode: 0o700 });
  const { stdout, stderr, status } = spawnSync('sh', ['-c', line], {
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      XDG_RUNTIME_DIR: runtime,
      XDG_DATA_HOME: join(home, 'data'),
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_CACHE_HOME: join(home, 'cache'),
      NODE: process.execPath,
      SCRIPT: script,
      NAMES: join(home, 'names'),
    },
    encoding: 'utf8',
    timeout: 30_000,
  });
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  assert.ok(last.startsWith('{'), `exit ${String(status)}: ${stdout}${stderr}`);
  return JSON.parse(last) as Record<string, unknown>;
}

type Told = { readonly code: string; readonly detail: string; readonly hint: string };

test('a keychain that is open keeps, gives back, replaces and forgets', { skip }, (t) => {
  const told = inFreshHome(
    t,
    `exec dbus-run-session -- sh -c 'printf pw | gnome-keyring-daemon --unlock --components=secrets --daemonize >/dev/null && "$NODE" "$SCRIPT" "$NAMES"'`,
  );
  const { missing, ticks, ...rest } = told;
  assert.ok(Number(ticks) >= 0);
  assert.equal((missing as Told).hint, 'mcpd secret set test/a');
  assert.deepEqual(rest, {
    stored: 'stored',
    found: { A: 'värde "1"\n', B: 'värde "1"\n' },
    replaced: 'replaced',
    again: 'second',
    listed: ['test/a'],
    probed: 'probed',
    removed: 'removed',
    absent: 'absent',
  });
});

test('a locked keychain is not taken for an empty one', { skip }, (t) => {
  const told = inFreshHome(
    t,
    `exec dbus-run-session -- sh -c 'gnome-keyring-daemon --start --components=secrets >/dev/null && "$NODE" "$SCRIPT" "$NAMES"'`,
  );
  for (const step of ['missing', 'stored', 'found', 'again', 'probed', 'absent']) {
    const { detail, hint } = told[step] as Told;
    assert.match(detail, /the keychain cannot be used: its keyring is locked, or was never made/, step);
    assert.match(hint, /gnome-keyring-daemon --replace --unlock/, step);
  }
});

test('a keychain that hangs holds up neither the answer nor anything else', { skip }, (t) => {
  const told = inFreshHome(
    t,
    `exec dbus-run-session -- sh -c '
      printf pw | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null & KEYRING=$!
      until "$NODE" -e "process.exit(require(\\"fs\\").existsSync(process.env.XDG_RUNTIME_DIR + \\"/keyring/control\\") ? 0 : 1)"; do :; done
      "$NODE" "$SCRIPT" "$NAMES" $KEYRING; kill $KEYRING'`,
  );
  assert.match((told['missing'] as Told).detail, /the keychain cannot be used: /);
  assert.ok(Number(told['ticks']) > 10, 'the event loop stood still');
});

const noBus = process.platform === 'linux' ? false : 'only Linux reaches its keychain over a bus';
test('a host without a keychain is told the alternatives', { skip: noBus }, (t) => {
  const told = inFreshHome(
    t,
    `DBUS_SESSION_BUS_ADDRESS="unix:path=$HOME/nothing" exec "$NODE" "$SCRIPT" "$NAMES"`,
  );
  for (const step of ['missing', 'stored', 'absent']) {
    const { code, detail, hint } = told[step] as Told;
    assert.equal(code, 'SECRET_UNAVAILABLE');
    assert.match(detail, /the keychain cannot be used: this session has no D-Bus/);
    assert.match(hint, /dbus-run-session.*gnome-keyring-daemon --unlock.*mcpd secret set NAME --in vault/);
  }
  assert.deepEqual(told['listed'], []);
});

test('a bus without a Secret Service is told apart from none', { skip }, (t) => {
  const config = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd"><busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`;
  const told = inFreshHome(
    t,
    `printf '%s' '${config}' > "$HOME/bus.conf"; exec dbus-run-session --config-file="$HOME/bus.conf" -- "$NODE" "$SCRIPT" "$NAMES"`,
  );
  const { detail, hint } = told['missing'] as Told;
  assert.match(detail, /the keychain cannot be used: the session bus has no Secret Service/);
  assert.match(hint, /apt install gnome-keyring/);
});
