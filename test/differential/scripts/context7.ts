import { call, hello, request, send } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

/** On the second generation of the library, which serves both eras from one program. Nothing here asks the network. */
export const context7: Scripted = {
  name: 'context7',
  maker: 'Upstash, SDK v2',
  program: npm('@upstash/context7-mcp/dist/index.js'),
  args: () => [],
  env: () => ({ CI: '1' }),
  prepare: () => undefined,
  varies: [],
  script: () => ({
    answers: new Map(),
    steps: [
      ...hello('2025-11-25'),
      send(request(1, 'tools/list')),
      send(request('two', 'tools/list', '{"_meta":{"b":1,"a":2}}')),
      send(request(3, 'resources/list')),
      send(request(4, 'resources/templates/list')),
      send(request(5, 'prompts/list')),
      send(request(6, 'resources/read', '{"uri":"context7://none"}')),
      send(request(7, 'prompts/get', '{"name":"none"}')),
      send(call(8, 'query-docs')),
      send(call(9, 'query-docs', '{"libraryId":1e400,"query":9007199254740993}')),
      send(call(10, 'no-such-tool')),
      send(
        request(
          11,
          'completion/complete',
          '{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":""}}',
        ),
      ),
      send(request(12, 'ping')),
    ],
  }),
};
