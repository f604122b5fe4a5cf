import { begin, call, heard, hello, notice, request, send, unanswered } from '../script.ts';
import type { Scripted } from '../server.ts';

const odd =
  '{"10":9007199254740993,"9":-0,"b":1e400,"a":123456789012345678901234567890.10,"":null,"__proto__":{"constructor":1E+2},"\\u0061b":"\\ud83d\\ude00 \\/ \\u2028 \\ud800"}';

/** Texts for the tool `say`, as its arguments. */
const saying = (...texts: readonly string[]): string => JSON.stringify({ texts });

/** Our own server that gives back what it is told, digit by digit: for what real servers' libraries lose themselves. */
export const mirror: Scripted = {
  name: 'mirror',
  maker: 'ours, no library',
  program: 'test/differential/mirror-child.ts',
  args: () => [],
  env: () => ({}),
  prepare: () => undefined,
  varies: [],
  script: () => ({
    answers: new Map([
      ['elicitation/create', `{"content":${odd},"action":"accept"}`],
      [
        'sampling/createMessage',
        '{"role":"assistant","model":"m","content":{"type":"text","text":"1e400"},"n":1e400}',
      ],
      ['ping', '{}'],
      ['roots/list', '{"roots":[],"more":{"2":1.50,"1":0}}'],
    ]),
    steps: [
      ...hello(
        '2025-11-25',
        `{"roots":{"listChanged":true},"sampling":{},"elicitation":{},"experimental":${odd}}`,
      ),
      send(request(1, 'tools/list')),
      send(request(2, 'resources/list')),
      send(request(3, 'resources/list', '{"cursor":""}')),
      ...told,
      ...said,
      ...asked,
      ...outOfTurn,
    ],
  }),
};

/** Client to server: what is sent is what the server gets. */
const told = [
  send(call(10, 'tell', odd)),
  send(
    call('10', 'tell', '{"b":[1.0,1.00,10e-1],"a":{}}', `,"unknown":${odd},"_meta":{"x.y/z":${odd},"a":1}`),
  ),
  send(
    `{"params":{"arguments":{"z":1,"a":2},"_meta":{},"name":"tell"},"method":"tools/call","id":-11,"jsonrpc":"2.0"}`,
  ),
  send(
    `{"jsonrpc":"2.0", "id" : 12 ,"method":"tools\\/call","params":{ "name":"t\\u0065ll" , "arguments" : { } } }`,
  ),
  send(request(9007199254740991, 'resources/read', `{"more":${odd},"uri":"mirror:/b"}`)),
  send(request(13, 'prompts/get', `{"arguments":${odd},"name":"p"}`)),
  send(
    request(
      14,
      'completion/complete',
      `{"context":${odd},"argument":{"value":"v","name":"n"},"ref":{"name":"p","type":"ref/prompt","title":"t"}}`,
    ),
  ),
  send(request(15, 'no/such/method', odd)),
  send(call(16, 'no-such-tool', odd)),
  send(call(19, 'tell', odd, `,"_meta":{"10":1e400,"progressToken":"19","9":${odd}}`)),
  send(notice('notifications/roots/list_changed', `{"_meta":${odd}}`)),
  send(notice('notifications/progress', '{"x":1,"progress":1e400,"progressToken":"of a question"}')),
  send(notice('notifications/vendor/from-a-client', odd)),
  send(call(17, 'heard')),
  send(request(18, 'resources/read', '{"uri":"mirror:/pub/../b"}')),
];

/** Server to client: notifications known and unknown, with members and numbers of no schema. */
const said = [
  send(
    call(
      20,
      'say',
      saying(
        `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${odd},"level":"info","more":1e400}}`,
        `{"method":"notifications/vendor/unheard-of","params":${odd},"jsonrpc":"2.0"}`,
        '{"jsonrpc":"2.0","method":"notifications/vendor/bare"}',
        `{"jsonrpc":"2.0","method":"vendor/no-prefix","params":{"b":[],"a":{}}}`,
        '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"mirror:/b","n":-0}}',
        '{"jsonrpc":"2.0","id":ID,"result":{"structuredContent":{"10":1,"9":1e400},"content":[],"isError":false}}',
      ),
    ),
  ),
  heard('notifications/resources/updated'),
  send(
    call(
      21,
      'say',
      saying(
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"total":1e400,"progress":0.10,"progressToken":TOKEN,"message":"\\u0061","x":[]}}',
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":TOKEN,"progress":9007199254740993}}',
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"of nobody","progress":1}}',
        '{"error":{"data":{"b":1e400,"a":-0},"message":"as it is","more":[1.0],"code":1234},"id":ID,"jsonrpc":"2.0"}',
      ),
      `,"_meta":{"b":1,"progressToken":9007199254740991,"a":2}`,
    ),
  ),
  send(
    call(
      22,
      'say',
      saying(
        '{"jsonrpc":"2.0","extra":{"x":1},"id":ID,"result":{"content":[],"_meta":{"z":1,"a":[]}},"more":null}',
      ),
      ',"_meta":{"progressToken":"22"}',
    ),
  ),
];

/** The server asks: known and unknown methods, and answers with everything in them. */
const asked = [
  send(call(30, 'ask', `{"method":"elicitation/create","params":{"requestedSchema":${odd},"message":"m"}}`)),
  send(
    call(
      31,
      'ask',
      '{"method":"sampling/createMessage","params":{"maxTokens":1e3,"messages":[],"b":1,"a":2}}',
    ),
  ),
  send(call(32, 'ask', '{"method":"roots/list","params":{"_meta":{"10":1,"9":2}}}')),
  send(call(34, 'ask', '{"method":"ping","params":{}}')),
  send(call(33, 'ask', `{"method":"vendor/unheard-of","params":${odd}}`)),
];

/** Several at once, and a question that the server takes back. */
const outOfTurn = [
  unanswered('vendor/slow'),
  begin(call(40, 'ask', '{"method":"vendor/slow","params":{"first":1}}')),
  heard('vendor/slow'),
  send(call(41, 'tell', '{"meanwhile":1}')),
  send(
    call(
      42,
      'say',
      saying(
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"no longer","requestId":"about \\"vendor/slow\\""}}',
      ),
    ),
  ),
  heard('notifications/cancelled'),
  send(notice('notifications/cancelled', '{"requestId":40}')),
  send(request(43, 'ping')),
];
