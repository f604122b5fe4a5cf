import type { Call } from '../../src/domain/call.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, JsonObject, JsonText } from '../../src/domain/message.ts';
import type { Contract } from '../../src/domain/orders.ts';
import { own } from '../../src/pins/listing.ts';
import { readLock } from '../../src/pins/lock.ts';
import { PinStore, type PinNews } from '../../src/pins/pin-store.ts';
import { encode } from '../../src/protocol/codec.ts';
import { writeLock } from '../support/old-state.ts';

export type Tool = { readonly name: string; readonly [field: string]: unknown };

export const tool = (name: string, more: object = {}): Tool => ({
  name,
  description: `The ${name} tool`,
  inputSchema: { type: 'object' },
  ...more,
});

export const text = (it: unknown): JsonText => JSON.stringify(it) as JsonText;

/** A pin store over rows in memory, that can be started again. */
export class Bench {
  locked: string | undefined;
  writes = 0;
  diskFull = false;
  mode: Contract['pins'] = 'first';
  nowMs = 1_800_000_000_000;
  news: PinNews[] = [];
  pins: PinStore;

  constructor(locked?: string) {
    this.locked = locked;
    this.pins = this.start();
  }

  start(): PinStore {
    this.pins = PinStore.open({
      rows: {
        load: () =>
          this.locked === undefined ? new Map() : readLock(Buffer.from(this.locked), '/state/pins.json'),
        save: (lock) => {
          const text = writeLock(lock);
          if (this.diskFull) throw new Error('no space left on the device');
          this.writes++;
          this.locked = text;
        },
      },
      clock: { wallMs: () => this.nowMs },
      mode: () => this.mode,
      clean: (it) => it.replaceAll('s3cret', '[redacted]'),
      told: (news) => this.news.push(news),
    });
    return this.pins;
  }

  /** mcpd's own listing. */
  lists(...tools: readonly Tool[]): void {
    this.pins.saw('fx', tools.map(text), own, true);
  }

  /** A whole listing that a caller got. */
  shows(source: string, ...tools: readonly Tool[]): void {
    this.pins.saw('fx', tools.map(text), source, true);
  }

  state(name: string): string {
    return this.pins.of('fx', name).state;
  }

  /** The names that nobody may use. */
  held(...names: readonly string[]): string[] {
    return names.filter((name) => this.pins.quarantine('fx', name) !== undefined);
  }
}

export function listingCall(
  more: { era?: 'legacy' | 'modern'; session?: string; params?: JsonObject } = {},
): Call {
  const principal = { name: 'ana' };
  const params = more.params ?? {};
  return {
    id: 'c1',
    at: 0,
    remote: '127.0.0.1',
    principal,
    session: {
      id: more.session ?? 'S',
      principal,
      server: 'fx',
      era: more.era ?? 'legacy',
      agreed: undefined,
    },
    server: 'fx',
    target: { kind: 'listing', of: 'tools' },
    message: { kind: 'request', id: 1, method: 'tools/list', params: encode(params) },
    params,
    userAgent: undefined,
    outlet: { send: () => 'sent' },
    halt: new Halt(),
    mirror: undefined,
    resumes: undefined,
  };
}

export const answerOf = (result: object): Answer => ({ kind: 'result', text: text(result) });
