import { answered, begin, call, heard, hello, learn, notice, request, send, unanswered } from '../script.ts';
import { npm, type Scripted } from '../server.ts';

const capabilities = '{"roots":{"listChanged":true},"sampling":{},"elicitation":{"form":{},"url":{}}}';
const form =
  '{"action":"accept","content":{"name":"Ada","check":true,"integer":9007199254740993,"number":2.50,"petType":"pet-1"}}';

/** The reference server: everything that the protocol has, questions to the client included. */
export const everything: Scripted = {
  name: 'everything',
  maker: 'Model Context Protocol, SDK v1',
  program: npm('@modelcontextprotocol/server-everything/dist/index.js'),
  args: () => ['stdio'],
  env: () => ({}),
  prepare: () => undefined,
  varies: [
    [/created at [0-9:]+(?: [AP]M)?/g, 'created at (a time)'],
    [/"[0-9a-f]{32}"/g, '"(a task)"'],
    [/"\d{4}-\d\d-\d\dT[0-9:.]+Z"/g, '"(a time)"'],
  ],
  script: () => ({
    answers: new Map([
      ['roots/list', '{"roots":[{"uri":"file:///home/ada","name":"home","_meta":{"z":1,"a":2}}]}'],
      [
        'sampling/createMessage',
        '{"role":"assistant","content":{"type":"text","text":"sampled \\u2028 text"},"model":"none","stopReason":"endTurn"}',
      ],
      ['elicitation/create', form],
    ]),
    steps: [
      ...hello('2025-11-25', capabilities),
      // It offers more tools when it knows what the client can do, then asks for the roots and logs what it got.
      heard('notifications/tools/list_changed', 2),
      heard('roots/list'),
      heard('notifications/message'),
      ...listings,
      ...calls,
      ...documents,
      ...questions,
      ...tasks,
      ...longOnes,
    ],
  }),
};

const listings = [
  send(request(1, 'tools/list')),
  send(request('1', 'tools/list', '{"cursor":"unheard of"}')),
  send(request(2, 'resources/list', '{}')),
  send(request(3, 'resources/templates/list', '{"_meta":{"trace":[1.0,-0,1e400]}}')),
  send(request(4, 'prompts/list', '{"cursor":""}')),
  send(request(5, 'ping')),
  send(request(6, 'logging/setLevel', '{"level":"debug"}')),
  send(request(7, 'logging/setLevel', '{"level":"chatty"}')),
  send(request(8, 'no/such/method', '{"of":"any kind"}')),
  send(request(9, 'constructor')),
];

const calls = [
  send(call(20, 'echo', '{"message":"plain"}')),
  send(
    `{ "params": { "arguments": {"message": "\\ud83d\\ude00 \\u0041 \\/ \\u2028"}, "name": "echo" },
          "method": "tools/call", "id": 21, "jsonrpc": "2.0" }`.replaceAll('\n', ' '),
  ),
  send(
    call(22, 'echo', '{"message":"with more","10":1,"9":2,"__proto__":{"a":1}}', ',"unknown":{"b":[null]}'),
  ),
  send(call(23, 'echo', '{"message":17}')),
  send(call(24, 'echo', '{}')),
  send(call(25, 'no-such-tool', '{"message":"plain"}')),
  send(request(26, 'tools/call', '{"name":"echo"}')),
  send(request(27, 'tools/call', '{"arguments":{"message":"nameless"}}')),
  send(call(28, 'get-sum', '{"a":9007199254740993,"b":-0.0}')),
  send(call(29, 'get-sum', '{"a":1E+2,"b":0.1}')),
  send(call(30, 'get-sum', '{"a":"1","b":2}')),
  send(call(31, 'get-tiny-image')),
  send(call(32, 'get-annotated-message', '{"messageType":"error","includeImage":true}')),
  send(call(33, 'get-structured-content', '{"location":"Chicago"}')),
  send(call(34, 'get-structured-content', '{"location":"Nowhere"}')),
  send(call(35, 'get-resource-links', '{"count":3}')),
  send(call(36, 'get-resource-reference', '{"resourceType":"Text","resourceId":1}')),
  send(call(37, 'get-resource-reference', '{"resourceType":"Text","resourceId":-1}')),
  send(call(38, 'get-roots-list')),
  // It wants to be called as a task, and says so.
  send(call(39, 'simulate-research-query', '{"topic":"none"}')),
];

const documents = [
  send(request(50, 'resources/read', '{"uri":"demo://resource/static/document/features.md"}')),
  send(request(51, 'resources/read', '{"uri":"demo://resource/dynamic/text/7"}')),
  send(request(52, 'resources/read', '{"uri":"demo://resource/dynamic/text/seven"}')),
  send(request(53, 'resources/read', '{"uri":"demo://no/such/thing"}')),
  send(request(54, 'prompts/get', '{"name":"simple-prompt"}')),
  send(request(55, 'prompts/get', '{"name":"args-prompt","arguments":{"city":"Zürich","state":"ZH"}}')),
  send(request(56, 'prompts/get', '{"name":"args-prompt"}')),
  send(request(57, 'prompts/get', '{"name":"no-such-prompt","arguments":{}}')),
  send(
    request(
      58,
      'prompts/get',
      '{"name":"resource-prompt","arguments":{"resourceType":"Text","resourceId":"2"}}',
    ),
  ),
  send(complete(59, '{"type":"ref/prompt","name":"completable-prompt"}', 'department', 'S')),
  send(complete(60, '{"type":"ref/prompt","name":"no-such-prompt"}', 'department', 'S')),
  send(
    complete(
      61,
      '{"type":"ref/resource","uri":"demo://resource/dynamic/text/{resourceId}"}',
      'resourceId',
      '5',
    ),
  ),
  send(request(62, 'resources/subscribe', '{"uri":"demo://resource/dynamic/text/7"}')),
  send(call(63, 'toggle-subscriber-updates')),
  heard('notifications/resources/updated'),
  send(call(64, 'toggle-subscriber-updates')),
  send(request(65, 'resources/unsubscribe', '{"uri":"demo://resource/dynamic/text/7"}')),
];

const questions = [
  send(call(80, 'trigger-sampling-request', '{"prompt":"say something","maxTokens":12}')),
  send(call(81, 'trigger-elicitation-request')),
  send(
    call(
      82,
      'trigger-url-elicitation',
      '{"url":"https://example.com/form","message":"Please fill in","elicitationId":"form-1"}',
    ),
  ),
  send(notice('notifications/roots/list_changed')),
  heard('roots/list', 2),
  heard('notifications/message', 4),
];

/** A call that runs on by itself, and asks while its result is waited for. */
const tasks = [
  send(
    request(
      90,
      'tools/call',
      '{"task":{"ttl":60000},"name":"simulate-research-query","arguments":{"topic":"python","ambiguous":true}}',
    ),
  ),
  learn('TASK', '90', 'result', 'task', 'taskId'),
  send(request(91, 'tasks/result', '{"taskId":"TASK"}')),
  heard('elicitation/create', 3),
  send(request(92, 'tasks/get', '{"taskId":"TASK"}')),
  send(request(93, 'tasks/list')),
  send(request(94, 'tasks/cancel', '{"taskId":"TASK"}')),
];

const longOnes = [
  send(
    call(
      100,
      'trigger-long-running-operation',
      '{"duration":0.2,"steps":4}',
      ',"_meta":{"progressToken":"100"}',
    ),
  ),
  begin(
    call(101, 'trigger-long-running-operation', '{"duration":0.2,"steps":2}', ',"_meta":{"progressToken":7}'),
  ),
  begin(call('101', 'echo', '{"message":"meanwhile"}', ',"_meta":{"progressToken":"7"}')),
  answered('101'),
  answered('"101"'),
  // Under way for certain: it waits for the client, which says nothing and takes the call back.
  unanswered('elicitation/create'),
  begin(call(102, 'trigger-elicitation-request')),
  heard('elicitation/create', 4),
  send(notice('notifications/cancelled', '{"requestId":102,"reason":"changed my mind"}')),
  send(request(103, 'ping')),
];

function complete(id: number, ref: string, argument: string, value: string): string {
  return request(
    id,
    'completion/complete',
    `{"ref":${ref},"argument":{"name":"${argument}","value":"${value}"}}`,
  );
}
