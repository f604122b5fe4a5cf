import { Worker } from 'node:worker_threads';
import { Fault } from '../domain/faults.ts';
import type { KeychainReply, KeychainRequest } from './keychain-thread.ts';

/** The operating system's keychain, open for a few questions. */
export type Keychain = {
  /** The secret, or undefined when a keychain that works holds none. Rejects with `SECRET_UNAVAILABLE`. */
  readonly get: (name: string) => Promise<string | undefined>;
  readonly set: (name: string, value: string) => Promise<void>;
  readonly remove: (name: string) => Promise<'removed' | 'absent'>;
  /** Resolves when it keeps something and gives it back. */
  readonly probe: () => Promise<void>;
};

/** Opens the keychain for as long as somebody asks it something; handed in by tests. */
export type OpenKeychain = <T>(ask: (keychain: Keychain) => Promise<T>) => Promise<T>;

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
      probe: async () => void (await thread.ask({ do: 'probe' })),
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

/** What is wrong with a keychain, from what its library said, and what to type. In one line each. */
const troubles: readonly { readonly said: RegExp; readonly what: string; readonly hint: string }[] = [
  {
    said: /autolaunch|Failed to connect to socket|not set, set your DBUS|Connection refused/i,
    what: 'this session has no D-Bus, so no Secret Service can be reached',
    hint: 'log in to a desktop; or run mcpd inside dbus-run-session with gnome-keyring-daemon --unlock',
  },
  {
    said: /was not provided by any \.service|ServiceUnknown/i,
    what: 'the session bus has no Secret Service',
    hint: 'install one: apt install gnome-keyring',
  },
  {
    // A bus on which nobody answers says that the reply may have been blocked, which is no word about a lock.
    said: /no result found|\blocked\b/i,
    what: 'its keyring is locked, or was never made',
    hint: 'unlock it: gnome-keyring-daemon --replace --unlock (the password on standard input)',
  },
  {
    said: /no answer in|did not receive a reply/i,
    what: 'it does not answer; it may wait for a person at a screen',
    hint: 'answer its prompt, or start it anew: gnome-keyring-daemon --replace --unlock',
  },
  {
    said: /Cannot find|native binding|MODULE_NOT_FOUND/i,
    what: 'its library is not installed',
    hint: 'npm ci, without --omit=optional',
  },
];

/** For a host where nobody sits at the screen to unlock anything. */
const otherwise = 'or keep the secret in the vault: mcpd secret set NAME --in vault, and write "vault:NAME"';

function unavailable(why: string): Fault {
  const known = process.platform === 'linux' ? troubles.find(({ said }) => said.test(why)) : undefined;
  return new Fault('SECRET_UNAVAILABLE', {
    detail: `the keychain cannot be used: ${known?.what ?? why}`,
    hint: `${known?.hint ?? 'unlock the keychain'}; ${otherwise}`,
  });
}
