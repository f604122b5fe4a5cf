import type { Call } from '../../src/domain/call.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Orders, ServerOrders } from '../../src/domain/orders.ts';
import type { UpstreamStatus } from '../../src/domain/upstream.ts';
import type { AdminPlane, CommandRecord } from '../../src/operate/admin-plane.ts';
import { judge } from '../../src/operate/status.ts';
import { nothingSwitchedOff, SwitchStore } from '../../src/operate/switches.ts';

export function ordersOf(names: readonly string[], version = 'd1+0'): Orders {
  // Commands look at the names of servers and nothing else.
  const servers = new Map(names.map((name) => [name, {} as ServerOrders]));
  return Object.freeze({ version, servers, switches: nothingSwitchedOff, perCaller: undefined });
}

export function serverOf(name: string, more: Partial<UpstreamStatus> = {}): UpstreamStatus {
  return {
    name,
    state: 'ready',
    because: undefined,
    sharing: 'session',
    pid: 4711,
    children: 1,
    spares: 0,
    idle: 0,
    restarts: 0,
    pingMs: 0.1234,
    inFlight: 0,
    waiting: 0,
    dropped: 0,
    catalog: {
      serverName: name,
      serverVersion: '1.0.0',
      protocolVersion: '2025-11-25',
      tools: new Map([
        ['read_file', 'aa'],
        ['write_file', 'bb'],
      ]),
      resources: [],
      resourceTemplates: [],
      prompts: [],
      mirrored: new Map(),
    },
    ...more,
  };
}

export function callTo(server: string, tool: string, caller = 'ana'): Call {
  return {
    id: 'c1',
    at: 0,
    remote: '127.0.0.1',
    principal: { name: caller },
    session: { id: 's', principal: { name: caller }, server, era: 'legacy', agreed: undefined },
    server,
    target: { kind: 'tool', name: tool },
    message: { kind: 'request', id: 1, method: 'tools/call', params: undefined },
    params: {},
    userAgent: undefined,
    outlet: { send: () => 'sent' },
    halt: new Halt(),
    mirror: undefined,
    resumes: undefined,
  };
}

/** An admin plane whose every effect can be seen, over a real switch store. */
export class FakePlane implements AdminPlane {
  readonly told: string[] = [];
  readonly records: CommandRecord[] = [];
  readonly calls: Call[] = [];
  journalBroken = false;
  ordersNow: Orders;
  readonly switches: SwitchStore;
  servers: readonly UpstreamStatus[] = [serverOf('files'), serverOf('memory')];

  constructor(dir: string) {
    this.switches = SwitchStore.open(dir);
    this.ordersNow = ordersOf(['files', 'memory']);
  }

  readonly clock = { wallMs: () => 1_800_000_000_000, steadyMs: () => 5000 };
  readonly orders = {
    current: () => this.ordersNow,
    replace: (next: Orders) => {
      this.told.push(`orders ${next.version}`);
      this.ordersNow = next;
    },
  };
  readonly gate: AdminPlane['gate'] = {
    list: () => [],
    answer: () => ({ kind: 'unknown' }),
  };
  readonly fleet = {
    status: () => this.servers,
    restart: async (name: string) => {
      this.told.push(`restart ${name}`);
    },
  };
  readonly inFlight: AdminPlane['inFlight'] = {
    haltWhere: (match, reason) => {
      const matching = this.calls.filter(match);
      for (const call of matching) call.halt.call(reason);
      this.told.push(`halt ${matching.length}`);
      return matching.length;
    },
  };
  readonly keys = { reload: () => void this.told.push('keys'), names: () => ['ana', 'bob'] };
  readonly policies: AdminPlane['policies'] = {
    reload: async () => ({ ok: true, changed: true, version: 'd2+0', complaints: [], needsRestart: [] }),
  };
  readonly audit = {
    command: async (record: CommandRecord) => {
      this.told.push(`record ${record.result}`);
      if (this.journalBroken) throw new Fault('AUDIT_UNAVAILABLE', { detail: 'the disk is full' });
      this.records.push(record);
    },
  };
  readonly health = () =>
    judge({
      version: '0.1.0',
      uptimeMs: 1234.5,
      ordersVersion: this.ordersNow.version,
      servers: this.servers,
      switches: this.switches.current(),
      switchesDurable: this.switches.durable,
      sessions: 2,
      callsInFlight: this.calls.length,
      waitingQuestions: 0,
      journalFault: this.journalBroken ? 'the disk is full' : undefined,
      draining: false,
      reloadFault: undefined,
    });
}
