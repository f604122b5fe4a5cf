import type { Call } from '../../src/domain/call.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { JsonText } from '../../src/domain/message.ts';
import type { Orders, ServerOrders } from '../../src/domain/orders.ts';
import type { UpstreamStatus } from '../../src/domain/upstream.ts';
import type { AdminPlane, CommandRecord } from '../../src/operate/admin-plane.ts';
import { GrantStore } from '../../src/operate/grants.ts';
import type { Role, Visitor } from '../../src/operate/operators.ts';
import { judge } from '../../src/operate/status.ts';
import { nothingSwitchedOff, SwitchStore } from '../../src/operate/switches.ts';
import { PinStore, type PinParts } from '../../src/pins/pin-store.ts';
import { offeredTool } from '../../src/protocol/tool-definition.ts';
import { writeLock } from '../support/old-state.ts';
import { stateIn } from '../support/state.ts';

export function ordersOf(names: readonly string[], version = 'd1+0'): Orders {
  // Commands look at the names of servers and nothing else.
  const servers = new Map(names.map((name) => [name, {} as ServerOrders]));
  return Object.freeze({
    version,
    servers,
    switches: nothingSwitchedOff,
    grants: [],
    roles: new Map(),
    limits: [],
  });
}

export function definitionOf(name: string, more: object = {}): JsonText {
  return JSON.stringify({
    name,
    description: `The ${name} tool`,
    inputSchema: { type: 'object' },
    ...more,
  }) as JsonText;
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
      tools: new Map(['read_file', 'write_file'].map((tool) => [tool, offeredTool(definitionOf(tool))])),
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

/** Whoever gives the commands of a test. */
export function visitor(name: string, role: Role = 'operator'): Visitor {
  return { kind: 'operator', operator: { name, role, as: 'user' } };
}

/** An admin plane whose every effect can be seen, over a real switch store. */
export class FakePlane implements AdminPlane {
  readonly told: string[] = [];
  readonly records: CommandRecord[] = [];
  readonly calls: Call[] = [];
  journalBroken = false;
  ordersNow: Orders;
  readonly switches: SwitchStore;
  readonly grants: GrantStore;
  readonly pins: PinStore;
  /** What the disk holds. */
  locked: string | undefined;
  diskFull = false;
  pinMode: ReturnType<PinParts['mode']> = 'first';
  servers: readonly UpstreamStatus[] = [serverOf('files'), serverOf('memory')];

  constructor(dir: string) {
    const database = stateIn(dir);
    this.switches = SwitchStore.open(database);
    this.grants = GrantStore.open(database);
    this.pins = PinStore.open({
      rows: {
        load: () => new Map(),
        save: (lock) => {
          if (this.diskFull) throw new Error('no space left on the device');
          this.locked = writeLock(lock);
        },
      },
      clock: { wallMs: () => 1_800_000_000_000 },
      mode: () => this.pinMode,
      clean: (text) => text.replaceAll('s3cret', '[redacted]'),
    });
    this.ordersNow = ordersOf(['files', 'memory']);
  }

  nowMs = 1_800_000_000_000;
  readonly clock = { wallMs: () => this.nowMs, steadyMs: () => 5000 };
  readonly facts = { nowMs: () => this.nowMs, tool: () => undefined, realPath: () => undefined };
  readonly breakers: AdminPlane['breakers'] = () => [];
  readonly packages: AdminPlane['packages'] = {
    report: () => [],
    acknowledge: () => ({ kind: 'unseen' }),
    unsaved: undefined,
  };
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
    leases: () => [],
    endLeases: () => 0,
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
  readonly secrets: AdminPlane['secrets'] = {
    report: () => [
      {
        server: 'files',
        variable: 'TOKEN',
        reference: 'vault:files',
        ttlMs: 60_000,
        state: 'held',
        because: undefined,
      },
    ],
    changed: async (reference, { restart }) => {
      this.told.push(`secret ${reference}${restart ? '' : ' keep'}`);
      return { restarted: restart ? ['files'] : [], retried: [], untouched: restart ? [] : ['files'] };
    },
  };
  readonly operators = { count: () => 1 };
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
