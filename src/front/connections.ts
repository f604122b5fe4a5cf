import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Unread } from './unread.ts';

export type ConnectionTerms = {
  /** Of all doors together. */
  readonly connectionsMax: number;
  /** A connection whose descriptor has a higher number is not taken: the last ones are for the journal and the operator. */
  readonly descriptorMax: number;
  /** Who reads nothing of what we say for so long is let go. */
  readonly readWithinMs: number;
  /** What all readers together may leave unread. */
  readonly allUnreadBytesMax: number;
};

/** One connection, and what it was last used for. */
export type Line = {
  /** As it was accepted; to destroy it destroys what speaks TLS over it, too. */
  readonly socket: Socket;
  /** What HTTP is spoken over: the same, or the TLS over it. */
  talks: Socket;
  /** Taken although there was no room, so that somebody can be told so. */
  readonly isSpare: boolean;
  /** Its two ends, while it speaks TLS and has not greeted. */
  ends: string | undefined;
  /** The newest response on it; undefined where a look found it idle, so that who is silent holds no call in memory. */
  newest: ServerResponse | undefined;
  /** Requests so far; as many as there were at the last look, and for how many looks it has lain idle with so many. */
  asked: number;
  before: number;
  idleLooks: number;
};

/** What is let go at once when there is no room, as a share of all: to look for it costs a walk over all of them. */
const roomShare = 64;
const spareMax = 64;

/**
 * The connections of all doors. Where there is no room for one more, those give way that carry nothing: first who never asked
 * anything, then who asks nothing now. So nobody shuts the others out by holding connections; and where every single one is
 * at work, a few more are taken in to be told so, and to ask for the health.
 */
export class Connections {
  readonly #terms: ConnectionTerms;
  readonly #unread: Unread;
  readonly #spareMax: number;
  /** By the socket that was accepted, oldest first. */
  readonly #lines = new Map<Socket, Line>();
  /** By the socket that HTTP is spoken over. */
  readonly #talking = new WeakMap<Socket, Line>();
  /** TLS that has not greeted yet, by its two ends: Node says nowhere which connection a TLS socket came of. */
  readonly #greeting = new Map<string, Line>();
  #spares = 0;
  /** Not taken, for want of room or descriptors; and let go to make room. */
  refused = 0;
  evicted = 0;

  constructor(terms: ConnectionTerms) {
    this.#terms = terms;
    this.#unread = new Unread(terms);
    this.#spareMax = Math.min(spareMax, Math.max(4, terms.connectionsMax >> 3));
  }

  get count(): number {
    return this.#lines.size;
  }

  get max(): number {
    return this.#terms.connectionsMax;
  }

  /** Of those that are taken: with TLS begun and not greeted. */
  get greeting(): number {
    return this.#greeting.size;
  }

  /** Readers that were let go because they did not read. */
  get slowReaders(): number {
    return this.#unread.letGo;
  }

  /** Takes charge of whoever comes in by this door. */
  watch(server: Server, speaksTls: boolean): void {
    server.on('connection', (socket: Socket) => this.#take(socket, speaksTls));
    if (!speaksTls) return;
    server.on('secureConnection', (talks: Socket) => {
      const line = this.#greeting.get(endsOf(talks));
      if (line === undefined) return;
      this.#greets(line);
      line.talks = talks;
      this.#talking.set(talks, line);
    });
  }

  /** A request has come. `spare`: there is no room for it, and it can only be told so. */
  request(req: IncomingMessage, res: ServerResponse): 'taken' | 'spare' {
    const line = this.#talking.get(req.socket);
    if (line === undefined) return 'taken';
    line.newest = res;
    line.asked++;
    return line.isSpare ? 'spare' : 'taken';
  }

  /** Called now and then: sees who is idle, and lets go of who does not read. */
  look(nowMs: number): void {
    this.#unread.begin(nowMs);
    for (const line of this.#lines.values()) {
      const idle = isIdle(line);
      line.idleLooks = idle && line.asked === line.before ? line.idleLooks + 1 : 0;
      line.before = line.asked;
      if (idle) line.newest = undefined;
      this.#unread.see(line.talks);
    }
    this.#unread.end();
  }

  #take(socket: Socket, speaksTls: boolean): void {
    const { connectionsMax, descriptorMax } = this.#terms;
    if (this.#lines.size >= connectionsMax || descriptorOf(socket) > descriptorMax) this.#makeRoom();
    const isFull = this.#lines.size - this.#spares >= connectionsMax;
    if ((isFull && this.#spares >= this.#spareMax) || descriptorOf(socket) > descriptorMax) {
      this.refused++;
      // Reset where that can be done: a closed one would be remembered by the system for a minute.
      if (speaksTls) socket.destroy();
      else socket.resetAndDestroy();
      return;
    }
    this.#seat(socket, isFull, speaksTls);
  }

  #seat(socket: Socket, isSpare: boolean, speaksTls: boolean): void {
    const line: Line = {
      socket,
      talks: socket,
      isSpare,
      ends: speaksTls ? endsOf(socket) : undefined,
      newest: undefined,
      asked: 0,
      before: 0,
      idleLooks: 0,
    };
    this.#lines.set(socket, line);
    this.#talking.set(socket, line);
    if (isSpare) this.#spares++;
    if (line.ends !== undefined) this.#greeting.set(line.ends, line);
    socket.once('close', () => this.#forget(socket));
  }

  /** One look of idleness is asked for: what has just been accepted had no time yet to say anything. */
  #makeRoom(): void {
    const wanted = Math.max(1, Math.floor(this.#terms.connectionsMax / roomShare));
    const silent: Line[] = [];
    const idle: Line[] = [];
    for (const line of this.#lines.values()) {
      if (line.idleLooks === 0 || line.asked !== line.before || !isIdle(line)) continue;
      (line.asked === 0 ? silent : idle).push(line);
      if (silent.length >= wanted) break;
    }
    for (const { socket } of [...silent, ...idle].slice(0, wanted)) {
      this.evicted++;
      // Counted out at once: its end is told a turn later, and until then there would be no room.
      this.#forget(socket);
      socket.destroy();
    }
  }

  #forget(socket: Socket): void {
    const line = this.#lines.get(socket);
    if (line === undefined) return;
    this.#lines.delete(socket);
    // Those who never greet are the first to give way: kept here, they would fill the memory one after the other.
    this.#greets(line);
    if (line.isSpare) this.#spares--;
  }

  /** It has greeted, or never will. */
  #greets(line: Line): void {
    const { ends } = line;
    if (ends !== undefined && this.#greeting.get(ends) === line) this.#greeting.delete(ends);
    line.ends = undefined;
  }
}

/** Nothing was asked, or everything that was is answered and has left. */
function isIdle({ newest }: Line): boolean {
  return newest === undefined || newest.writableFinished || newest.destroyed;
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** The system gives the lowest number that is free, so a number says how many are in use. Node has no other way to it. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}
