/** What may be wrong with a journal, in a word. docs/audit.md says what each means. */
export type FindingKind =
  /** What stands there is not what the next record, the head or a checkpoint says. */
  | 'edited'
  | 'rewritten'
  /** Records are gone: in between, at the beginning, at the end, or a whole file. */
  | 'missing'
  | 'truncated'
  | 'missing-file'
  /** Records stand where they do not belong, or were put in. */
  | 'reordered'
  | 'inserted'
  | 'foreign-line'
  | 'unchained'
  | 'torn'
  /** What proves the journal is gone, or is not ours. */
  | 'head'
  | 'checkpoint'
  | 'unsigned';

/** Something that cannot have come about in the life of a daemon. Record numbers are inclusive. */
export type Finding = {
  readonly kind: FindingKind;
  /** The name of the file, without its folder. */
  readonly file?: string;
  readonly line?: number;
  readonly from?: number;
  readonly to?: number;
  readonly says: string;
};

/** Something that a crash, a power cut or a failing disk leaves, and that is worth knowing. */
export type Warning = {
  readonly kind: 'torn-tail' | 'unsealed' | 'io-error' | 'lost' | 'checkpoints' | 'unvouched' | 'clock';
  readonly file?: string;
  readonly from?: number;
  readonly to?: number;
  readonly says: string;
};

/** What came of holding a journal against its proof. */
export type Verdict = {
  /** Records read, the first and the last of them. */
  readonly records: number;
  readonly first: { readonly seq: number; readonly time: string | undefined } | undefined;
  readonly last: { readonly seq: number; readonly time: string | undefined } | undefined;
  readonly files: number;
  /** The first record that the chain vouches for; those before it are in the format without one. */
  readonly vouchedFrom: number | undefined;
  /** Whether the head could be read, which takes its key. */
  readonly head: 'fits' | 'not looked at' | 'does not fit';
  /** Signed checkpoints that the journal was held against, and the newest of them that fits. */
  readonly checkpoints: number;
  readonly signed: { readonly seq: number; readonly time: string } | undefined;
  /** The first so many; `more` counts the others. */
  readonly findings: readonly Finding[];
  readonly warnings: readonly Warning[];
  readonly more: number;
};

export const findingsMax = 1000;

/** Collects, up to a bound. Neighbours of one kind become one. */
export class Notes {
  readonly findings: Finding[] = [];
  readonly warnings: Warning[] = [];
  #more = 0;

  get more(): number {
    return this.#more;
  }

  find(finding: Finding): void {
    if (this.findings.length < findingsMax) this.findings.push(finding);
    else this.#more++;
  }

  warn(warning: Warning): void {
    if (this.warnings.length < findingsMax) this.warnings.push(warning);
    else this.#more++;
  }
}

/** `record 7`, `records 7 to 9`. */
export function records(from: number, to: number): string {
  return from === to ? `record ${from}` : `records ${from} to ${to}`;
}
