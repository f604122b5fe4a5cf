import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { Fault } from '../domain/faults.ts';
import type { Order } from '../operate/commands.ts';
import { Knocks } from '../operate/knocks.ts';
import { recognise, type Person, type Proofs } from '../operate/operators.ts';
import { refusal, type Reply } from '../operate/reply.ts';
import { orderBytesMax, readLine } from './line.ts';
import { look, prepare, removeIfSame, show, type Place } from './place.ts';
import { StartToken } from './token.ts';
import { userName } from './user-name.ts';

const NEWLINE = 0x0a;
const lingerMs = 5000;

export type ControlOptions = {
  /** Absolute; its directory is made, or must be the owner's alone. */
  readonly path: string;
  readonly answer: (order: Order) => Promise<Reply>;
  /** Every reply goes through it: what is shown to an operator may be copied anywhere. */
  readonly redact: (text: string) => string;
  /** The user at the other end of a connection, by its file descriptor; undefined where the system cannot say. */
  readonly peerUid?: (fd: number) => number | undefined;
  /** Whose token this is. Without it, nobody is known but whoever has the token of this start. Throws `CONFIG_INVALID`. */
  readonly personOf?: (token: string) => Person | undefined;
  /** For the whole command to arrive. */
  readonly orderWithinMs?: number;
  /** Commands at once. */
  readonly connectionsMax?: number;
  /**
   * Connections that have not said their command yet. Many, because an operator's own is one of them between its greeting and its
   * line: who opens one after the other must open so many in that moment to push it out.
   */
  readonly silentMax?: number;
};

/** One operator's connection: one line in, one line out, gone. */
type Visit = { readonly socket: Socket; answering: boolean };

/**
 * The operator's door: a unix socket in an owner-only directory, and a token that every command brings along. To hold the
 * socket is also to be the one daemon.
 */
export class ControlSocket {
  readonly #server: Server;
  readonly #options: Required<ControlOptions>;
  readonly #start: StartToken;
  readonly #proofs: Proofs;
  readonly #knocks = new Knocks();
  /** Oldest first. */
  readonly #silent = new Set<Visit>();
  readonly #running = new Set<Visit>();
  /** Answered, and the answer may not be read yet. */
  readonly #answered = new Set<Visit>();
  #forget: () => void = () => {};

  private constructor(options: ControlOptions, start: StartToken) {
    const noOne = () => undefined;
    this.#options = {
      orderWithinMs: 5000,
      connectionsMax: 32,
      silentMax: 512,
      peerUid: noOne,
      personOf: noOne,
      ...options,
    };
    this.#start = start;
    this.#proofs = {
      isOfThisStart: (token) => start.matches(token),
      personOf: this.#options.personOf,
      ownUid: process.getuid?.(),
      userName,
    };
    // Half open: `nc -U` closes its side when it has said everything, and still wants to hear the answer.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#receive(socket));
  }

  /** Throws `PLACE_TAKEN` when another mcpd is running, `CONFIG_INVALID` when the path is not ours to use. */
  static async open(options: ControlOptions): Promise<ControlSocket> {
    const place = await prepare(options.path);
    try {
      // Before the socket is shown, so that nobody finds a daemon and not what it asks for.
      const control = new ControlSocket(options, StartToken.make(options.path));
      try {
        await control.#listen(place);
      } catch (reason) {
        control.#start.remove();
        throw reason;
      }
      return control;
    } finally {
      place.release();
    }
  }

  /** What every command of this start has to bring along. To be taken out of whatever leaves the daemon. */
  get token(): string {
    return this.#start.token;
  }

  /** Hangs up on everyone and removes the socket if it is still this one. May be called twice. */
  async close(): Promise<void> {
    this.#forget();
    this.#start.remove();
    for (const { socket } of [...this.#silent, ...this.#running, ...this.#answered]) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #listen(place: Place): Promise<void> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          new Fault('CONFIG_INVALID', {
            detail: `no control socket at ${place.path}: ${cause.message}`,
            hint: 'see that the state directory can be written',
            cause,
          }),
        ),
      );
      // The socket is born with mode 0600 under a hidden name, so there is no moment in which others could connect.
      const before = process.umask(0o177);
      try {
        server.listen(place.hidden, resolve);
      } finally {
        process.umask(before);
      }
    });
    server.removeAllListeners('error');
    // A failed accept (no more file descriptors) must not end the daemon; the next one may work.
    server.on('error', () => {});
    try {
      chmodSync(place.hidden, 0o600);
      show(place);
    } catch (reason) {
      await this.close();
      throw reason;
    }
    const ours = look(place.path);
    // Closing a server makes libuv remove the name it was bound to, whatever lies there by then. That name is gone
    // already; the public one is removed here, and only if it is still our socket.
    if (ours !== undefined) {
      this.#forget = () => {
        this.#forget = () => {};
        removeIfSame(place.path, ours);
      };
    }
  }

  #receive(socket: Socket): void {
    // Otherwise a script that forgets to hang up would keep the operator from the kill switch.
    if (this.#silent.size >= this.#options.silentMax) hangUpOnTheOldest(this.#silent);
    const visit: Visit = { socket, answering: false };
    this.#silent.add(visit);
    const timer = setTimeout(
      () => this.#turnAway(visit, 'no whole command in time'),
      this.#options.orderWithinMs,
    );
    socket.once('close', () => {
      clearTimeout(timer);
      for (const visits of [this.#silent, this.#running, this.#answered]) visits.delete(visit);
    });
    // The operator hung up before the answer. What was asked is done and recorded all the same.
    socket.on('error', () => socket.destroy());

    const chunks: Buffer[] = [];
    let bytes = 0;
    const take = (line: Buffer) => {
      clearTimeout(timer);
      void this.#carryOut(visit, line);
    };
    socket.on('data', (chunk: Buffer) => {
      if (visit.answering) return;
      chunks.push(chunk);
      bytes += chunk.length;
      const newline = chunk.indexOf(NEWLINE);
      const lineBytes = newline < 0 ? bytes : bytes - chunk.length + newline;
      if (lineBytes > orderBytesMax) {
        this.#turnAway(visit, `a command has at most ${orderBytesMax} bytes`, 'TOO_LARGE');
      } else if (newline >= 0) {
        if (newline < chunk.length - 1) this.#turnAway(visit, 'one connection carries one command');
        else take(Buffer.concat(chunks).subarray(0, lineBytes));
      }
    });
    socket.once('end', () => {
      if (visit.answering) return;
      if (bytes === 0) socket.destroy();
      else take(Buffer.concat(chunks));
    });
  }

  async #carryOut(visit: Visit, line: Buffer): Promise<void> {
    const isTooMany = this.#running.size >= this.#options.connectionsMax;
    visit.answering = true;
    this.#silent.delete(visit);
    this.#running.add(visit);
    let reply: Reply;
    try {
      if (isTooMany) throw new Fault('TOO_MANY', { detail: 'too many commands at once' });
      const { command, args, operator: claimed, token } = readLine(line);
      const visitor = recognise({ token, claimed, uid: this.#uidAt(visit.socket) }, this.#proofs);
      const knock = visitor.kind === 'stranger' ? this.#knocks.count(performance.now()) : undefined;
      reply = await this.#options.answer({
        command,
        args,
        visitor: knock === undefined ? visitor : { ...visitor, knock },
      });
    } catch (reason) {
      reply = refusal(reason);
    }
    this.#reply(visit, reply);
  }

  #uidAt(socket: Socket): number | undefined {
    // Node has no other way to the descriptor of a connection.
    const { fd } = (socket as unknown as { _handle?: { fd?: number } })._handle ?? {};
    return fd === undefined || fd < 0 ? undefined : this.#options.peerUid(fd);
  }

  #turnAway(visit: Visit, detail: string, code: 'BAD_MESSAGE' | 'TOO_LARGE' = 'BAD_MESSAGE'): void {
    visit.answering = true;
    this.#reply(visit, refusal(new Fault(code, { detail })));
  }

  #reply(visit: Visit, reply: Reply): void {
    const { socket } = visit;
    this.#silent.delete(visit);
    this.#running.delete(visit);
    if (socket.destroyed) return;
    // Whoever does not read what it is told holds nobody else up, and not many of them are kept.
    if (this.#answered.size >= this.#options.silentMax) hangUpOnTheOldest(this.#answered);
    this.#answered.add(visit);
    // Nothing more is read; what the other side still wants to say stays in its own buffer and ends with the connection.
    socket.pause();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.end(`${this.#options.redact(JSON.stringify(reply))}\n`, () => {
      clearTimeout(timer);
      socket.destroy();
    });
  }
}

function hangUpOnTheOldest(visits: Set<Visit>): void {
  for (const visit of visits) {
    visits.delete(visit);
    visit.socket.destroy();
    return;
  }
}
