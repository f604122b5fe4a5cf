import { answered, begin, call, heard, hello, notice, request, send } from '../script.ts';
import type { Scripted } from '../server.ts';

/** The well-behaved server of our own that most tests use. */
export const fx: Scripted = {
  name: 'fx',
  maker: 'ours, no library',
  program: 'test/fixtures/servers/answers.ts',
  args: () => [],
  env: () => ({}),
  prepare: () => undefined,
  varies: [],
  script: () => ({
    answers: new Map([
      ['elicitation/create', '{"action":"accept","content":{"name":"Ada"}}'],
      ['roots/list', '{"roots":[]}'],
    ]),
    steps: [
      ...hello('2025-11-25', '{"elicitation":{},"roots":{},"sampling":{}}'),
      send(request(1, 'tools/list')),
      send(request(2, 'resources/list')),
      send(request(3, 'prompts/list')),
      send(call(4, 'echo', '{"text":9007199254740993}')),
      send(call(5, 'read_file', '{"path":"/etc/passwd","10":1,"9":1e400}')),
      send(call(6, 'ask_elicitation', '{"message":"who?"}')),
      send(call(7, 'ask_roots')),
      // The client cannot sample: the server hears so, and nobody answers for the client.
      send(call(8, 'ask_sampling')),
      send(call(9, 'log', '{"text":"line \\u2028 end"}')),
      begin(call(10, 'slow', '{"ms":300}', ',"_meta":{"progressToken":1}')),
      begin(call(11, 'progress', '{"steps":5}', ',"_meta":{"progressToken":"1"}')),
      answered('11'),
      answered('10'),
      send(call(12, 'change_tools')),
      heard('notifications/tools/list_changed'),
      send(request(13, 'tools/list')),
      send(call(14, 'no_such_tool')),
      send(request(15, 'resources/subscribe', '{"uri":"file:///ok.txt"}')),
      send(notice('notifications/cancelled', '{"requestId":"never there"}')),
      send(request(16, 'ping')),
    ],
  }),
};
