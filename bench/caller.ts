import type { Verdict } from './verdict.ts';

/** One session's client, which has at most one call in flight. */
export type Caller = {
  /** Connects again where the server has dropped an idle connection, as any client would, before time is taken. */
  readonly refresh: () => Promise<void>;
  /** Makes one call; `done` comes exactly once, and never before `call` has returned. */
  readonly call: (done: (verdict: Verdict) => void) => void;
  /** Forgets the call in flight, whose `done` then never comes. */
  readonly abandon: () => void;
  readonly close: () => void;
};

/** Ids of one width, so that a request never changes its length. Every session counts from here: real clients collide too. */
export const firstId = 100_000_000;

/** A token that no other session of this scenario sends. */
export function tokenOf(session: number, id: number): string {
  return `s${String(session).padStart(5, '0')}c${String(id)}`;
}

/** What each call asks for: `echo` only reads, `note` is classed as writing, and both answer with so many bytes. */
export type Ask = { readonly tool: 'echo' | 'note'; readonly bytes: number };

/** The request of one call. */
export function callText(id: number, token: string, { tool, bytes }: Ask): string {
  return `{"jsonrpc":"2.0","id":${String(id)},"method":"tools/call","params":{"name":"${tool}","arguments":{"token":"${token}","bytes":${String(bytes)}}}}`;
}

/** What a client says first, and then second. */
export const helloText = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1.0.0' },
  },
});
export const agreedText = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
