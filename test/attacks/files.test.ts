import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { TestDaemon } from '../support/daemon.ts';
import { order, referenceToml } from './reference.ts';

const stranger = 65_534;
const asRoot = process.getuid?.() === 0;

/** What somebody might make of a file of ours, and how a second look would see that it is mended. */
const tricks: readonly {
  readonly what: string;
  readonly play: (path: string) => void;
  readonly says: RegExp;
  readonly needsRoot?: true;
}[] = [
  {
    what: 'a symbolic link',
    play: (path) => {
      renameSync(path, `${path}.elsewhere`);
      symlinkSync(`${path}.elsewhere`, path);
    },
    says: /a symbolic link|not a plain file/,
  },
  {
    what: 'a second name of another file',
    play: (path) => linkSync(path, `${path}.elsewhere`),
    says: /second name/,
  },
  { what: 'open to writers', play: (path) => chmodSync(path, 0o666), says: /others|other users/ },
  {
    what: "another user's",
    play: (path) => chownSync(path, stranger, stranger),
    says: /belongs to user 65534/,
    needsRoot: true,
  },
];

/** A daemon that has run once and left everything behind that it keeps. */
async function left(): Promise<TestDaemon> {
  const daemon = await TestDaemon.start({ servers: { fx: referenceToml() } });
  await order(daemon, 'disable-tool', { tool: 'fx/echo' });
  await daemon.end();
  return daemon;
}

/** Tries to start it, and gives what it said when it would not. */
async function refused(daemon: TestDaemon): Promise<string> {
  const reason = await daemon.boot().then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (reason === undefined) await daemon.end();
  assert.ok(reason !== undefined, 'it started');
  assert.match(reason, /exited with 78/);
  return reason;
}

const kept = [
  'keys.json',
  'state.db',
  'state-was-kept',
  'takes',
  'seal-key',
  'child-cookie',
  'switches-were-kept',
] as const;

describe('a file of the state directory is refused at the start, with what mends it, when it is', () => {
  for (const { what, play, says, needsRoot } of tricks)
    test(what, { skip: needsRoot && !asRoot ? 'only root can give a file away' : false }, async () => {
      await using daemon = await left();
      const [journal] = readdirSync(join(daemon.state, 'audit')).map((it) => join('audit', it));
      const [log] = readdirSync(join(daemon.state, 'log')).map((it) => join('log', it));
      const files = [...kept, journal, log].filter((it) => it !== undefined);
      let looked = 0;
      for (const file of files) {
        const path = join(daemon.state, file);
        if (lstatSync(path, { throwIfNoEntry: false }) === undefined) continue;
        looked++;
        play(path);
        const said = await refused(daemon);
        assert.match(said, says, file);
        assert.ok(said.includes(path), `${file}: ${said}`);
        // The last line that mcpd says is what to type.
        const mend = said.trim().split('\n').at(-1)?.trim() ?? '';
        execFileSync('sh', ['-c', mend.replace(/ \(.*\)$/, '')], { stdio: 'pipe' });
        rmSync(`${path}.elsewhere`, { force: true });
        const found = lstatSync(path, { throwIfNoEntry: false });
        if (found !== undefined)
          assert.ok(found.isFile() && found.nlink === 1 && (found.mode & 0o022) === 0, `${file}: ${mend}`);
      }
      assert.ok(looked >= 8, `${looked} files`);
      // All are mended, and nothing is lost that was switched off.
      await daemon.boot();
      const { switches } = (await order(daemon, 'status')) as { switches: { tools: unknown[] } };
      assert.equal(switches.tools.length, 1);
    });
});

describe('the folder of the state', () => {
  test('is refused below a folder that anyone may write to', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: referenceToml() }, boot: false });
    chmodSync(daemon.dir, 0o777);
    assert.match(await refused(daemon), /anyone may|anyone on this machine/);
    chmodSync(daemon.dir, 0o1777);
    await daemon.boot();
  });

  test('keeps every file and folder to its owner, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      await using daemon = await left();
      const open = (readdirSync(daemon.state, { recursive: true }) as string[]).filter(
        (it) => (statSync(join(daemon.state, it)).mode & 0o077) !== 0,
      );
      assert.deepEqual(open, []);
    } finally {
      process.umask(before);
    }
  });
});

describe('a policy file', () => {
  const policy = { servers: { fx: referenceToml() } };

  for (const { what, play, needsRoot } of tricks)
    test(
      `that is ${what} is refused at the start; at a reload the old policy stays`,
      {
        skip: needsRoot && !asRoot ? 'only root can give a file away' : false,
      },
      async () => {
        await using daemon = await TestDaemon.start({
          ...policy,
          prepare: ({ dir }) => mkdirSync(join(dir, 'aside')),
        });
        const version = (await order(daemon, 'status'))['ordersVersion'];
        for (const file of ['servers/fx.toml', 'mcpd.toml']) {
          const path = join(daemon.policies, file);
          const aside = join(daemon.dir, 'aside', 'file');
          const text = readFileSync(path);
          copyFileSync(path, aside);
          if (what === 'a symbolic link') {
            // It leads out of its folder.
            rmSync(path);
            symlinkSync(aside, path);
          } else play(path);
          appendFileSync(path, '# changed\n');
          const reply = await order(daemon, 'reload');
          assert.equal(reply['ok'], false, file);
          assert.match(JSON.stringify(reply['complaints']), new RegExp(file.replace('.', '\\.')));
          assert.match(JSON.stringify(reply['complaints']), /type (cp|chmod|chown) /);
          assert.equal((await order(daemon, 'status'))['ordersVersion'], version);
          await daemon.end();
          assert.match(await refused(daemon), /type (cp|chmod|chown) /);
          rmSync(path);
          rmSync(`${path}.elsewhere`, { force: true });
          writeFileSync(path, text, { mode: 0o600 });
          await daemon.boot();
        }
      },
    );

  test('in a folder that is switched by a link, or mounted with links of its own, is read', async () => {
    await using daemon = await TestDaemon.start({ ...policy, boot: false });
    // As volumes of Kubernetes are: each name a link to `..data/`, and that a link to the folder of the day.
    for (const [folder, name] of [
      [daemon.policies, 'mcpd.toml'],
      [join(daemon.policies, 'servers'), 'fx.toml'],
    ] as const) {
      mkdirSync(join(folder, '..2026_11_21'));
      renameSync(join(folder, name), join(folder, '..2026_11_21', name));
      symlinkSync('..2026_11_21', join(folder, '..data'));
      symlinkSync(join('..data', name), join(folder, name));
    }
    await daemon.boot();
    await daemon.end();
    renameSync(daemon.policies, `${daemon.policies}-1`);
    symlinkSync(`${daemon.policies}-1`, daemon.policies);
    await daemon.boot();
  });

  test(
    'below a folder of another user is refused',
    { skip: asRoot ? false : 'only root can give a folder away' },
    async () => {
      await using daemon = await TestDaemon.start({ ...policy, boot: false });
      chownSync(join(daemon.policies, 'servers'), stranger, stranger);
      assert.match(await refused(daemon), /another user.*type chown/);
    },
  );
});
