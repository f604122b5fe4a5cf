import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusedAtTheirPlaces } from './refused.ts';
import { loadServer, plainServer, said } from './scratch.ts';

const tool = (lines: string, header = '[tools.a]') =>
  `${header}\nrisk = "read"\neffect = "Reads."\n${lines}\n`;

test('every key of a tool is read as it was meant', (t) => {
  const text =
    plainServer +
    tool(
      [
        'idempotent = true',
        'retry = { times = 2 }',
        'breaker = { failures = 5, rest = "1m" }',
        'returns = "snippet"',
        '[tools."get_*".args]',
        'n = { max = 5 }',
        '[tools."get_*"]',
        'risk = "destructive"',
        'effect = "Gets."',
        'result_max = "4KiB"',
      ].join('\n'),
    );
  const loaded = loadServer(t, text);
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const [one, all] = loaded.servers[0]?.tools ?? [];
  assert.deepEqual(
    { ...one, place: one?.place.line },
    {
      name: 'a',
      risk: 'read',
      effect: 'Reads.',
      args: [],
      retry: { times: 2, firstMs: 200, mostMs: 2_000 },
      breaker: { failures: 5, withinMs: 60_000, restMs: 60_000 },
      returns: { mode: 'snippet', bytesMax: 2048 },
      answerWithinMs: undefined,
      place: 2,
    },
  );
  assert.equal(all?.name, 'get_*');
  assert.equal(all.args[0]?.at, 'n');
  assert.deepEqual(all.returns, { mode: 'full', bytesMax: 4096 });
  assert.deepEqual([all.retry, all.breaker], [undefined, undefined]);
});

test('names from outside stay names', (t) => {
  const loaded = loadServer(t, plainServer + tool('', '[tools.constructor]') + tool('', '[tools.toString]'));
  assert.ok(loaded.ok, said(loaded).join('\n'));
  assert.deepEqual(
    loaded.servers[0]?.tools.map(({ name }) => name),
    ['constructor', 'toString'],
  );
});

refusedAtTheirPlaces([
  [
    'a tool without a class',
    '[tools.a]\neffect = "x"\n',
    /x\.toml:2:8: missing key "risk" — expected one of "read", "write", "destructive"/,
  ],
  ['a tool without an effect', '[tools.a]\nrisk = "read"\n', /x\.toml:2:8: missing key "effect"/],
  [
    'a class that does not exist',
    '[tools.a]\nrisk = "raed"\neffect = "x"\n',
    /x\.toml:3:8: bad value for "risk" — did you mean "read"/,
  ],
  ['an unknown key of a tool', tool('retries = 1'), /x\.toml:5:1: unknown key "retries"/],
  [
    'trying again what may not be',
    tool('retry = { times = 2 }'),
    /x\.toml:5:1: calls of "a" may not be made again — expected idempotent = true/,
  ],
  [
    'trying again what is said not to be',
    tool('idempotent = false\nretry = { times = 2 }'),
    /may not be made again/,
  ],
  ['trying for ever', tool('idempotent = true\nretry = { times = 6 }'), /bad value for "times"/],
  [
    'waits the wrong way round',
    tool('idempotent = true\nretry = { times = 1, first = "3s" }'),
    /x\.toml:6:30: the first wait is longer/,
  ],
  ['a breaker for nothing', tool('breaker = { failures = 0 }'), /bad value for "failures"/],
  ['a breaker without a number', tool('breaker = {}'), /missing key "failures"/],
  [
    'a bound of nothing',
    tool('returns = "metadata"\nresult_max = "1KiB"'),
    /"result_max" means nothing with returns = "metadata"/,
  ],
  ['a bound without unit', tool('result_max = "1000"'), /bad value for "result_max"/],
  ['a tool without a name', tool('', '[tools.""]'), /bad tool name ""/],
  ['a tool with a line end in its name', tool('', '[tools."a\\nb"]'), /bad tool name/],
]);
