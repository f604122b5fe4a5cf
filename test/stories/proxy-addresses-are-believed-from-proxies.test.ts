// Behind Caddy and nginx as docs/authentication.md sets them up: streams come as they are sent, and the journal has the
// client's address, which nobody but the proxy can say.
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Authority, noOpenssl } from '../front/certificates.ts';
import { freePort, projectRoot, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { ask, begin, call, type Asked } from './https.ts';

/** One example of the manual. */
function example(language: string): string {
  const manual = readFileSync(join(projectRoot, 'docs', 'authentication.md'), 'utf8');
  const text = new RegExp(`\`\`\`${language}\\n([^\`]+)\`\`\``).exec(manual)?.[1];
  assert.ok(text !== undefined, `the manual has an example for ${language}`);
  return text;
}

/** Replaces exactly one place. */
function put(text: string, what: string, by: string): string {
  assert.equal(text.split(what).length, 2, `the example has one ${what}`);
  return text.replace(what, by);
}

type Proxy = {
  readonly name: 'caddy' | 'nginx';
  readonly start: (
    dir: string,
    port: number,
    upstream: number,
    tls: { cert: string; key: string },
  ) => ChildProcess;
};

const quiet = { stdio: 'ignore' } as const;
const proxies: readonly Proxy[] = [
  {
    name: 'caddy',
    start: (dir, port, upstream, { cert, key }) => {
      const site = put(
        example('caddyfile'),
        'mcp.example {',
        `https://127.0.0.1:${port} {\n\ttls ${cert} ${key}`,
      );
      const own = '{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n';
      writeFileSync(join(dir, 'Caddyfile'), own + put(site, '127.0.0.1:8377', `127.0.0.1:${upstream}`));
      const env = { PATH: process.env['PATH'], HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir };
      return spawn('caddy', ['run', '--config', join(dir, 'Caddyfile')], { ...quiet, env });
    },
  },
  {
    name: 'nginx',
    start: (dir, port, upstream, { cert, key }) => {
      let server = put(example('nginx'), 'listen 443 ssl', `listen 127.0.0.1:${port} ssl`);
      server = put(server, '/etc/nginx/tls/cert.pem', cert);
      server = put(server, '/etc/nginx/tls/key.pem', key);
      server = put(server, '127.0.0.1:8377', `127.0.0.1:${upstream}`);
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (it) => `${it}_temp_path ${dir}/${it};`,
      );
      writeFileSync(
        join(dir, 'nginx.conf'),
        `daemon off;\npid ${dir}/nginx.pid;\nerror_log ${dir}/error.log;\n${process.getuid?.() === 0 ? 'user root;\n' : ''}worker_processes 1;\nevents {}\nhttp {\naccess_log off;\n${temp.join('\n')}\n${server}}\n`,
      );
      return spawn('nginx', ['-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')], quiet);
    },
  },
];

// Debian puts nginx where only root's shells look.
process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin`;

for (const proxy of proxies) {
  const isThere = spawnSync(proxy.name, [proxy.name === 'caddy' ? 'version' : '-v']).status === 0;
  const skip = noOpenssl || (isThere ? false : `${proxy.name} is not installed here`);

  describe(`addresses are believed from proxies: ${proxy.name}`, { skip }, () => {
    let daemon: TestDaemon;
    let corp: Authority;
    let child: ChildProcess;
    let port: number;
    before(async () => {
      port = await freePort();
      daemon = await TestDaemon.start({
        servers: { fx: serving('answers', rule('allow', ['*'])) },
        daemon: `trusted_proxies = ["127.0.0.1"]\nallowed_hosts = ["127.0.0.1:${port}"]\n`,
      });
      corp = new Authority(join(daemon.dir, 'corp'), 'Corp');
      const tls = corp.issue('proxy', { names: 'IP:127.0.0.1', usage: 'serverAuth' });
      const dir = join(daemon.dir, 'proxy');
      mkdirSync(dir);
      child = proxy.start(dir, port, daemon.port, tls);
      await until(`${proxy.name} serves`, () =>
        ask({ ...through(), path: '/healthz', method: 'GET' }).then(
          ({ status }) => status === 200,
          () =>
            child.exitCode !== null &&
            Promise.reject(new Error(`${proxy.name} ended with ${child.exitCode}`)),
        ),
      );
    });
    after(async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGTERM')) await gone;
      await daemon[Symbol.asyncDispose]();
    });

    /** From an address of this machine that is not the proxy's. */
    const through = (headers: Record<string, string> = {}): Asked => ({
      port,
      path: '/servers/fx/mcp',
      ca: corp.cert,
      from: '127.0.0.2',
      headers: { authorization: `Bearer ${daemon.key}`, ...headers },
    });
    const lastRemote = async () => (await daemon.audit('--since', '1h')).at(-1)?.['remote'];

    it("a call goes through, and its address is the client's", async () => {
      const id = await begin(through());
      const answer = await ask({
        ...through({ 'mcp-session-id': id }),
        body: call('echo', { text: 'hello' }),
      });
      assert.match(answer.text, /hello/);
      assert.equal(await lastRemote(), '127.0.0.2');
    });

    it('an address that the client made up is not believed', async () => {
      await begin(
        through({
          'x-forwarded-for': '198.51.100.7',
          'x-real-ip': '198.51.100.7',
          forwarded: 'for=198.51.100.7',
        }),
      );
      assert.equal(await lastRemote(), '127.0.0.2');
    });

    it('an event comes while the stream is open', async () => {
      const id = await begin(through());
      const stream = ask({
        ...through({ 'mcp-session-id': id, accept: 'text/event-stream' }),
        method: 'GET',
        enough: (text) => text.includes('tools/list_changed'),
      });
      // The daemon has the stream on record when it is open.
      await until('the stream is open', async () =>
        JSON.stringify(await daemon.audit('--since', '1h')).includes('(stream opened)'),
      );
      await ask({ ...through({ 'mcp-session-id': id }), body: call('change_tools') });
      assert.match((await stream).text, /tools\/list_changed/);
    });
  });
}

it("without a proxy of the owner's, no header says where a call comes from", async () => {
  await using daemon = await TestDaemon.start({ servers: { fx: serving('answers', rule('allow', ['*'])) } });
  const headers = { authorization: `Bearer ${daemon.key}`, 'x-forwarded-for': '198.51.100.7' };
  await begin({ port: daemon.port, path: '/servers/fx/mcp', headers, from: '127.0.0.2' });
  assert.equal((await daemon.audit('--since', '1h')).at(-1)?.['remote'], '127.0.0.2');
});
