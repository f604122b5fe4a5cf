import type { Server } from 'node:http';
import type { DaemonFile } from './config/schema.ts';
import { doorRules, openDoor } from './connect/door.ts';
import { addressesOf } from './front/address.ts';
import type { FrontPlane } from './front/front-plane.ts';
import type { GuardRules } from './front/guard.ts';
import { HttpSse } from './front/http-sse.ts';
import { createFront, listen, type HealthPlane } from './front/server.ts';

export type FrontParts = {
  readonly file: DaemonFile;
  readonly frontSocket: string;
  readonly plane: FrontPlane;
  readonly health: HealthPlane;
};

/** The doors that callers come in by: the address on the network, and the socket of `mcpd connect`. */
export class Fronts {
  readonly #servers: readonly Server[];
  readonly #hide: () => void;

  private constructor(servers: readonly Server[], hide: () => void) {
    this.#servers = servers;
    this.#hide = hide;
  }

  static async open(parts: FrontParts): Promise<Fronts> {
    const front = make(parts, addressRules(parts.file));
    await listen(front, parts.file.listen);
    const door = make(parts, doorRules);
    return new Fronts([front, door], await openDoor(door, parts.frontSocket));
  }

  /** Takes nobody in any more. What is open stays; resolves when the last has left. */
  shut(): Promise<unknown> {
    this.#hide();
    return Promise.all(this.#servers.map((it) => new Promise<void>((resolve) => it.close(() => resolve()))));
  }

  closeIdle(): void {
    for (const it of this.#servers) it.closeIdleConnections();
  }

  closeAll(): void {
    for (const it of this.#servers) it.closeAllConnections();
  }
}

function addressRules({ listen: at }: DaemonFile): GuardRules {
  const { hosts, origins } = addressesOf(at.host, at.port);
  return {
    hosts: new Set([...hosts, ...at.allowedHosts]),
    origins: new Set([...origins, ...at.allowedOrigins]),
  };
}

function make({ file, plane, health }: FrontParts, rules: GuardRules): Server {
  const { requests, listen: at, sessions } = file;
  return createFront({
    rules,
    plane,
    httpSse: at.httpSse ? new HttpSse(plane) : undefined,
    health,
    headersWithinMs: requests.headersWithinMs,
    requestWithinMs: requests.readWithinMs,
    connectionsMax: sessions.max * 2 + 64,
  });
}
