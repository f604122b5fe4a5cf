import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Unread } from '../../src/front/unread.ts';

/** A reader with so much unread. */
class Reader {
  writableLength: number;
  bytesWritten: number;
  destroyed = false;

  constructor(unread: number) {
    this.writableLength = unread;
    this.bytesWritten = unread;
  }

  take(bytes: number): void {
    this.writableLength -= bytes;
  }

  tell(bytes: number): void {
    this.writableLength += bytes;
    this.bytesWritten += bytes;
  }

  destroy(): void {
    this.destroyed = true;
  }

  get socket(): Socket {
    return this as unknown as Socket;
  }
}

function round(unread: Unread, nowMs: number, readers: readonly Reader[]): void {
  unread.begin(nowMs);
  for (const reader of readers) if (!reader.destroyed) unread.see(reader.socket);
  unread.end();
}

describe('a reader', () => {
  it('that takes nothing for too long is let go, whatever it is told meanwhile', () => {
    const unread = new Unread({ readWithinMs: 30_000, allUnreadBytesMax: 1e9 });
    const reader = new Reader(100);
    for (let now = 0; now < 30_000; now += 500) {
      round(unread, now, [reader]);
      reader.tell(14);
      assert.equal(reader.destroyed, false, `at ${now}`);
    }
    round(unread, 30_000, [reader]);
    assert.equal(reader.destroyed, true);
    assert.equal(unread.letGo, 1);
  });

  it('that takes a little now and then is not', () => {
    const unread = new Unread({ readWithinMs: 30_000, allUnreadBytesMax: 1e9 });
    const reader = new Reader(1_000_000);
    for (let now = 0; now < 300_000; now += 500) {
      if (now % 20_000 === 0) reader.take(1000);
      round(unread, now, [reader]);
    }
    assert.equal(reader.destroyed, false);
  });

  it('begins anew when it had taken everything', () => {
    const unread = new Unread({ readWithinMs: 1000, allUnreadBytesMax: 1e9 });
    const reader = new Reader(10);
    round(unread, 0, [reader]);
    reader.take(10);
    round(unread, 900, [reader]);
    reader.tell(10);
    for (const now of [1000, 1500, 1999]) round(unread, now, [reader]);
    assert.equal(reader.destroyed, false);
    round(unread, 2000, [reader]);
    assert.equal(reader.destroyed, true);
  });
});

describe('all readers together', () => {
  it('may leave so much unread; beyond it, those who left most are let go until it is half', () => {
    const unread = new Unread({ readWithinMs: 30_000, allUnreadBytesMax: 1000 });
    const readers = [100, 400, 300, 200].map((bytes) => new Reader(bytes));
    round(unread, 0, readers);
    assert.deepEqual(
      readers.map(({ destroyed }) => destroyed),
      [false, false, false, false],
    );
    readers[0]?.tell(1);
    round(unread, 1, readers);
    assert.deepEqual(
      readers.map(({ destroyed }) => destroyed),
      [false, true, true, false],
    );
  });
});
