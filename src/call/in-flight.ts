import type { Call } from '../domain/call.ts';
import type { Session } from '../domain/caller.ts';
import type { HaltReason } from '../domain/halt.ts';
import type { RequestId } from '../domain/message.ts';
import { Fault } from '../domain/faults.ts';
import { Roster } from '../domain/roster.ts';

/** The requests under way, so that they can be found, counted and stopped. */
export class CallsInFlight {
  readonly #byId = new Roster<string, Call>();
  /** Oldest first. A session has few at a time, so a list beats a map. */
  readonly #bySession = new Roster<string, Call[]>();

  get count(): number {
    return this.#byId.size;
  }

  /** Throws `BAD_MESSAGE` when the session already waits for an answer with this id (JSON-RPC ids are unique in flight). */
  add = (call: Call): void => {
    if (call.message.kind !== 'request') return;
    const calls = this.#bySession.get(call.session.id);
    if (calls === undefined) this.#bySession.set(call.session.id, [call]);
    else if (withId(calls, call.message.id) !== undefined) {
      throw new Fault('BAD_MESSAGE', { detail: 'this request id is still in use' });
    } else calls.push(call);
    this.#byId.set(call.id, call);
  };

  remove = (call: Call): void => {
    if (!this.#byId.delete(call.id)) return;
    const calls = this.#bySession.get(call.session.id);
    if (calls === undefined) return;
    if (calls.length === 1) this.#bySession.delete(call.session.id);
    else calls.splice(calls.indexOf(call), 1);
  };

  find = (callId: string): Call | undefined => this.#byId.get(callId);

  newest = (session: Session): Call | undefined => this.#bySession.get(session.id)?.at(-1);

  /** Stops the request that a session's own `notifications/cancelled` names; another session's ids mean nothing here. */
  cancel = (call: Call): void => {
    const { requestId } = call.params;
    if (typeof requestId !== 'string' && typeof requestId !== 'number') return;
    const named = withId(this.#bySession.get(call.session.id) ?? [], requestId);
    if (named === undefined || named.message.kind !== 'request' || named.message.method === 'initialize')
      return;
    named.halt.call('cancelled by the caller');
  };

  /** Stops every call that matches and says how many there were. */
  haltWhere(match: (call: Call) => boolean, reason: HaltReason): number {
    let stopped = 0;
    for (const call of this.#byId.list()) {
      if (!match(call)) continue;
      call.halt.call(reason);
      stopped++;
    }
    return stopped;
  }
}

function withId(calls: readonly Call[], id: RequestId): Call | undefined {
  return calls.find(({ message }) => message.kind === 'request' && message.id === id);
}
