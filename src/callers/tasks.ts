import type { Call } from '../domain/call.ts';
import type { Session } from '../domain/caller.ts';
import type { Answer, Json, JsonText } from '../domain/message.ts';
import { array, elements, member, objectOf, withMember } from '../protocol/codec.ts';

/** Tasks that are remembered, over all callers; beyond it, of the caller who has most, the one asked about least recently is not. */
const tasksMax = 10_000;
const idCharsMax = 512;

/**
 * Which task belongs to whom, and which tool it came of. Whoever holds a task id can fetch what the task found, so it counts
 * only for the caller whose call began it (2025-11-25 basic/utilities/tasks, security): in the legacy era for the session, in
 * the modern era for the principal.
 */
export class TaskLedger {
  /** By the caller's name, task → tool; the one asked about least recently first. */
  readonly #byCaller = new Map<string, Map<string, string>>();
  #count = 0;

  readonly toolOf = (session: Session, taskId: string): string | undefined => {
    const own = this.#byCaller.get(session.principal.name);
    const key = keyOf(session, taskId);
    const tool = own?.get(key);
    if (own === undefined || tool === undefined) return undefined;
    own.delete(key);
    own.set(key, tool);
    return tool;
  };

  readonly claim = (call: Call, answer: Answer): Answer => {
    if (answer.kind === 'error') return answer;
    const { target, session } = call;
    if (target.kind === 'listing' && target.of === 'tasks')
      return { ...answer, text: this.#ownOnly(session, answer.text) };
    if (target.kind === 'tool') {
      const id = begunTask(call, answer.text);
      if (id !== undefined) this.#remember(session, id, target.name);
    }
    return answer;
  };

  /** The session is over, and its tasks with it. */
  forget(session: Session): void {
    const start = scopeOf(session);
    const own = this.#byCaller.get(session.principal.name);
    for (const key of own?.keys() ?? []) if (key.startsWith(start)) this.#drop(session.principal.name, key);
  }

  #remember(session: Session, taskId: string, tool: string): void {
    const { name } = session.principal;
    const key = keyOf(session, taskId);
    this.#drop(name, key);
    const own = this.#byCaller.get(name) ?? new Map<string, string>();
    this.#byCaller.set(name, own.set(key, tool));
    if (++this.#count > tasksMax) this.#forgetOne();
  }

  /** One caller who begins many tasks must not make us forget another's. */
  #forgetOne(): void {
    const [name, most] = [...this.#byCaller].reduce((one, other) =>
      other[1].size > one[1].size ? other : one,
    );
    for (const oldest of most.keys()) return this.#drop(name, oldest);
  }

  #drop(name: string, key: string): void {
    const own = this.#byCaller.get(name);
    if (own?.delete(key) !== true) return;
    this.#count--;
    if (own.size === 0) this.#byCaller.delete(name);
  }

  #ownOnly(session: Session, text: JsonText): JsonText {
    const listed = member(text, ['tasks']);
    if (listed === undefined) return text;
    if (!listed.startsWith('[')) return withMember(text, ['tasks'], array([]));
    const all = elements(listed);
    const known = this.#byCaller.get(session.principal.name);
    const own = all.filter((entry) => {
      const id = idIn(entry);
      return id !== undefined && known?.has(keyOf(session, id)) === true;
    });
    return own.length === all.length ? text : withMember(text, ['tasks'], array(own));
  }
}

/** The id of the task that a call became: `task.taskId` in 2025-11-25, `taskId` of a result of type `task` in 2026-07-28. */
function begunTask(call: Call, text: JsonText): string | undefined {
  if (call.session.era === 'legacy')
    return call.params['task'] === undefined ? undefined : idIn(member(text, ['task']));
  if (!text.includes('"resultType":"task"')) return undefined;
  return member(text, ['resultType']) === '"task"' ? idIn(text) : undefined;
}

function idIn(text: JsonText | undefined): string | undefined {
  if (text?.startsWith('{') !== true) return undefined;
  const id: Json | undefined = objectOf(text)['taskId'];
  return typeof id === 'string' && id.length > 0 && id.length <= idCharsMax ? id : undefined;
}

function scopeOf(session: Session): string {
  const whose =
    session.era === 'legacy' ? `s${session.id}` : `p${encodeURIComponent(session.principal.name)}`;
  return `${whose}\0${session.server}\0`;
}

function keyOf(session: Session, taskId: string): string {
  return scopeOf(session) + taskId;
}
