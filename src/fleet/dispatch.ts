import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { Roster } from '../domain/roster.ts';
import { encode, requestText, withMember } from '../protocol/codec.ts';
import { isStream, weightOf, type Order } from './order.ts';
import { writeLine } from './write-line.ts';

/** Unsent text that one child may cause us to hold, in characters; beyond it the caller hears `UPSTREAM_BUSY`. */
const heldMax = 8 * 1024 * 1024;
/** Written at once. Larger chunks would only delay the moment when the pipe says it is full. */
const chunkChars = 256 * 1024;

export type DispatchWork = {
  readonly limits: Pick<ServerSpec, 'concurrency' | 'waitingMax'>;
  readonly clock: Clock;
  /** Hands text to the child's stdin. False: wait for `drained`. */
  readonly write: (text: string) => boolean;
};

/**
 * What goes to one child, and in which order: a bounded line of calls that wait for one of `concurrency` places, the lines
 * that go out with the next write, and the requests that were sent. Each order is settled once.
 */
export class Dispatch {
  readonly #work: DispatchWork;
  readonly #waiting = new Roster<number, Order>();
  readonly #sent = new Roster<number, Order>();
  #due: (Order | string)[] = [];
  #flushing = false;
  #blocked = false;
  #held = 0;
  #placed = 0;
  #lastId = 0;
  #lastTurn = 0;
  #closed: Fault | undefined;

  constructor(work: DispatchWork) {
    this.#work = work;
  }

  /** Callers' requests that have a place. Our own few requests need none. */
  get inFlight(): number {
    return this.#placed;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** The request that was sent under this id and is still open. */
  find(wireId: number): Order | undefined {
    return this.#sent.get(wireId);
  }

  /** The one request that waits for an answer, if there is exactly one. */
  only(): Order | undefined {
    const waiting = this.#sent.list().filter((order) => !isStream(order));
    return waiting.length === 1 ? waiting[0] : undefined;
  }

  /** Whether this id was ever on the wire. */
  knows(wireId: number): boolean {
    return wireId > 0 && wireId <= this.#lastId;
  }

  /** Puts an order in the line. Throws `UPSTREAM_BUSY` when the line is full, or why the child is gone. */
  line(order: Order): void {
    if (this.#closed !== undefined) throw this.#closed;
    const { concurrency, waitingMax } = this.#work.limits;
    const free = this.#placed < concurrency && !this.#blocked && this.#waiting.size === 0;
    if (!free && this.#waiting.size >= waitingMax) {
      throw new Fault('UPSTREAM_BUSY', { detail: `${waitingMax} calls are waiting already` });
    }
    this.#hold(weightOf(order));
    if (free) return this.#place(order);
    order.turn = ++this.#lastTurn;
    this.#waiting.set(order.turn, order);
    this.#admit();
  }

  /** Sends an order without standing in line: mcpd's own requests, and those that may not wait behind a question. */
  send(order: Order): void {
    if (this.#closed !== undefined) throw this.#closed;
    this.#hold(weightOf(order));
    order.state = 'due';
    this.#enqueue(order);
  }

  /** Sends a message that expects no answer. Throws `UPSTREAM_BUSY` when the child has stopped reading. */
  say(text: JsonText): void {
    if (this.#closed !== undefined) throw this.#closed;
    const line = writeLine(text);
    this.#hold(line.length);
    this.#enqueue(line);
  }

  /** The child's stdin can take more. */
  drained(): void {
    this.#blocked = false;
    this.#flush();
    this.#admit();
  }

  /** Takes an order out of wherever it is. False: it was settled before. */
  settle(order: Order): boolean {
    const was = order.state;
    if (was === 'settled') return false;
    order.state = 'settled';
    order.about?.halt.unlisten();
    if (was === 'sent') this.#sent.delete(order.wireId);
    else this.#held -= weightOf(order);
    if (was === 'waiting') this.#waiting.delete(order.turn);
    if (was === 'due') this.#due = this.#due.filter((it) => it !== order);
    if (was !== 'waiting' && order.placed) {
      this.#placed--;
      this.#admit();
    }
    return true;
  }

  fail(order: Order, why: Fault): void {
    if (this.settle(order)) order.reject(why);
  }

  /** Fails what was not sent, and takes nothing new; what was sent may still be answered. */
  close(why: Fault): void {
    this.#closed ??= why;
    for (const order of this.open()) if (order.state !== 'sent') this.fail(order, why);
    // The last words to the child; after them its stdin is closed.
    this.#flush();
    this.#due = [];
  }

  /** Every order that is not settled. */
  open(): readonly Order[] {
    const due = this.#due.filter((it) => typeof it !== 'string');
    return [...this.#sent.list(), ...due, ...this.#waiting.list()];
  }

  #hold(size: number): void {
    // A single message larger than the bound may pass when nothing else waits: its size was checked at the door.
    if (this.#held > 0 && this.#held + size > heldMax) {
      throw new Fault('UPSTREAM_BUSY', { detail: `${this.#held} characters are waiting already` });
    }
    this.#held += size;
  }

  /** Gives free places to those who wait longest. While the pipe is full nobody gets one, so unsent lines stay bounded. */
  #admit(): void {
    if (this.#blocked || this.#closed !== undefined) return;
    while (this.#placed < this.#work.limits.concurrency) {
      const order = this.#waiting.first();
      if (order === undefined) return;
      this.#waiting.delete(order.turn);
      this.#place(order);
    }
  }

  #place(order: Order): void {
    this.#placed++;
    order.state = 'due';
    this.#enqueue(order);
  }

  #enqueue(item: Order | string): void {
    this.#due.push(item);
    if (this.#flushing) return;
    this.#flushing = true;
    // Calls whose intents were written together come here together, and are one write; a lone call waits for nothing.
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#blocked) return;
    const due = this.#due;
    this.#due = [];
    let chunk = '';
    let done = 0;
    while (done < due.length && !this.#blocked) {
      const item = due[done++] as Order | string; // `done` was below the length.
      chunk += typeof item === 'string' ? this.#release(item) : this.#lineOf(item);
      if (chunk.length < chunkChars) continue;
      this.#blocked = !this.#work.write(chunk);
      chunk = '';
    }
    if (chunk !== '' && !this.#work.write(chunk)) this.#blocked = true;
    if (done < due.length) this.#due = [...due.slice(done), ...this.#due];
  }

  #release(text: string): string {
    this.#held -= text.length;
    return text;
  }

  /** The line of an order that goes out now; empty when it no longer may. */
  #lineOf(order: Order): string {
    if (order.state !== 'due') return '';
    try {
      // In the same breath as the write: a halt, a switch or a new policy up to here keeps the call from the child.
      order.pass?.spend();
      if (order.stands?.() === false)
        throw new Fault('ORDERS_CHANGED', { detail: 'the policy changed between two rounds' });
      const wireId = ++this.#lastId;
      const line = writeLine(requestText(wireId, order.method, paramsOnTheWire(order, wireId)));
      this.#held -= weightOf(order);
      order.wireId = wireId;
      order.state = 'sent';
      this.#sent.set(wireId, order);
      return line;
    } catch (reason) {
      this.fail(order, Fault.from(reason));
      return '';
    }
  }
}

/** A progress token is unique among one caller's requests, not among all callers'; the wire id is. */
function paramsOnTheWire({ params, progressToken }: Order, wireId: number): JsonText | undefined {
  if (params === undefined || progressToken === undefined) return params;
  return withMember(params, ['_meta', 'progressToken'], encode(wireId));
}
