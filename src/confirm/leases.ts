import { hash } from 'node:crypto';
import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { JsonText } from '../domain/message.ts';
import { fold } from '../protocol/look-alike.ts';
import { members } from '../protocol/codec.ts';
import { fitsButArguments, type Bound } from './bound.ts';

/** A yes for further calls that are alike. Plain data, for the operator. */
export type Lease = {
  /** The question that it was given for. */
  readonly id: string;
  readonly caller: string;
  readonly server: string;
  readonly rule: string;
  /** As JSON: what the calls aim at. */
  readonly target: string;
  /** Dotted path → the value that those calls have there, as JSON text with secrets redacted; undefined: none. */
  readonly same: readonly (readonly [path: string, value: string | undefined])[];
  readonly by: string;
  /** Wall clock, milliseconds since 1970. */
  readonly expiresAt: number;
};

type Held = {
  readonly lease: Lease;
  readonly bound: Bound;
  readonly paths: readonly string[];
  readonly values: readonly string[];
  readonly untilMs: number;
};

/** Leases at once; the oldest gives way, and its calls are asked about again. */
const leasesMax = 1000;
const shownCharsMax = 1000;

/** The yeses that are good for a while: in memory, so that after a restart somebody is asked again. */
export class Leases {
  readonly #clock: Clock;
  readonly #ordersVersion: () => string;
  #held: Held[] = [];

  constructor(clock: Clock, ordersVersion: () => string) {
    this.#clock = clock;
    this.#ordersVersion = ordersVersion;
  }

  add(
    lease: Omit<Lease, 'caller' | 'server' | 'rule' | 'target' | 'same' | 'expiresAt'>,
    of: {
      readonly bound: Bound;
      readonly call: Call;
      readonly paths: readonly string[];
      readonly forMs: number;
    },
    redact: (text: JsonText) => string,
  ): void {
    const { bound, call, paths, forMs } = of;
    const { caller, server, rule, target } = bound;
    const same = paths.map((path) => {
      const { text } = valueAt(call, path);
      return [path, text === undefined ? undefined : shortened(redact(text))] as const;
    });
    const values = paths.map((path) => fingerprint(call, path));
    const expiresAt = this.#clock.wallMs() + forMs;
    this.#sweep();
    this.#held.push({
      lease: { ...lease, caller, server, rule, target, same, expiresAt },
      bound,
      paths,
      values,
      untilMs: this.#clock.steadyMs() + forMs,
    });
    if (this.#held.length > leasesMax) this.#held.shift();
  }

  /** The lease that a call goes out on, or undefined. */
  find(bound: Bound, call: Call): Lease | undefined {
    if (this.#held.length === 0) return undefined;
    this.#sweep();
    return this.#held.find(
      (held) =>
        fitsButArguments(held.bound, bound) &&
        held.paths.every((path, at) => fingerprint(call, path) === held.values[at]),
    )?.lease;
  }

  list(): readonly Lease[] {
    this.#sweep();
    return this.#held.map(({ lease }) => lease);
  }

  /** Ends every lease that matches and says how many there were. */
  end(match: (lease: Lease) => boolean): number {
    const before = this.#held.length;
    this.#held = this.#held.filter(({ lease }) => !match(lease));
    return before - this.#held.length;
  }

  /** What ran out, and what was given under another policy: that one may have meant it otherwise. */
  #sweep(): void {
    const now = this.#clock.steadyMs();
    const version = this.#ordersVersion();
    this.#held = this.#held.filter(({ untilMs, bound }) => now < untilMs && bound.ordersVersion === version);
  }
}

type Found = { readonly depth: number; readonly text: JsonText | undefined };

/**
 * What stands at a dotted path below the arguments. Where the path leads through something that is no object, the whole of
 * that: `items.path` cannot tell two lists apart otherwise, and one yes would be good for any list. The same where there are
 * two members that some readers take for one.
 */
function valueAt({ message, target }: Call, path: string): Found {
  const params = message.kind === 'reply' ? undefined : message.params;
  const below = target.kind === 'tool' || target.kind === 'prompt' ? ['arguments'] : [];
  let text = params;
  const steps = [...below, ...path.split('.')];
  for (const [depth, step] of steps.entries()) {
    if (text === undefined) return { depth, text };
    if (!text.startsWith('{') || step === '*') return { depth, text };
    const inside = members(text);
    // Some servers would read `Path`, and a yes for one path is none for another.
    if (inside.some(([name]) => name !== step && fold(name) === fold(step))) return { depth, text };
    text = inside.find(([name]) => name === step)?.[1];
  }
  return { depth: steps.length, text };
}

function fingerprint(call: Call, path: string): string {
  const { depth, text } = valueAt(call, path);
  return hash('sha256', `${depth}:${text ?? ''}`, 'hex');
}

/** For a list of leases. What they are good for is compared whole. */
function shortened(text: string): string {
  return text.length <= shownCharsMax
    ? text
    : `${text.slice(0, shownCharsMax)} …[CUT: ${shownCharsMax} of ${text.length} characters shown]`;
}
