import type { Call } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText, Reply, Request } from '../domain/message.ts';
import type { Upcall } from '../domain/upstream.ts';
import { encode, member, members, valueOf } from '../protocol/codec.ts';
import { questionForLegacy } from '../protocol/translate.ts';

const questionsMax = 16;
let lastId = 0;

/** What a server asks in an answer, under the key by which it wants to hear of it. */
export type Question = { readonly key: string; readonly message: Pick<Request, 'method' | 'params'> };
export type Response = readonly [key: string, answer: JsonText];

export type InquiriesWork = {
  readonly server: string;
  readonly sessionId: string;
  readonly withinMs: number;
  readonly onUpcall: (upcall: Upcall) => void;
};

/** The questions of a server of the modern era that a legacy client was asked, one message each, and has not answered. */
export class Inquiries {
  readonly #work: InquiriesWork;
  readonly #open = new Map<string, (answer: Answer) => void>();

  constructor(work: InquiriesWork) {
    this.#work = work;
  }

  /** Puts the questions of one answer, all at once; undefined when one of them gets no answer. Rejects with `CANCELLED`. */
  put(call: Call, questions: readonly Question[]): Promise<readonly Response[] | undefined> {
    return new Promise((resolve, reject) => {
      const answers: Response[] = [];
      const ids = questions.map(() => `q-${++lastId}`);
      let over = false;
      const end = () => {
        over = true;
        clearTimeout(timer);
        call.halt.unlisten();
        for (const id of ids) this.#open.delete(id);
      };
      const fail = () => {
        end();
        resolve(undefined);
      };
      const timer = setTimeout(fail, this.#work.withinMs);
      call.halt.listen((reason) => {
        end();
        reject(new Fault('CANCELLED', { detail: reason }));
      });
      for (const [at, { key, message }] of questions.entries()) {
        // One that nobody may answer spares the client the others.
        if (over) return;
        const id = ids[at] ?? '';
        const settle = (answer: Answer) => {
          if (!this.#open.delete(id)) return;
          if (answer.kind === 'error') return fail();
          answers.push([key, answer.text]);
          if (answers.length < questions.length) return;
          end();
          resolve(answers);
        };
        this.#open.set(id, settle);
        const params = questionForLegacy(message.method, message.params, id);
        this.#ask({ kind: 'request', id, method: message.method, params }, call, settle);
      }
      if (questions.length > 0) return;
      end();
      resolve(answers);
    });
  }

  /** A message of the client's that answers one of them, or nothing. */
  answered({ id, answer }: Reply): void {
    if (typeof id === 'string') this.#open.get(id)?.(answer);
  }

  /** Nobody is there to answer any more. */
  stop(): void {
    for (const settle of [...this.#open.values()]) settle(nobody);
  }

  #ask(message: Request, call: Call, settle: (answer: Answer) => void): void {
    const { server, sessionId, onUpcall } = this.#work;
    onUpcall({ server, audience: { kind: 'session', sessionId }, message, callId: call.id, settle });
  }
}

/** The questions in an answer. Throws `UPSTREAM_GARBLED` when one of them cannot be read: then none is put. */
export function questionsIn(asked: JsonText | undefined): readonly Question[] {
  if (asked === undefined) return [];
  if (!asked.startsWith('{')) throw garbled('inputRequests is not an object');
  const entries = members(asked);
  if (entries.length > questionsMax) throw garbled(`more than ${questionsMax} questions at once`);
  return entries.map(([key, text]) => {
    const method = text.startsWith('{') ? member(text, ['method']) : undefined;
    const params = method === undefined ? undefined : member(text, ['params']);
    if (method?.startsWith('"') !== true || (params !== undefined && !params.startsWith('{')))
      throw garbled('an input request that cannot be read');
    return { key, message: { method: valueOf(method) as string, params } }; // It began with a quote.
  });
}

function garbled(detail: string): Fault {
  return new Fault('UPSTREAM_GARBLED', { detail });
}

const nobody: Answer = {
  kind: 'error',
  text: encode({ code: -32603, message: 'No client can be asked right now.' }),
};
