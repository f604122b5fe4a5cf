import type { Answer, Json, Request, RequestId } from '../domain/message.ts';

/** Questions of one child that may be open at once. */
const openMax = 64;

type Refused = { readonly kind: 'refused'; readonly code: number; readonly why: string };
type Question = { readonly ourId: string; readonly childId: RequestId; readonly dueAt: number };

/**
 * What a child asked and nobody has answered yet. The child's own ids never leave: outside, a question is known by an id of
 * ours, so that one child cannot guess or collide with the id of another's question, nor a caller answer a question of old.
 */
export class Questions {
  readonly #nextId: () => string;
  readonly #reply: (childId: RequestId, answer: Answer) => void;
  readonly #ours = new Map<string, Question>();
  readonly #theirs = new Map<Json, Question>();

  constructor(nextId: () => string, reply: (childId: RequestId, answer: Answer) => void) {
    this.#nextId = nextId;
    this.#reply = reply;
  }

  /** The question under an id of ours, or the error that the child hears. */
  open(request: Request, dueAt: number): Request | Refused {
    if (this.#theirs.has(request.id))
      return { kind: 'refused', code: -32600, why: 'The id of an open request was used again' };
    if (this.#ours.size >= openMax) return { kind: 'refused', code: -32603, why: 'Too many open requests' };
    const question = { ourId: this.#nextId(), childId: request.id, dueAt };
    this.#ours.set(question.ourId, question);
    this.#theirs.set(question.childId, question);
    return { ...request, id: question.ourId };
  }

  /** Answers a question once. False: there is no such question, or not any more. */
  answer(ourId: RequestId, answer: Answer): boolean {
    const question = typeof ourId === 'string' ? this.#ours.get(ourId) : undefined;
    if (question === undefined) return false;
    this.#forget(question);
    this.#reply(question.childId, answer);
    return true;
  }

  /** The child takes a question back; gives the id by which the caller knows it. */
  withdraw(childId: Json): string | undefined {
    const question = this.#theirs.get(childId);
    if (question !== undefined) this.#forget(question);
    return question?.ourId;
  }

  /** Answers what has waited too long; gives the next deadline. */
  sweep(now: number, tooLate: Answer): number {
    let next = Number.POSITIVE_INFINITY;
    for (const question of this.#ours.values()) {
      if (question.dueAt <= now) this.answer(question.ourId, tooLate);
      else next = Math.min(next, question.dueAt);
    }
    return next;
  }

  #forget(question: Question): void {
    this.#ours.delete(question.ourId);
    this.#theirs.delete(question.childId);
  }
}
