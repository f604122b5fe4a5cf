import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { call, hello, request, send } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

/** A graph that is written and read back, as tools with structured content and as a resource. */
export const memory: Scripted = {
  name: 'memory',
  maker: 'Model Context Protocol, SDK v1',
  program: npm('@modelcontextprotocol/server-memory/dist/index.js'),
  args: () => [],
  env: (place) => ({ MEMORY_FILE_PATH: join(place, 'work', 'memory.jsonl') }),
  prepare: (place) => {
    rmSync(join(place, 'work'), { recursive: true, force: true });
    mkdirSync(join(place, 'work'));
  },
  varies: [],
  script: () => ({
    answers: new Map(),
    steps: [
      // An older client: the server agrees to its revision.
      ...hello('2025-06-18'),
      send(request(1, 'tools/list')),
      send(request(2, 'resources/list')),
      send(request(3, 'resources/templates/list')),
      send(request(4, 'prompts/list')),
      send(
        call(
          5,
          'create_entities',
          '{"entities":[{"observations":["likes \\u0063ats","\\ud83d\\ude00"],"entityType":"person","name":"Ada","extra":1e400}]}',
        ),
      ),
      send(
        call(6, 'create_entities', '{"entities":[{"name":"Bob","entityType":"person","observations":[]}]}'),
      ),
      send(call(7, 'create_relations', '{"relations":[{"from":"Ada","to":"Bob","relationType":"knows"}]}')),
      send(
        call(
          8,
          'add_observations',
          '{"observations":[{"entityName":"Ada","contents":["9007199254740993"]}]}',
        ),
      ),
      send(call(9, 'add_observations', '{"observations":[{"entityName":"Nobody","contents":["x"]}]}')),
      send(call(10, 'read_graph')),
      send(call(11, 'search_nodes', '{"query":"ada"}')),
      send(call(12, 'open_nodes', '{"names":["Bob","Nobody"]}')),
      send(call(13, 'open_nodes', '{"names":"Bob"}')),
      send(request(14, 'resources/subscribe', '{"uri":"memory://knowledge-graph"}')),
      send(request(15, 'resources/read', '{"uri":"memory://knowledge-graph"}')),
      send(request(16, 'resources/read', '{"uri":"memory://nothing"}')),
      send(call(17, 'delete_entities', '{"entityNames":["Bob"]}')),
      send(request(18, 'resources/unsubscribe', '{"uri":"memory://knowledge-graph"}')),
      send(call(19, 'read_graph')),
      send(call(20, 'no_such_tool', '{}')),
      send(
        request(
          21,
          'completion/complete',
          '{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":""}}',
        ),
      ),
      send(request(22, 'logging/setLevel', '{"level":"info"}')),
    ],
  }),
};
