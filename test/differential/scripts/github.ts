import { call, hello, request, send } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

/** The oldest library in use: it knows only 2024-11-05, and answers bad calls with errors instead of results. */
export const github: Scripted = {
  name: 'github',
  maker: 'Anthropic, SDK 1.0.1',
  program: npm('@modelcontextprotocol/server-github/dist/index.js'),
  args: () => [],
  env: () => ({}),
  prepare: () => undefined,
  varies: [],
  script: () => ({
    answers: new Map(),
    steps: [
      ...hello('2025-11-25', '{"roots":{}}'),
      send(request(1, 'tools/list')),
      send(request(2, 'tools/list', '{"cursor":"abc","_meta":{"a":9007199254740993}}')),
      send(request(3, 'resources/list')),
      send(request(4, 'prompts/list')),
      send(request(5, 'logging/setLevel', '{"level":"info"}')),
      // Every one of these fails before the server asks the network for anything.
      send(call(6, 'no_such_tool')),
      send(request(7, 'tools/call', '{"name":"get_issue"}')),
      send(call(8, 'get_issue', '{"owner":"o","repo":"r","issue_number":"seven"}')),
      send(call(9, 'create_issue', '{"owner":1,"repo":null,"title":["t"],"labels":{"10":"a","9":"b"}}')),
      send(call(10, 'push_files')),
      send(request(11, 'ping', '{}')),
    ],
  }),
};
