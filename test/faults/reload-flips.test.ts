// D-08: the policy turns round all the time, under load. Every call is decided under one policy, the one in its record.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/control/client.ts';
import { LegacyCaller, ModernCaller, type Caller, type Deed } from '../load/callers.ts';
import { paced } from '../load/pace.ts';
import { rawEnv, rule, serving, type TestDaemon } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { endsQuietly } from './support/beside.ts';
import { JournalTail, RawTail } from './support/tail.ts';
import { recordVerified, verifyJournal } from './support/verify.ts';
import { Watched } from './support/watch.ts';

const tools = ['heads', 'tails'] as const;
type Side = (typeof tools)[number];
const other = { heads: 'tails', tails: 'heads' } as const;

/** One of the two is allowed and the other is not, always. */
const policy = (up: Side): string =>
  serving(
    'answers',
    `sharing = "all"\nconcurrency = 256\nwaiting_max = 4096\n${rawEnv}FX_TOOLS = "heads,tails"\n${rule('allow', [up], 'record = ["text"]\n')}${rule('deny', [other[up]])}`,
  );

type Record = { readonly kind: string; readonly rule: string; readonly orders?: string };

describe('the policy turns round under load', { timeout: isWhole ? 900_000 : 110_000 }, () => {
  it(`D-08 ${times(15, 300)} times at ${times(120, 500)} calls/s: every reply agrees with the version in its record`, async () => {
    await using watched = await Watched.start({ servers: { flip: policy('heads') } });
    const { daemon } = watched;
    /** Version of the orders → what it allows. */
    const versions = new Map<string, Side>([[await versionOf(daemon), 'heads']]);
    const at = { url: daemon.url, server: 'flip', key: daemon.key };
    const callers: Caller[] = [
      ...[1, 2, 3, 4].map((n) => new LegacyCaller(`legacy ${n}`, at)),
      ...[1, 2].map((n) => new ModernCaller(`modern ${n}`, at)),
    ];
    const deeds = new Map<string, Deed>();
    const wrong: string[] = [];
    let flips = 0;
    let going = true;
    const load = paced(
      times(120, 500),
      24,
      () => going,
      async (lane) => {
        const caller = callers[lane % callers.length] as Caller; // There is one for every remainder.
        const deed = await caller.call(tools[lane % 2] as Side, { text: randomUUID() });
        if (deed.end === 'garbled' || deed.end === 'unheard' || deed.correlationId === undefined)
          wrong.push(`${deed.end} ${deed.said}`);
        else deeds.set(deed.correlationId, deed);
      },
    );
    try {
      for (let up: Side = 'tails'; flips < times(15, 300); up = other[up], flips++) {
        await sleep(times(200, 1000));
        daemon.write('servers/flip.toml', policy(up));
        const answer = await ask(socketOf(daemon), 'reload');
        assert.equal(answer.ok, true, JSON.stringify(answer));
        const version = await versionOf(daemon);
        assert.equal(versions.get(version) ?? up, up, 'one version stands for two policies');
        versions.set(version, up);
      }
    } finally {
      going = false;
    }
    const { done, seconds } = await load;
    callers.forEach((caller) => caller.hangUp());
    await endsQuietly(watched);
    if (isWhole) assert.ok(done / seconds >= 0.95 * 500, `${done / seconds} calls/s`);

    const records = new Map<string, Record>();
    const outcomes = new Map<string, string>();
    const journal = new JournalTail(daemon, ({ kind, id, decision, outcome }) => {
      if (typeof id !== 'string') return;
      if (decision !== undefined && (kind === 'decision' || !records.has(id)))
        records.set(id, decision as Record);
      if (kind === 'outcome') outcomes.set(id, String(outcome));
    }).read();
    assert.deepEqual(journal.wrong, []);
    const { texts: sent } = new RawTail(join(daemon.dir, 'raw.log')).read();
    const mixed = [...deeds].flatMap(([id, deed]) =>
      disagreement(deed, records.get(id), outcomes.get(id), versions, sent.has(deed.text)),
    );
    assert.deepEqual([...wrong, ...mixed].slice(0, 10), []);
    for (const side of tools) {
      const ends = new Set([...deeds.values()].filter(({ tool }) => tool === side).map(({ end }) => end));
      assert.ok(ends.has('answered') && ends.has('refused'), `${side}: ${[...ends].join()}`);
    }
    assert.equal(await verifyJournal(daemon), '');
    figure('D-08', 'flips', flips);
    figure('D-08', 'calls', done);
    figure('D-08', 'calls/s', Math.round(done / seconds));
    figure('D-08', 'wrong replies', mixed.length);
    recordVerified('D-08');
    watched.record('D-08');
  });
});

/** What does not fit together of one call: what its caller saw, what its record says, what that version of the policy says. */
function disagreement(
  { tool, end, said, text }: Deed,
  record: Record | undefined,
  outcome: string | undefined,
  versions: ReadonlyMap<string, Side>,
  wasSent: boolean,
): string[] {
  const about = `${tool} ${text}: ${end} (${said}), record ${JSON.stringify(record)}, outcome ${outcome}`;
  const up = versions.get(record?.orders ?? '');
  if (record === undefined || up === undefined) return [`${about}: no version that was ever in force`];
  const allowed = up === tool;
  if (record.kind !== (allowed ? 'allow' : 'deny'))
    return [`${about}: the version in the record says otherwise`];
  if (wasSent && !allowed) return [`${about}: it reached a server`];
  if (end === 'answered') return allowed && said === `called ${tool}` ? [] : [about];
  // Allowed, and overtaken by the next policy before it went out; or denied.
  if (allowed) return end === 'failed' && !wasSent ? [] : [about];
  return end === 'refused' && said === `Unknown tool: ${tool}` ? [] : [about];
}

function socketOf(daemon: TestDaemon): string {
  return join(daemon.state, 'control', 'mcpd.sock');
}

async function versionOf(daemon: TestDaemon): Promise<string> {
  return String((await ask(socketOf(daemon), 'status'))['ordersVersion']);
}
