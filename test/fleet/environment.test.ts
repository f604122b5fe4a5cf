import assert from 'node:assert/strict';
import { it } from 'node:test';
import { environmentOf } from '../../src/fleet/environment.ts';

const parts = { own: {}, execPath: '/opt/node/bin/node', declared: {}, secrets: {}, cookie: 'c' };

it('a child sees what is declared and a short list, and nothing else of the daemon', () => {
  const own = {
    HOME: '/home/x',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    USER: 'x',
    LOGNAME: 'x',
    PATH: '/evil',
    NODE_OPTIONS: '--require /evil.js',
    LD_PRELOAD: '/evil.so',
    MCPD_HOME: '/m',
    PM2_HOME: '/p',
    npm_config_registry: 'r',
    GITHUB_TOKEN: 't',
    SSH_AUTH_SOCK: '/s',
    XDG_RUNTIME_DIR: '/run/user/1',
  };
  assert.deepEqual(environmentOf({ ...parts, own, declared: { LEVEL: 'info' }, secrets: { TOKEN: 's3' } }), {
    PATH: '/opt/node/bin:/usr/local/bin:/usr/bin:/bin',
    HOME: '/home/x',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    USER: 'x',
    LOGNAME: 'x',
    LEVEL: 'info',
    TOKEN: 's3',
    SUPERVISED_BY: 'c',
  });
});

it('what the daemon lacks is left out', () => {
  assert.deepEqual(Object.keys(environmentOf(parts)), ['PATH', 'SUPERVISED_BY']);
});

it('the owner may set a PATH, but not hide a child from the sweep', () => {
  const env = environmentOf({ ...parts, declared: { PATH: '/mine', SUPERVISED_BY: 'nobody' } });
  assert.deepEqual(env, { PATH: '/mine', SUPERVISED_BY: 'c' });
});
