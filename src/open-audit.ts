import { argumentDigest, argumentKey } from './audit/argument-digest.ts';
import { openScribe } from './audit/open-scribe.ts';
import type { Scribe } from './audit/scribe.ts';
import { Audit } from './audit/trail.ts';
import type { StateDir } from './config/state-dir.ts';
import { sealKey } from './cookie.ts';
import type { Call } from './domain/call.ts';
import type { AuditTerms } from './domain/care.ts';
import { realClock } from './domain/clock.ts';
import type { Fault } from './domain/faults.ts';
import type { JsonText } from './domain/message.ts';
import type { Orders, Risk } from './domain/orders.ts';
import type { Fleet } from './fleet/fleet.ts';
import type { Log } from './log.ts';
import { riskOf } from './policy/risk.ts';
import type { Redactor } from './redact/redact.ts';

export type AuditHouseParts = {
  readonly terms: AuditTerms;
  readonly state: StateDir;
  readonly log: Log;
  readonly redactor: Redactor;
  readonly orders: () => Orders;
  readonly fleet: () => Fleet;
  /** What must be kept no later than the records. Throws `AUDIT_UNAVAILABLE`. */
  readonly before: () => void;
  readonly onJournal: (fault: Fault | undefined) => void;
};

/** Opens the journal with what proves it, and the record of calls above it. Throws `CONFIG_INVALID`. */
export function openAudit(parts: AuditHouseParts): { readonly audit: Audit; readonly scribe: Scribe } {
  const { terms, state, redactor, orders, fleet } = parts;
  const scribe = openScribe({
    stateDir: state.dir,
    auditDir: state.auditDir,
    terms,
    clock: realClock,
    before: parts.before,
    onTrouble: parts.onJournal,
    onCheckpoints: (fault) => toldOfCheckpoints(fault, parts.log),
  });
  const audit = new Audit({
    scribe,
    clock: realClock,
    redact: (text) => redactor.clean(text as JsonText),
    knows: () => redactor.generation,
    describe: (server, tool) => describe(fleet(), server, tool),
    policyOf: (server) => orders().servers.get(server),
    digest: argumentDigest(argumentKey(sealKey(state.dir))),
    durabilityOf: (call) => terms.durable[riskOfCall(call, orders(), fleet())],
  });
  return { audit, scribe };
}

function toldOfCheckpoints(fault: Fault | undefined, log: Log): void {
  if (fault === undefined) return log.log('info', {}, 'checkpoints of the journal are signed again');
  const { detail, hint } = fault;
  log.log('warn', { detail, hint }, 'checkpoints of the journal cannot be written');
}

/** The class of what a call does, as the policy judges it: unknown counts as destructive, what is no tool call as reading. */
function riskOfCall({ server, target }: Call, orders: Orders, fleet: Fleet): Risk {
  // What a method of the server's own does, nobody can tell.
  if (target.kind === 'unknown') return 'destructive';
  if (target.kind !== 'tool') return 'read';
  const known = orders.servers.get(server);
  if (known === undefined) return 'destructive';
  return riskOf(known, target.name, fleet.catalog(server)?.tools.get(target.name)?.admits);
}

function describe(
  fleet: Fleet,
  server: string,
  tool: string | undefined,
): { serverVersion?: string | undefined; toolDigest?: string | undefined } {
  const catalog = fleet.catalog(server);
  if (catalog === undefined) return {};
  return {
    serverVersion: catalog.serverVersion,
    toolDigest: tool === undefined ? undefined : catalog.tools.get(tool)?.digest.slice(0, 16),
  };
}
