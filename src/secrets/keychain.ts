import { Worker } from 'node:worker_threads';
import { Fault } from '../domain/faults.ts';
import type { KeychainReply, KeychainRequest } from './keychain-thread.ts';

/** The operating system's keychain, open for a few questions. */
export type Keychain = {
  /** The secret, or undefined when a keychain that works holds none. Rejects with `SECRET_UNAVAILABLE`. */
  readonly get: (name: string) => Promise<string | undefined>;
  readonly set: (name: string, value: string) => Promise<void>;
  readonly remove: (name: string) => Promise<'removed' | 'absent'>;
};

/** For one question, the unlocking of a keychain included. */
const answerWithinMs = 3_000;

/** Opens the keychain, asks, and closes it. */
export async function withKeychain<T>(ask: (keychain: Keychain) => Promise<T>): Promise<T> {
  const thread = new KeychainThread();
  try {
    return await ask({
      get: (name) => thread.ask({ do: 'get', name }),
      set: async (name, value) => void (await thread.ask({ do: 'set', name, value })),
      remove: async (name) =>
        (await thread.ask({ do: 'remove', name })) === undefined ? 'absent' : 'removed',
    });
  } finally {
    thread.close();
  }
}

class KeychainThread {
  // No arguments of the daemon's own: a preloaded module or an inspector has no business beside the secrets.
  readonly #worker = new Worker(new URL('./keychain-thread.ts', import.meta.url), { execArgv: [], argv: [] });
  #last: Promise<unknown> = Promise.resolve();

  constructor() {
    // A thread that fails between two questions is noticed by the next one; unheard, its error would end the daemon.
    this.#worker.on('error', () => undefined);
  }

  /** One question at a time; each has its own time limit, and none begins after one failed to end. */
  ask(request: KeychainRequest): Promise<string | undefined> {
    const turn = this.#last.then(() => this.#askNow(request));
    this.#last = turn;
    return turn;
  }

  close(): void {
    // Not awaited: a thread that hangs in native code ends when that call does.
    void this.#worker.terminate();
    this.#worker.unref();
  }

  #askNow(request: KeychainRequest): Promise<string | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const limit = setTimeout(() => {
      reject(unavailable(`no answer in ${String(answerWithinMs)} ms`));
    }, answerWithinMs);
    const onReply = (reply: KeychainReply) => {
      if ('ok' in reply) resolve(reply.ok);
      else reject(unavailable(reply.failed));
    };
    const onError = (reason: unknown) => {
      reject(unavailable(reason instanceof Error ? reason.message.slice(0, 300) : 'its thread failed'));
    };
    this.#worker.once('message', onReply);
    this.#worker.once('error', onError);
    this.#worker.postMessage(request);
    return promise.finally(() => {
      clearTimeout(limit);
      this.#worker.off('message', onReply);
      this.#worker.off('error', onError);
    });
  }
}

/** What to do on a host where nobody sits at the screen to unlock anything. */
export const withoutKeychain =
  process.platform === 'linux'
    ? 'unlock the keychain, or keep the secret in an owner-only file and write "file:/path/to/it" instead of "keychain:…", or run mcpd inside dbus-run-session with gnome-keyring-daemon --unlock'
    : 'unlock the keychain, or keep the secret in an owner-only file and write "file:/path/to/it" instead of "keychain:…"';

function unavailable(why: string): Fault {
  return new Fault('SECRET_UNAVAILABLE', {
    detail: `the keychain cannot be used: ${why}`,
    hint: withoutKeychain,
  });
}
