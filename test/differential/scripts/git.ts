import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, hello, request, send } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

/** Git in a folder of its own: a server that starts programs, bundles its library and logs to its client. */
export const git: Scripted = {
  name: 'git',
  maker: 'cyanheads, SDK bundled',
  program: npm('@cyanheads/git-mcp-server/dist/index.js'),
  args: () => [],
  env: (place) => ({
    MCP_TRANSPORT_TYPE: 'stdio',
    MCP_LOG_LEVEL: 'error',
    LOGS_DIR: join(place, 'logs'),
    GIT_BASE_DIR: place,
    GIT_SIGN_COMMITS: 'false',
  }),
  prepare: (place) => {
    const repository = join(place, 'work');
    rmSync(repository, { recursive: true, force: true });
    mkdirSync(repository);
    writeFileSync(join(repository, 'one.txt'), 'one\n');
    run(place, 'init', '--quiet', '--initial-branch=main');
    run(place, 'add', 'one.txt');
    run(place, 'commit', '--quiet', '--message=first “commit”');
    writeFileSync(join(repository, 'one.txt'), 'one\ntwo ü\n');
    writeFileSync(join(repository, 'two.txt'), 'not tracked\n');
  },
  varies: [],
  script: (place) => {
    const path = `"path":${JSON.stringify(join(place, 'work'))}`;
    return {
      answers: new Map(),
      steps: [
        ...hello('2025-11-25'),
        send(request(1, 'tools/list')),
        send(request(2, 'resources/list')),
        send(request(3, 'resources/templates/list')),
        send(request(4, 'prompts/list')),
        send(request(5, 'logging/setLevel', '{"level":"error"}')),
        send(request(6, 'resources/read', '{"uri":"git://working-directory"}')),
        send(call(7, 'git_set_working_dir', `{${path}}`)),
        send(request(8, 'resources/read', '{"uri":"git://working-directory"}')),
        send(call(9, 'git_status', `{${path}}`)),
        send(call(10, 'git_log', `{${path},"maxCount":5}`)),
        send(call(11, 'git_diff', `{${path}}`)),
        send(call(12, 'git_show', `{${path},"object":"HEAD"}`)),
        send(call(13, 'git_blame', `{${path},"filePath":"one.txt","startLine":1,"endLine":1}`)),
        send(call(14, 'git_add', `{${path},"paths":["two.txt"]}`)),
        send(call(15, 'git_status', '{}')),
        send(call(16, 'git_branch', `{"mode":"create","branchName":"side",${path}}`)),
        send(call(17, 'git_branch', `{"mode":"list",${path}}`)),
        send(call(18, 'git_show', `{${path},"object":"no-such-object"}`)),
        send(call(19, 'git_log', `{${path},"maxCount":1e400}`)),
        send(call(20, 'git_status', '{"path":"/etc"}')),
        send(call(21, 'no_such_tool')),
        send(request(22, 'prompts/get', '{"name":"git_wrapup","arguments":{"createTag":"false"}}')),
        send(request(23, 'prompts/get', '{"name":"none"}')),
      ],
    };
  },
};

/** Commits with a fixed author and date have the same hash wherever they are made. */
function run(place: string, ...args: readonly string[]): void {
  const who = { NAME: 'Ada', EMAIL: 'ada@example.com', DATE: '2026-01-02T03:04:05Z' };
  const env: NodeJS.ProcessEnv = { PATH: process.env['PATH'], HOME: place, GIT_CONFIG_NOSYSTEM: '1' };
  for (const [what, value] of Object.entries(who)) {
    env[`GIT_AUTHOR_${what}`] = value;
    env[`GIT_COMMITTER_${what}`] = value;
  }
  execFileSync('git', args, { cwd: join(place, 'work'), env, stdio: ['ignore', 'ignore', 'pipe'] });
}
