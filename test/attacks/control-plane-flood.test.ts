// The kill switch while somebody who may open the socket, a server without a wall, does all they can to keep it busy.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ask } from '../../src/control/client.ts';
import { rule, serving, TestDaemon, until } from '../support/daemon.ts';

const flood = `
const { connect } = require('node:net');
const [path, how] = process.argv.slice(1);
const line = JSON.stringify({ command: 'lockdown', operator: 'x', token: 'mcpd_ctl_wrong' }) + '\\n';
let open = 0, made = 0;
const more = () => {
  while (open < 128) {
    open++;
    const socket = connect(path, () => {
      if (++made === 64) console.log('floods');
      if (how === 'wrong tokens') socket.write(line);
      if (how === 'half a line') socket.write(line.slice(0, 20));
      if (how === 'much too much') socket.write('x'.repeat(70000));
      if (how === 'comes and goes') socket.destroy();
    });
    socket.on('data', () => {});
    socket.on('error', () => {});
    socket.on('close', () => { open--; setImmediate(more); });
  }
};
more();
`;

const hows = ['wrong tokens', 'half a line', 'silence', 'much too much', 'comes and goes'];

describe('a tool is switched off at the first asking', () => {
  for (const how of hows)
    test(`against ${how}`, async () => {
      await using daemon = await TestDaemon.start({
        servers: { fx: serving('answers') + rule('allow', ['*']) },
        canaries: false,
      });
      const socket = join(daemon.state, 'control', 'mcpd.sock');
      const attackers: ChildProcess[] = [];
      try {
        for (let made = 0; made < 3; made++)
          attackers.push(
            spawn(process.execPath, ['-e', flood, socket, how], { stdio: ['ignore', 'pipe', 'inherit'] }),
          );
        const begun = attackers.map(
          (it) => new Promise<void>((resolve) => it.stdout?.once('data', () => resolve())),
        );
        await Promise.all(begun);
        for (let n = 0; n < 30; n++) {
          const command = n % 2 === 0 ? 'disable-tool' : 'enable-tool';
          const reply = await ask(socket, command, { tool: 'fx/echo' }, { operator: 'tester' });
          assert.equal(reply.ok, true, `${n}: ${JSON.stringify(reply)}`);
        }
      } finally {
        for (const it of attackers) it.kill('SIGKILL');
      }
      await until('it answers as before', async () => (await ask(socket, 'status')).ok);
    });
});
