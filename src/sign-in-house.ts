import { join } from 'node:path';
import { Guesses } from './callers/guesses.ts';
import type { CompilePattern } from './callers/key-ring.ts';
import { keyFileName, loadKeyRing } from './callers/keys.ts';
import { LastUse } from './callers/last-use.ts';
import { SignInDesk, type Tokens } from './callers/sign-in.ts';
import type { DaemonFile } from './config/schema.ts';
import { realClock } from './domain/clock.ts';
import { watchFiles } from './file-watch.ts';
import { callersByUid } from './local-users.ts';

export type SignInHouseParts = {
  readonly file: DaemonFile;
  /** The state directory. */
  readonly dir: string;
  /** The matcher that rules are read with. */
  readonly compile: CompilePattern;
  readonly tokens: Tokens | undefined;
  readonly resourceOf: (server: string) => string;
  /** Told after each change of the keys; whoever lost theirs loses their sessions. */
  readonly changed: () => void;
  /** Told of what does not keep anybody from signing in. */
  readonly failed: (reason: unknown, what: string) => void;
};

/** How often the key file is looked at. A command that changes it tells the daemon at once. */
const lookEveryMs = 2_000;

/** Everything about signing in that lives as long as the daemon. */
export class SignInHouse {
  readonly desk: SignInDesk;
  readonly #parts: SignInHouseParts;
  readonly #lastUse: LastUse;
  #keys: ReturnType<typeof loadKeyRing>;
  #unwatch: (() => void) | undefined;

  /** Throws `CONFIG_INVALID`. */
  constructor(parts: SignInHouseParts) {
    const { file, dir, compile, tokens, resourceOf } = parts;
    this.#parts = parts;
    this.#keys = loadKeyRing(dir, compile);
    this.#lastUse = new LastUse({
      dir,
      later: (afterMs, run) => {
        const timer = setTimeout(run, afterMs).unref();
        return () => clearTimeout(timer);
      },
      failed: (reason) => parts.failed(reason, 'when keys were last used cannot be written'),
    });
    this.desk = new SignInDesk(
      {
        tokens,
        resourceOf,
        guesses: new Guesses(),
        used: (id, nowMs) => this.#lastUse.note(id, nowMs),
        wallMs: realClock.wallMs,
        steadyMs: realClock.steadyMs,
      },
      {
        keys: this.#keys,
        certificates: new Map(file.listen.mutualTls?.callers),
        users: callersByUid(file.listen.socket.users),
        withoutKey: file.callersWithoutKey === 'allowed',
      },
    );
  }

  get keysMade(): number {
    return this.#keys.byId.size;
  }

  /** From now on, a key file that anybody changes is read. */
  watch(): void {
    const path = join(this.#parts.dir, keyFileName);
    this.#unwatch ??= watchFiles([path], lookEveryMs, () => {
      try {
        this.readKeys();
      } catch (reason) {
        this.#parts.failed(reason, 'the keys cannot be read; those that were known stay in force');
      }
    });
  }

  /** Reads the keys again. Throws `CONFIG_INVALID`, and then the old ones stay in force. */
  readKeys(): void {
    this.#keys = loadKeyRing(this.#parts.dir, this.#parts.compile);
    this.desk.replaceKeys(this.#keys);
    this.#lastUse.keepOnly(this.#keys.byId);
    this.#parts.changed();
  }

  async close(): Promise<void> {
    this.#unwatch?.();
    await this.#lastUse.close();
  }
}
