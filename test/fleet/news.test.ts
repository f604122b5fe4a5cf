import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Connection } from '../../src/fleet/connection.ts';
import type { ChildDeps } from '../../src/fleet/deps.ts';
import { Members } from '../../src/fleet/members.ts';
import { News } from '../../src/fleet/news.ts';
import { encode } from '../../src/protocol/codec.ts';
import { quickPace, specOf, until } from './support.ts';

type Ended = (how: 'over' | 'refused') => void;

/** A child that is nothing but the subscriptions it was asked for. */
class Child {
  readonly subscriptions: Ended[] = [];
  isFull = false;

  listen(_params: string, _hears: unknown, ended: Ended): () => void {
    if (this.isFull) throw new Error('full');
    this.subscriptions.push(ended);
    return () => undefined;
  }
}

function newsOf(first: Child): { news: News; listed: () => number; place: { child: Child | undefined } } {
  const place: { child: Child | undefined } = { child: first };
  let listed = 0;
  const news = new News({
    deps: { pace: quickPace, version: '0.0.0' } as ChildDeps,
    spec: specOf('answers'),
    among: 'all callers',
    members: new Members(),
    connection: () => place.child as unknown as Connection | undefined,
    lets: () => true,
    listsChanged: () => listed++,
  });
  news.follow(first as unknown as Connection, encode({ capabilities: { tools: { listChanged: true } } }));
  return { news, listed: () => listed, place };
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 4 * quickPace.followAgainMs));

describe('the news of a modern child', () => {
  it('are asked for again when it ended them, also after it was full, and what it offers is looked at anew', async () => {
    const child = new Child();
    const { listed } = newsOf(child);
    child.isFull = true;
    child.subscriptions[0]?.('over');
    await pause();
    assert.equal(child.subscriptions.length, 1);
    child.isFull = false;
    await until(() => child.subscriptions.length === 2);
    assert.equal(listed(), 1);
  });

  it('are not asked for again when it refused them, is gone, or nobody wants to know any more', async () => {
    const refusing = new Child();
    newsOf(refusing);
    refusing.subscriptions[0]?.('refused');
    const gone = new Child();
    const { place } = newsOf(gone);
    gone.subscriptions[0]?.('over');
    place.child = new Child();
    const left = new Child();
    const { news } = newsOf(left);
    left.subscriptions[0]?.('over');
    news.stop();
    await pause();
    for (const { subscriptions } of [refusing, gone, left, place.child]) assert.ok(subscriptions.length <= 1);
  });
});
