/**
 * Readers that do not read. What they leave unread is held by mcpd, so it is bounded for each of them and for all, in bytes and
 * in time; then they are let go, and what they missed of a stream is kept for when they come back.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot, rule, TestDaemon, until, type TestSession } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { descriptorsOf, megabytes, memoryOf, pressureOn } from '../load/flood.ts';
import { postText } from '../support/raw-http.ts';
import { verified } from './support/verified.ts';

const shouting = (more: string): string => `command = "$NODE"
args = [${JSON.stringify(join(projectRoot, 'test', 'load', 'shouting-child.ts'))}]
${more}
${rule('allow', ['*'], 'upcalls = ["*"]')}`;

/** Makes a call on a connection of its own, and reads nothing of what comes back. */
function callDeaf(
  { port }: TestDaemon,
  { id, key }: TestSession,
  at: number,
  name: string,
  args: object,
): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  const params = { name, arguments: args, _meta: { progressToken: at } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: at, method: 'tools/call', params });
  socket.write(
    postText('/servers/loud/mcp', port, { authorization: `Bearer ${key}`, 'mcp-session-id': id }, body),
  );
  return socket;
}

describe('D-03 clients that stop reading', () => {
  it('D-03 a stream that leaves too much unread is let go, and memory stays bounded', async () => {
    const readers = times(6, 500);
    await using daemon = await TestDaemon.start({
      servers: { loud: shouting('sharing = "all"\nconcurrency = 512') },
      // Nobody is let go for being slow, only for having left too much.
      daemon: `[requests]\nread_within = "10m"\n[overload]\nunread_max = "1MiB"\n[log]\nlevel = "info"\n`,
    });
    const session = await daemon.session('loud');
    const [before, files] = [memoryOf(daemon.pid), descriptorsOf(daemon.pid)];
    // Each is told 16 MB, of which the system itself holds some for it.
    const args = { bytes: 64 * 1024, times: 256 };
    const sockets = Array.from({ length: readers }, (_, at) => callDeaf(daemon, session, at, 'shout', args));
    const from = performance.now();
    await until('all of them have called', async () => (await pressureOn(daemon)).requests > 0);
    let [most, overAt] = [0, 0];
    await until(
      'everything is said, and they are let go',
      async () => {
        most = Math.max(most, memoryOf(daemon.pid) - before);
        const { requests } = await pressureOn(daemon);
        const isOver = requests === 0 && descriptorsOf(daemon.pid) <= files + 5;
        if (isOver) overAt ||= performance.now();
        // Nobody reads for so long; what was let go must not come back, nor be kept.
        return isOver && performance.now() - from >= times(0, 60_000);
      },
      times(200, 4000),
    );
    figure('D-03', `memory at most beyond the usual, ${readers} streams that nobody reads`, megabytes(most));
    figure('D-03', 'all of them are let go after', `${((overAt - from) / 1000).toFixed(1)} s`);
    if (isWhole) assert.ok(most <= readers * 2 ** 20, megabytes(most));
    // The session is there, and calls go on.
    assert.equal(await session.text('large', { bytes: 3 }), 'xxx');
    for (const it of sockets) it.destroy();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-03');
  });

  it('D-03 an answer that nobody takes is let go in time, and so is the connection', async () => {
    await using daemon = await TestDaemon.start({
      // All of them at once, and as late as may be: who was refused, in line or for the time it took, would have too little to
      // read to be slow about it.
      servers: { loud: shouting('sharing = "all"\nconcurrency = 512\nanswer_within = "10m"') },
      daemon: '[requests]\nread_within = "1s"\nheaders_within = "1s"\n[log]\nlevel = "info"\n',
    });
    const readers = times(10, 200);
    const session = await daemon.session('loud');
    const before = descriptorsOf(daemon.pid);
    const sockets = Array.from({ length: readers }, (_, at) =>
      callDeaf(daemon, session, at, 'large', { bytes: 8 * 1024 * 1024 }),
    );
    await until(
      'all of them are let go',
      async () => {
        const { letGo, requests } = await pressureOn(daemon);
        return requests === 0 && (letGo['slowReaders'] ?? 0) === readers;
      },
      times(200, 2000),
    );
    await until('their descriptors are free', () => descriptorsOf(daemon.pid) <= before + 5);
    for (const it of sockets) it.destroy();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-03');
  });
});
