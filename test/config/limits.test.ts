import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusedAtTheirPlaces, refusedInDaemon } from './refused.ts';
import { loadDaemon, loadServer, plainDaemon, plainServer, said } from './scratch.ts';

const none = { tools: undefined, budget: undefined, concurrency: undefined, waiting: 0 };
const perMin = (count: number) => ({ count, perMs: 60_000, text: `${String(count)}/min` });

test('the lines of [limits] are called by what they count', (t) => {
  const loaded = loadServer(
    t,
    `${plainServer}[limits]\nper_caller = "1/min"\nper_tool = "2/min"\nper_caller_and_tool = ["3/min", "4/min"]\nper_server = "5/min"\nconcurrent = 6\nconcurrent_per_tool = 7\nwaiting = 8\n`,
  );
  assert.ok(loaded.ok, said(loaded).join('\n'));
  assert.deepEqual(loaded.servers[0]?.limits, [
    { ...none, name: 'per caller', per: ['caller'], rates: [perMin(1)] },
    { ...none, name: 'per tool', per: ['tool'], rates: [perMin(2)], concurrency: 7, waiting: 8 },
    { ...none, name: 'per caller and tool', per: ['caller', 'tool'], rates: [perMin(3), perMin(4)] },
    { ...none, name: 'per server', per: [], rates: [perMin(5)], concurrency: 6, waiting: 8 },
  ]);
});

test('limits over all servers stand in mcpd.toml', (t) => {
  const loaded = loadDaemon(
    t,
    `${plainDaemon}[limits]\nper_caller = "1/min"\ntotal = "2/min"\nconcurrent_per_caller = 3\nconcurrent = 4\nwaiting = 5\n`,
  );
  assert.ok(loaded.ok, said(loaded).join('\n'));
  assert.deepEqual(loaded.daemon.limits, [
    { ...none, name: 'per caller', per: ['caller'], rates: [perMin(1)], concurrency: 3, waiting: 5 },
    { ...none, name: 'in total', per: [], rates: [perMin(2)], concurrency: 4, waiting: 5 },
  ]);
});

test('a limit of its own is read as it was meant', (t) => {
  const loaded = loadServer(
    t,
    `${plainServer}[[limit]]\nname = "spending"\ntools = ["pay"]\nbudget = "sum(args.amount.value) <= 499.5/day"\n[[limit]]\nname = "n"\nper = []\nrate = "1/min"\nconcurrent = 2\nwaiting = 3\n`,
  );
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const text = 'sum(args.amount.value) <= 499.5/day';
  const budget = { path: ['amount', 'value'], most: 499.5, perMs: 86_400_000, text };
  assert.deepEqual(loaded.servers[0]?.limits, [
    { ...none, name: 'spending', per: ['caller'], tools: ['pay'], rates: [], budget },
    { ...none, name: 'n', per: [], rates: [perMin(1)], concurrency: 2, waiting: 3 },
  ]);
});

const limit = (lines: string) => `[[limit]]\nname = "l"\n${lines}\n`;
const budget = (text: string) => limit(`tools = ["a"]\nbudget = "${text}"`);

refusedAtTheirPlaces([
  ['a rate of nothing', '[limits]\nper_server = "0/min"\n', /x\.toml:3:14: bad value for "per_server"/],
  ['a negative rate', '[limits]\nper_tool = "-1/min"\n', /bad value for "per_tool"/],
  [
    'a rate that is a number',
    '[limits]\nper_caller = 5\n',
    /x\.toml:3:14: wrong type for "per_caller" — expected a rate/,
  ],
  ['no number', '[limits]\nper_caller = nan\n', /wrong type for "per_caller"/],
  ['a number without end', '[limits]\nconcurrent = inf\n', /wrong type for "concurrent"/],
  ['nothing at once', '[limits]\nconcurrent = 0\n', /bad value for "concurrent"/],
  ['a huge number', '[limits]\nconcurrent = 9223372036854775807\n', /not valid TOML/],
  [
    'a line for nobody',
    '[limits]\nwaiting = 5\n',
    /x\.toml:3:1: "waiting" means nothing without "concurrent"/,
  ],
  ['a limit on all servers in one', '[limits]\ntotal = "1/s"\n', /unknown key "total"/],
  ['a limit that limits nothing', limit(''), /x\.toml:2:3: limit "l" limits nothing/],
  ['a limit without a name', '[[limit]]\nrate = "1/s"\n', /missing key "name"/],
  ['a limit on no tool', limit('rate = "1/s"\ntools = []'), /a limit on nothing/],
  ['the same count twice', limit('rate = "1/s"\nper = ["caller", "caller"]'), /the same word twice/],
  ['a count that does not exist', limit('rate = "1/s"\nper = ["server"]'), /bad value for "per"/],
  [
    'two limits of one name',
    limit('rate = "1/s"') + limit('rate = "2/s"'),
    /x\.toml:6:8: duplicate: another limit is named "l"/,
  ],
  [
    'a name of ours',
    '[[limit]]\nname = "per caller"\nrate = "1/s"\n',
    /x\.toml:3:8: "per caller" is what a line in \[limits\] is called/,
  ],
  [
    'a budget of nothing',
    budget('sum(args.a) <= 0/day'),
    /x\.toml:5:10: bad value for "budget" — expected a budget such as/,
  ],
  ['a negative budget', budget('sum(args.a) <= -5/day'), /bad value for "budget"/],
  ['an endless budget', budget('sum(args.a) <= inf/day'), /bad value for "budget"/],
  ['a huge budget', budget('sum(args.a) <= 9999999999/day'), /bad value for "budget"/],
  ['a budget in too small parts', budget('sum(args.a) <= 0.0000001/day'), /bad value for "budget"/],
  ['a budget the wrong way round', budget('sum(args.a) >= 5/day'), /bad value for "budget"/],
  ['a budget over no argument', budget('sum(amount) <= 5/day'), /bad value for "budget"/],
  ['a budget with an empty step', budget('sum(args.a..b) <= 5/day'), /bad value for "budget"/],
  ['a budget without end', budget('sum(args.a) <= 5'), /bad value for "budget"/],
]);

refusedInDaemon([
  ['a total of nothing', '[limits]\ntotal = "0/s"\n', /mcpd\.toml:4:9: bad value for "total"/],
  ['a line for nothing', '[limits]\nwaiting = 1\n', /"waiting" means nothing/],
  ['a role nobody has', '[roles]\nx = []\n', /mcpd\.toml:4:5: nobody has the role "x"/],
  ['a role with a bad name', '[roles]\n"a b" = ["x"]\n', /bad role name "a b"/],
  [
    'a webhook in the clear',
    '[webhooks.x]\nurl = "http://chat.example/"\nsecret = "keychain:x"\n',
    /mcpd\.toml:4:7: bad value for "url"/,
  ],
  [
    'a webhook with a password',
    '[webhooks.x]\nurl = "https://u:hunter2@chat.example/"\nsecret = "keychain:x"\n',
    /bad value for "url"/,
  ],
  [
    'a webhook by another scheme',
    '[webhooks.x]\nurl = "file:///etc/passwd"\nsecret = "keychain:x"\n',
    /bad value for "url"/,
  ],
  [
    'a webhook with a secret in the clear',
    '[webhooks.x]\nurl = "https://chat.example/"\nsecret = "hunter2"\n',
    /mcpd\.toml:5:10: bad value for "secret"/,
  ],
  ['a webhook without a secret', '[webhooks.x]\nurl = "https://chat.example/"\n', /missing key "secret"/],
  [
    'a webhook with a bad name',
    '[webhooks."A B"]\nurl = "https://chat.example/"\nsecret = "keychain:x"\n',
    /bad webhook name/,
  ],
]);

test('a secret in the address of a webhook is not repeated', (t) => {
  const loaded = loadDaemon(
    t,
    `${plainDaemon}[webhooks.x]\nurl = "https://u:hunter2@chat.example/"\nsecret = "hunter2"\n`,
  );
  assert.equal(loaded.ok, false);
  assert.doesNotMatch(said(loaded).join('\n'), /hunter2/);
});

test('a budget on every tool is a warning', (t) => {
  const loaded = loadServer(t, `${plainServer}${limit('budget = "sum(args.a) <= 5/day"')}`);
  assert.ok(loaded.ok);
  assert.match(said(loaded).join('\n'), /warning: every tool without this argument is refused/);
});
