import type { JsonObject } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';
import { genesis, type Link } from './chain.ts';
import { records, type Notes } from './verdict.ts';

/** A record of the journal about itself. */
export type OwnRecord = { readonly kind: string; readonly seq: number; readonly body: JsonObject };

type Range = { readonly from: number; readonly to: number };

/** The kinds that say something about other records. */
const telling: ReadonlySet<string> = new Set([
  'torn-tail',
  'unsealed',
  'truncated',
  'changed',
  'head-lost',
  'checkpoints-lost',
  'io-error',
  'lost',
  'chain-begins',
  'retired',
  'clock',
]);

/** What the journal says of itself: mcpd noticed it at the time, and the chain keeps it from being unsaid. */
export class OwnRecords {
  readonly #notes: Notes;
  readonly #unconfirmed: Range[] = [];
  readonly #truncated: Range[] = [];
  /** Ends of files that retention removed, by the number of their last record. */
  readonly #retired = new Map<number, Link>();

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /** Undefined for a record of a call, which is almost always. */
  read(kind: string | undefined, line: Buffer): OwnRecord | undefined {
    if (kind === undefined || !telling.has(kind)) return undefined;
    try {
      const body = readJson(line.toString('utf8')) as JsonObject;
      return { kind, seq: numberAt(body, 'seq'), body };
    } catch {
      // Whatever it is, it does not tell anything. The chain says whether it was changed.
      return undefined;
    }
  }

  weigh({ kind, seq, body }: OwnRecord, file: string): void {
    const when = textAt(body, 'time');
    const from = numberAt(body, 'from');
    const to = numberAt(body, 'to');
    const notes = this.#notes;
    switch (kind) {
      case 'truncated':
        this.#truncated.push({ from, to });
        return notes.find({
          kind: 'truncated',
          file,
          from,
          to,
          says: `${records(from, to)} had been cut off when mcpd looked at ${when}; record ${seq} says so`,
        });
      case 'changed':
        return notes.find({
          kind: 'rewritten',
          file,
          from: seq,
          to: seq,
          says: `the journal had been changed by somebody else when mcpd looked at ${when}; record ${seq} says so`,
        });
      case 'head-lost':
        return notes.find({
          kind: 'head',
          file,
          from: seq,
          to: seq,
          says: `the head of the journal was ${textAt(body, 'was')} when mcpd looked at ${when}: before record ${seq}, what was cut off at the end is known to the checkpoints only`,
        });
      case 'checkpoints-lost':
        return notes.warn({
          kind: 'checkpoints',
          file,
          from: seq,
          to: seq,
          says: `of ${numberAt(body, 'made')} checkpoints there were ${numberAt(body, 'known')} at ${when}`,
        });
      case 'torn-tail':
        return notes.warn({
          kind: 'torn-tail',
          file,
          from: seq,
          to: seq,
          says: `a crash left ${numberAt(body, 'bytes')} bytes of an unfinished record, cut off at ${when}`,
        });
      case 'unsealed':
        return notes.warn({
          kind: 'unsealed',
          file,
          from,
          to,
          says: `${records(from, to)} stood behind the head after a crash, at ${when}`,
        });
      case 'io-error':
        this.#unconfirmed.push({ from, to });
        return notes.warn({
          kind: 'io-error',
          file,
          from,
          to,
          says: `the disk did not confirm ${records(from, to)}, at ${when}: a power cut may have taken them`,
        });
      case 'lost':
        return notes.warn({
          kind: 'lost',
          file,
          from: seq,
          to: seq,
          says: `${numberAt(body, 'count')} records were too many to be kept while the journal could not be written, before ${when}`,
        });
      case 'chain-begins':
        return notes.warn({
          kind: 'unvouched',
          file,
          from: 1,
          to: numberAt(body, 'after'),
          says: `the records before ${seq} were written without a chain: only the last of them is vouched for`,
        });
      case 'retired':
        this.#retired.set(numberAt(body, 'lastSeq'), {
          seq: numberAt(body, 'lastSeq'),
          hash: textAt(body, 'lastHash'),
        });
        return;
      case 'clock':
        return notes.warn({
          kind: 'clock',
          file,
          from: seq,
          to: seq,
          says: `the clock was set by ${Math.round(numberAt(body, 'jumpMs') / 1000)} s before record ${seq}`,
        });
    }
  }

  /** The record that the disk had confirmed last, before it failed; undefined where the record does not say. */
  confirmedBy({ kind, body }: OwnRecord): Link | undefined {
    const hash = textAt(body, 'after');
    return kind === 'io-error' && hash !== '' ? { seq: numberAt(body, 'from') - 1, hash } : undefined;
  }

  /** Whether the disk had failed to confirm all of these. */
  unconfirmed(from: number, to: number): boolean {
    return this.#unconfirmed.some((it) => from >= it.from && to <= it.to);
  }

  toldTruncated(from: number, to: number): boolean {
    return this.#truncated.some((it) => from >= it.from && to <= it.to);
  }

  /** The newest record that was retired, as the journal says itself. */
  get retired(): Link {
    let newest = genesis;
    for (const link of this.#retired.values()) if (link.seq > newest.seq) newest = link;
    return newest;
  }

  /** The retired record with this number, if it was the last of its file. */
  retiredAt(seq: number): Link | undefined {
    return this.#retired.get(seq);
  }
}

function numberAt(body: JsonObject, name: string): number {
  const value = body[name];
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
}

function textAt(body: JsonObject, name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value : '';
}
