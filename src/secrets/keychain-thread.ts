/**
 * The keychain, on a thread of its own. Opening it is a synchronous call into native code that waits for another process;
 * while that process hangs, every caller of the daemon would stand still with it.
 */
import { parentPort } from 'node:worker_threads';
import type { AsyncEntry } from '@napi-rs/keyring';

export type KeychainRequest =
  | { readonly do: 'get'; readonly name: string }
  | { readonly do: 'set'; readonly name: string; readonly value: string }
  | { readonly do: 'remove'; readonly name: string }
  | { readonly do: 'probe' };

/** `ok` holds what was found; undefined where there was nothing. */
export type KeychainReply = { readonly ok: string | undefined } | { readonly failed: string };

const service = 'mcpd';

parentPort?.on('message', (request: KeychainRequest) => {
  answer(request).then(
    (ok) => parentPort?.postMessage({ ok } satisfies KeychainReply),
    (reason: unknown) => {
      const failed = reason instanceof Error ? reason.message.slice(0, 300) : 'unknown error';
      parentPort?.postMessage({ failed } satisfies KeychainReply);
    },
  );
});

async function answer(request: KeychainRequest): Promise<string | undefined> {
  if (request.do === 'probe') {
    await probe();
    return undefined;
  }
  const entry = await open(request.name);
  if (request.do === 'set') {
    await entry.setPassword(request.value);
    if ((await entry.getPassword()) !== request.value) throw new Error('what was stored did not come back');
    return undefined;
  }
  if (request.do === 'remove') {
    if (await entry.deletePassword()) return 'removed';
    await probe();
    return undefined;
  }
  const value = await entry.getPassword();
  if (value !== null) return value;
  await probe();
  return undefined;
}

/** A locked or absent keychain says "nothing there" too. Only one that keeps and returns something is believed. */
async function probe(): Promise<void> {
  const entry = await open(`.probe-${crypto.randomUUID()}`);
  await entry.setPassword('probe');
  const back = await entry.getPassword();
  await entry.deletePassword();
  if (back !== 'probe') throw new Error('the keychain does not keep what it is given');
}

/** Loaded when first needed: on a host without the binding everything else still works. */
async function open(name: string): Promise<AsyncEntry> {
  const { AsyncEntry } = await import('@napi-rs/keyring');
  // Left to itself the binding falls back to a kernel keyring that forgets everything at the next start.
  return new AsyncEntry(service, name, { linux: { store: 'secret-service' } });
}
