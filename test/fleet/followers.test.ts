import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Answer, Json, JsonObject, Notice } from '../../src/domain/message.ts';
import type { Upcall } from '../../src/domain/upstream.ts';
import { Followers, type Source } from '../../src/fleet/followers.ts';
import { encode } from '../../src/protocol/codec.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import { modern, type Asked } from '../rounds/support.ts';
import { resultOf } from './support.ts';

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const everything = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
const offersAll = {
  capabilities: {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, subscribe: true },
  },
};
const news = (method: string, params?: Json): Notice => ({
  kind: 'notice',
  method,
  params: params === undefined ? undefined : encode(params),
});
const updated = (uri: Json): Notice => news('notifications/resources/updated', { uri });

class Room {
  readonly upcalls: Upcall[] = [];
  readonly followers = new Followers('fx', (upcall) => this.upcalls.push(upcall));
  /** What sources were told: `+uri` for each stream that begins, `-uri` for each that ends. */
  readonly told: string[] = [];
  readonly open: Asked[] = [];

  source(key: string, offers: object = offersAll): Source {
    return {
      child: {},
      key,
      greeting: encode(offers),
      join: (_call, uris) => this.told.push(`+${uris.join()}`),
      leave: (_call, uris) => this.told.push(`-${uris.join()}`),
    };
  }

  follow(
    source: Source,
    filter: JsonObject,
    caller = 'ann',
    id: string | number = 7,
  ): { asked: Asked; answer: Promise<Answer> } {
    const asked = modern({ method: 'subscriptions/listen', params: { notifications: filter }, caller, id });
    const answer = this.followers.follow(asked.pass, source);
    answer.catch(() => undefined);
    this.open.push(asked);
    return { asked, answer };
  }

  /** What reached one call, without the acknowledgement. */
  heard({ call }: Asked): string[] {
    return this.upcalls
      .filter(
        ({ callId, audience }) =>
          callId === call.id && audience.kind === 'call' && audience.callId === call.id,
      )
      .map(({ message }) => message.method.replace('notifications/', ''))
      .filter((method) => method !== 'subscriptions/acknowledged');
  }

  acknowledged({ call }: Asked): JsonObject {
    const [first] = this.upcalls.filter(({ callId }) => callId === call.id);
    assert.equal(first?.message.method, 'notifications/subscriptions/acknowledged');
    return JSON.parse(first.message.params ?? '') as JsonObject;
  }
}

describe('a stream on a child of the legacy era', () => {
  it('begins with what of its filter the child can serve', () => {
    const room = new Room();
    const filter = { ...everything, resourceSubscriptions: ['file:///a', 'file:///b', 'file:///a'] };
    const { asked } = room.follow(room.source('k'), filter);
    assert.deepEqual(room.acknowledged(asked), {
      notifications: { ...everything, resourceSubscriptions: ['file:///a', 'file:///b'] },
      _meta: { [metaKeys.subscription]: 7 },
    });
    assert.deepEqual(room.told, ['+file:///a,file:///b']);
  });

  it('promises nothing that the child does not, nor what was not asked for', () => {
    const room = new Room();
    const poor = room.source('k', {
      capabilities: { tools: {}, prompts: { listChanged: 'yes' }, resources: { listChanged: true } },
    });
    const { asked } = room.follow(poor, { ...everything, resourceSubscriptions: ['file:///a'] });
    assert.deepEqual(room.acknowledged(asked)['notifications'], { resourcesListChanged: true });
    const { asked: modest } = room.follow(room.source('k2'), {
      toolsListChanged: 1,
      promptsListChanged: 'true',
      other: true,
    });
    assert.deepEqual(room.acknowledged(modest)['notifications'], {});
    room.followers.hear('k2', news('notifications/tools/list_changed'));
    assert.deepEqual(room.heard(modest), []);
  });

  it('hears what it asked for, under its own id, whatever type that has', () => {
    const room = new Room();
    const { asked } = room.follow(room.source('k'), { toolsListChanged: true }, 'ann', 'seven');
    room.followers.hear(
      'k',
      news('notifications/tools/list_changed', { _meta: { [metaKeys.subscription]: 'forged', own: 1 } }),
    );
    room.followers.hear('k', news('notifications/prompts/list_changed'));
    assert.deepEqual(room.heard(asked), ['tools/list_changed']);
    assert.equal(
      room.upcalls.at(-1)?.message.params,
      encode({ _meta: { [metaKeys.subscription]: 'seven', own: 1 } }),
    );
  });

  it('hears nothing of other children, and nothing that is no news', () => {
    const room = new Room();
    const { asked } = room.follow(room.source('ann'), everything);
    room.followers.hear('bob', news('notifications/tools/list_changed'));
    for (const method of [
      'notifications/message',
      'notifications/progress',
      'notifications/custom',
      'tools/list_changed',
    ])
      room.followers.hear('ann', news(method, {}));
    assert.deepEqual(room.heard(asked), []);
  });

  it('hears of the resources that it follows, and of what lies below them', () => {
    const room = new Room();
    const { asked } = room.follow(room.source('k'), { resourceSubscriptions: ['file:///a', 'file:///dir/'] });
    for (const uri of ['file:///a', 'file:///a/b', 'file:///dir/x']) room.followers.hear('k', updated(uri));
    assert.equal(room.heard(asked).length, 3);
    for (const uri of [
      'file:///ab',
      'file:///',
      'file:///b',
      'FILE:///a',
      ['file:///a'],
      null,
      7,
      { uri: 'file:///a' },
    ])
      room.followers.hear('k', updated(uri));
    room.followers.hear('k', news('notifications/resources/updated'));
    assert.equal(room.heard(asked).length, 3);
  });

  it('ends when its client goes away, and its child hears of it', async () => {
    const room = new Room();
    const { asked, answer } = room.follow(room.source('k'), {
      ...everything,
      resourceSubscriptions: ['file:///a'],
    });
    asked.halt.call('the caller went away');
    await assert.rejects(answer, fault('CANCELLED'));
    assert.deepEqual(room.told, ['+file:///a', '-file:///a']);
    room.followers.hear('k', updated('file:///a'));
    assert.deepEqual(room.heard(asked), []);
  });

  it('that its client left before it began leaves nothing behind', async () => {
    const room = new Room();
    const asked = modern({ method: 'subscriptions/listen', params: { notifications: everything } });
    asked.halt.call('the caller went away');
    await assert.rejects(room.followers.follow(asked.pass, room.source('k')), fault('CANCELLED'));
    assert.deepEqual([room.told, room.upcalls], [[], []]);
  });

  it('does not begin when the decision about it does not stand any more', async () => {
    const room = new Room();
    const asked = modern({
      method: 'subscriptions/listen',
      params: { notifications: everything },
      stands: () => false,
    });
    await assert.rejects(room.followers.follow(asked.pass, room.source('k')), fault('ORDERS_CHANGED'));
    assert.deepEqual([room.told, room.upcalls], [[], []]);
  });

  it('ends in good order when its child does, and no other stream with it', async () => {
    const room = new Room();
    const source = room.source('k');
    const one = room.follow(source, everything, 'ann', 'one');
    const two = room.follow(room.source('k'), everything);
    room.followers.end(source.child);
    assert.deepEqual(resultOf(await one.answer), {
      resultType: 'complete',
      _meta: { [metaKeys.subscription]: 'one' },
    });
    // Once.
    one.asked.halt.call('the caller went away');
    room.followers.end(source.child);
    assert.deepEqual(room.told, ['+', '+', '-']);
    room.followers.hear('k', news('notifications/tools/list_changed'));
    assert.deepEqual([room.heard(one.asked), room.heard(two.asked)], [[], ['tools/list_changed']]);
    // Without a child: all of them, because the server is taken away.
    room.followers.end();
    assert.equal(resultOf(await two.answer)['resultType'], 'complete');
    assert.deepEqual(room.told, ['+', '+', '-', '-']);
  });
});

describe('streams', () => {
  it('are not all taken by one caller, and there is an end to them', async () => {
    const room = new Room();
    const turnedAway = ({ answer }: { answer: Promise<Answer> }) => assert.rejects(answer, fault('TOO_MANY'));
    for (const caller of ['ann', 'bob', 'cid', 'dan']) {
      for (let n = 0; n < 256; n++) room.follow(room.source(caller), {}, caller);
      await turnedAway(room.follow(room.source(caller), {}, caller));
    }
    await turnedAway(room.follow(room.source('eve'), {}, 'eve'));
    const left = room.open[0];
    left?.halt.call('the caller went away');
    const { asked } = room.follow(room.source('eve'), {}, 'eve');
    assert.ok(room.acknowledged(asked));
  });
});
