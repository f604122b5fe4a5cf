import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doubtsAbout } from '../../src/config/doubts.ts';

type Row = readonly [string, readonly string[], ...(string | number)[]];

const hash = 'a'.repeat(64);
const commit = 'b'.repeat(40);

test('code in arguments, whatever stands around it', () => {
  doubted([
    ['node', ['-e', 'x'], 0],
    ['/usr/bin/node', ['--no-warnings', '--eval=x'], 1],
    ['node', ['-r', 'x.js', '-pe', '1'], 2, 0],
    ['bun', ['--eval', 'x'], 0],
    ['deno', ['eval', 'x'], 0],
    ['bash', ['-lc', 'x'], 0],
    ['sh', ['-c', 'x'], 0],
    ['fish', ['--command=x'], 0],
    ['python3.12', ['-c', 'x'], 0],
    ['python3', ['-Ic', 'x'], 0],
    ['perl', ['-ne', 'x'], 0],
    ['ruby', ['-e', 'x'], 0],
    ['php', ['-r', 'x'], 0],
    ['pwsh', ['-EncodedCommand', 'x'], 0],
    ['env', ['-S', 'node -e x'], 0],
    ['env', ['A=1', 'node', '-e', 'x'], 2],
    ['env', ['-u', 'X', 'timeout', '-k', '1', '5', 'sh', '-c', 'x'], 7],
    ['nice', ['-n', '5', 'nohup', 'bash', '-c', 'x'], 4],
    ['busybox', ['sh', '-c', 'x'], 1],
    ['sudo', ['-u', 'x', 'python3', '-c', 'x'], 3],
  ]);
});

test('code that is taken in before the program, and what opens it to others', () => {
  doubted([
    ['node', ['-r', './x.cjs', 'server.js'], 0],
    ['node', ['--require=./x.cjs', 'server.js'], 0],
    ['node', ['--import', 'tsx', 'server.ts'], 0],
    ['node', ['--loader', 'x', 'server.js'], 0],
    ['node', ['--inspect', 'server.js'], 0],
    ['node', ['--inspect-brk=0.0.0.0:9229', 'server.js'], 0],
    ['ruby', ['-rx', 'server.rb'], 0],
    ['perl', ['-MX', 'server.pl'], 0],
    ['env', ['NODE_OPTIONS=--require=x', 'node', 'server.js'], 0],
    ['env', ['LD_PRELOAD=/x.so', 'my-server'], 0],
  ]);
});

test('a program from stdin is whatever callers say', () => {
  doubted([
    ['node', [], 'command'],
    ['node', ['-'], 0],
    ['sh', ['-s'], 'command'],
    ['python3', ['-u'], 'command'],
    ['python3', ['/dev/stdin'], 0],
    ['env', ['node'], 0],
  ]);
});

test('versions that somebody else decides', () => {
  doubted([
    ['npx', ['-y', 'some-server'], 1],
    ['npx', ['@scope/server@latest'], 0],
    ['npx', ['@scope/server@^1.2.3'], 0],
    ['npx', ['server@1.2'], 0],
    ['npx', ['server@1.x'], 0],
    ['npx', ['server@>=1.2.3'], 0],
    ['npx', ['--package=server', 'run-it'], 0],
    ['npx', ['-p', 'server@1.2.3', '-p', 'other', 'run-it'], 3],
    ['npx', ['--loglevel', 'silent', 'server'], 2],
    ['npx', ['github:owner/server'], 0],
    ['npx', ['owner/server'], 0],
    ['npx', ['https://x.test/server.tgz'], 0],
    ['npx', [], 'command'],
    ['npm', ['exec', '--yes', '--', 'server@latest'], 3],
    ['npm', ['--yes', 'x', 'server'], 2],
    ['pnpm', ['dlx', 'server'], 1],
    ['pnpx', ['server@next'], 0],
    ['yarn', ['dlx', '-q', 'server'], 2],
    ['bunx', ['--bun', 'server'], 1],
    ['bun', ['x', 'server'], 1],
    ['uvx', ['mcp-server-git'], 0],
    ['uvx', ['mcp-server-git@latest'], 0],
    ['uvx', ['mcp-server-git>=1.0'], 0],
    ['uvx', ['mcp-server-git==1.*'], 0],
    ['uvx', ['--python', '3.12', '--from', 'git+https://x.test/y', 'run-it'], 3],
    ['uvx', ['--with', 'extra', 'server==1.0.0'], 1],
    ['uv', ['tool', 'run', 'server'], 2],
    ['uv', ['--directory', '/x', 'run', '--with', 'mcp', 'server.py'], 4],
    ['pipx', ['run', 'server'], 1],
    ['pipx', ['run', '--spec', 'server', 'run-it'], 2],
    ['python3', ['-m', 'pipx', 'run', 'server'], 3],
    ['python3', ['-m', 'uv', 'tool', 'run', 'server'], 4],
    ['python3', ['-m', 'pip', 'install', 'server'], 1],
    ['docker', ['run', '-i', '--rm', 'mcp/server'], 3],
    ['docker', ['run', '-i', '--rm', '-e', 'TOKEN', 'mcp/server:1.2.3'], 5],
    ['docker', ['run', '-itv', '/a:/b', '--name', 'x', 'ghcr.io/x/y:latest', 'serve'], 5],
    ['podman', ['run', '-i', 'server'], 2],
    ['deno', ['run', '-A', 'npm:server'], 2],
    ['deno', ['run', '-A', 'jsr:@scope/server@^1'], 2],
    ['deno', ['run', 'https://x.test/server.ts'], 1],
    ['go', ['run', 'x.test/server@latest'], 1],
    ['dnx', ['Server', '--yes'], 0],
    ['env', ['A=1', 'npx', '-y', 'server'], 3],
    ['corepack', ['pnpm', 'dlx', 'server'], 2],
  ]);
});

test('a shell, and other places to fetch from', () => {
  doubted([
    ['npx', ['-y', '-c', 'server --x'], 1],
    ['npx', ['--package', 'server@1.2.3', '--call=server'], 2],
    ['npm', ['exec', '--package=server@1.2.3', '-c', 'server'], 2],
    ['npm', ['exec', 'server@1.2.3', '-c', 'x'], 2],
    ['pnpm', ['dlx', '-c', 'server@1.2.3 | tee'], 1],
    ['npx', ['--node-options=--require=x', 'server@1.2.3'], 0],
    ['npx', ['--registry', 'https://x.test', 'server@1.2.3'], 0],
    ['npx', ['--prefix', '/x', 'server@1.2.3'], 0],
    ['uvx', ['--index-url', 'https://x.test', 'server==1.0.0'], 0],
  ]);
});

test('what is pinned, a program of one’s own, and the arguments of that program are not doubted', () => {
  doubted([
    ['node', ['server.js', '--port', '1']],
    ['node', ['--no-warnings', 'server.js', '-e', 'x', '-r', 'y', '--inspect']],
    ['node', ['--title', 'x', 'server.js']],
    ['python3', ['-u', '-m', 'server', '-c', 'x']],
    ['python3', ['-W', 'ignore', 'server.py', '-c', 'x']],
    ['bash', ['server.sh', '-c', 'x']],
    ['perl', ['-w', 'server.pl', '-e']],
    ['env', ['A=1', 'my-server', '-c', 'conf']],
    ['my-server', ['-c', 'conf']],
    ['npx', ['-y', '@scope/server@1.2.3', 'latest']],
    ['npx', ['-y', '@scope/server@1.2.3-rc.1+5', '-c', 'conf']],
    ['npx', ['-p', 'server@1.2.3', 'run-it']],
    ['npx', ['./server']],
    ['npx', [`github:owner/server#${commit}`]],
    ['npm', ['exec', '--yes', '--', 'server@1.2.3', '-c', 'conf']],
    ['npm', ['run', 'serve']],
    ['pnpm', ['dlx', '--package=server@1.2.3', 'run-it']],
    ['uvx', ['mcp-server-git==0.6.2']],
    ['uvx', ['mcp-server-git@0.6.2', '--with', 'x']],
    ['uvx', ['--python', '3.12', 'server[extra]==1.0.0']],
    ['uvx', ['--from', 'tool==1.0.0', 'run-it']],
    ['uvx', ['--from', `git+https://x.test/y@${commit}`, 'run-it']],
    ['uv', ['run', '--with', 'mcp==1.2.3', 'server.py']],
    ['uv', ['run', 'server.py']],
    ['pipx', ['run', '--spec', 'server==1.0.0', 'run-it']],
    ['docker', ['run', '-i', '--rm', '-v', '/a:/b', `mcp/server@sha256:${hash}`, 'latest']],
    ['deno', ['run', '-A', 'npm:@scope/server@1.2.3']],
    ['deno', ['run', '-A', 'server.ts']],
    ['go', ['run', 'x.test/server@v1.2.3']],
    ['go', ['run', './cmd/server']],
    ['dnx', ['Server', '--version', '1.2.3', '--yes']],
    ['dnx', ['Server@1.2.3', '--yes']],
  ]);
});

function doubted(rows: readonly Row[]): void {
  for (const [command, args, ...at] of rows) {
    const found = doubtsAbout(command, args);
    assert.deepEqual(
      found.map((doubt) => doubt.at),
      at,
      `${command} ${args.join(' ')}: ${JSON.stringify(found)}`,
    );
  }
}
