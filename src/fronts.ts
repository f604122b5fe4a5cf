import type { RequestListener, Server, ServerOptions } from 'node:http';
import type { DaemonFile } from './config/schema.ts';
import { doorRules, openDoor } from './connect/door.ts';
import { realClock } from './domain/clock.ts';
import { Fault } from './domain/faults.ts';
import { watchFiles } from './file-watch.ts';
import { addressesOf } from './front/address.ts';
import type { FrontPlane, Peers } from './front/front-plane.ts';
import type { GuardRules } from './front/guard.ts';
import type { HealthPlane } from './front/health.ts';
import { HttpSse } from './front/http-sse.ts';
import { networkPeers, socketPeers } from './front/peers.ts';
import { Pressure, type PressureLog, type PressureReport } from './front/pressure.ts';
import { createFront, listen, type ListenAt } from './front/server.ts';
import type { TlsDoor } from './front/tls.ts';
import { isAvailable, peerUid } from './native.ts';

export type FrontParts = {
  readonly file: DaemonFile;
  readonly frontSocket: string;
  /** Each listener knows its own peers; all of them share what may come in at once. */
  readonly plane: Omit<FrontPlane, 'peers' | 'pressure'>;
  readonly health: HealthPlane;
  /** Servers whose children will have pipes to us. */
  readonly servers?: number;
  readonly log?: PressureLog;
};

/** How often certificates are looked at; a script that renews them need not tell us. */
const lookEveryMs = 5_000;

/** The doors that callers come in by: addresses on the network, with and without TLS, and sockets of this machine. */
export class Fronts {
  readonly #parts: FrontParts;
  readonly #servers: Server[] = [];
  /** Undone when the doors are shut: names of sockets are taken away, files are watched no more. */
  readonly #undo: (() => void)[] = [];
  readonly #tls: TlsDoor[] = [];
  readonly #pressure: Pressure;

  private constructor(parts: FrontParts) {
    this.#parts = parts;
    const { file, servers = 0, log } = parts;
    this.#pressure = new Pressure({
      terms: file.overload,
      // As long as a request may take to arrive, an answer may take to be taken.
      readWithinMs: file.requests.readWithinMs,
      children: servers,
      steadyMs: realClock.steadyMs,
      random: Math.random,
      log,
    });
  }

  /** How much is under way, and what was turned away. */
  pressure(): PressureReport {
    return this.#pressure.report();
  }

  /** Throws `CONFIG_INVALID` or `PLACE_TAKEN`, and then nothing listens. */
  static async open(parts: FrontParts): Promise<Fronts> {
    const fronts = new Fronts(parts);
    try {
      await fronts.#openAll();
    } catch (reason) {
      fronts.closeAll();
      void fronts.shut();
      throw reason;
    }
    return fronts;
  }

  async #openAll(): Promise<void> {
    const { file, frontSocket } = this.#parts;
    const { tls, mutualTls, trustedProxies, socket } = file.listen;
    if (socket.users.length > 0 && !isAvailable())
      throw new Fault('CONFIG_INVALID', {
        detail:
          '[listen.socket.users] needs to ask the system who is at the other end, and that cannot be done here',
        hint: 'npm install koffi (Linux and macOS); or give those users keys: mcpd key add NAME',
      });
    const rules = (at: { readonly host: string; readonly port: number }, secure: boolean) =>
      addressRules(file, at, secure);
    const door = tls === undefined ? undefined : await openTls(tls);
    await this.#listen(
      file.listen,
      rules(file.listen, door !== undefined),
      networkPeers(trustedProxies),
      door,
    );
    if (mutualTls !== undefined) {
      const own = await openTls(mutualTls);
      const { certificatePeers } = await import('./front/certificate-peers.ts');
      const peers = certificatePeers((it) => own.isStale(it));
      await this.#listen(mutualTls, rules(mutualTls, true), peers, own);
    }
    const peers = socketPeers(isAvailable() ? peerUid : undefined);
    const sockets = [{ path: frontSocket, mode: 0o600 }];
    if (socket.path !== undefined) sockets.push({ path: socket.path, mode: socket.mode });
    for (const { path, mode } of sockets) {
      const server = this.#make(doorRules, peers, undefined);
      this.#undo.push(await openDoor(server, path, mode));
    }
  }

  async #listen(at: ListenAt, rules: GuardRules, peers: Peers, door: TlsDoor | undefined): Promise<void> {
    const server = this.#make(rules, peers, door);
    await listen(server, at);
    if (door === undefined) return;
    this.#tls.push(door);
    const { cert, key, clientCa, crl } = door.files;
    const files = [cert, key, clientCa, crl].filter((it) => it !== undefined);
    this.#undo.push(watchFiles(files, lookEveryMs, () => this.#reload(door)));
  }

  #make(rules: GuardRules, peers: Peers, door: TlsDoor | undefined): Server {
    const { file, plane, health } = this.#parts;
    const { requests, listen: at } = file;
    const own: FrontPlane = { ...plane, peers, pressure: this.#pressure };
    const parts = {
      rules,
      plane: own,
      httpSse: at.httpSse ? new HttpSse(own) : undefined,
      health,
      headersWithinMs: requests.headersWithinMs,
      requestWithinMs: requests.readWithinMs,
      tls: door && ((options: ServerOptions, onRequest: RequestListener) => door.make(options, onRequest)),
    };
    const server = createFront(parts);
    door?.guard(server);
    this.#servers.push(server);
    return server;
  }

  /** Reads certificates again, now. */
  reload(): void {
    for (const door of this.#tls) this.#reload(door);
  }

  #reload(door: TlsDoor): void {
    const before = door.fault?.detail;
    door.reload();
    // Once for each mistake: the files are looked at every few seconds.
    if (door.fault !== undefined && door.fault.detail !== before) this.#parts.plane.report(door.fault, 'tls');
  }

  /** Certificates that are on disk and not in force, a sentence each; for the status. */
  faults(): string[] {
    return this.#tls.flatMap(({ fault }) =>
      fault === undefined ? [] : [`the old certificates stay in force: ${fault.detail ?? fault.says}`],
    );
  }

  /** Takes nobody in any more. What is open stays; resolves when the last has left. */
  shut(): Promise<unknown> {
    this.#pressure.close();
    for (const undo of this.#undo.splice(0)) undo();
    return Promise.all(this.#servers.map((it) => new Promise<void>((resolve) => it.close(() => resolve()))));
  }

  closeIdle(): void {
    for (const it of this.#servers) it.closeIdleConnections();
  }

  closeAll(): void {
    for (const it of this.#servers) it.closeAllConnections();
  }
}

/** Loaded where it is wanted: TLS costs 8 MB of memory. */
async function openTls(files: ConstructorParameters<typeof TlsDoor>[0]): Promise<TlsDoor> {
  const { TlsDoor: Door } = await import('./front/tls.ts');
  return new Door(files);
}

function addressRules(
  { listen: at }: DaemonFile,
  { host, port }: { readonly host: string; readonly port: number },
  secure: boolean,
): GuardRules {
  const { hosts, origins } = addressesOf(host, port, secure);
  // A proxy passes on the name that clients see.
  const told = at.publicUrl === undefined ? [] : [new URL(at.publicUrl).host];
  return {
    hosts: new Set([...hosts, ...at.allowedHosts, ...told]),
    origins: new Set([...origins, ...at.allowedOrigins]),
  };
}
