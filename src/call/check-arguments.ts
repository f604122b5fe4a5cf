import type { Call } from '../domain/call.ts';
import type { Denial } from '../domain/decision.ts';
import type { Orders } from '../domain/orders.ts';
import { misfit } from '../policy/arguments.ts';
import { observes } from '../policy/decide.ts';
import { cleanText } from './clean-text.ts';
import type { DataPlane } from './data-plane.ts';

/**
 * What is wrong with the arguments of a call, by the tool's own schema. After the decision, so that a hidden tool is
 * answered as an unknown one; before anybody is asked, so that nobody agrees to what cannot be done. It is worded as a
 * result that the model reads and mends (2025-11-25 server/tools, error handling).
 */
export function wrongArguments(call: Call, orders: Orders, plane: DataPlane): Denial | undefined {
  const { target, server } = call;
  if (target.kind !== 'tool' || call.message.kind !== 'request') return undefined;
  const rules = orders.servers.get(server);
  if (rules?.contract.checkArguments !== true || observes(rules)) return undefined;
  const schema = plane.fleet.inputSchema(server, target.name);
  // No listing: what the tool wants is not known, and rules about it were asked already.
  if (schema === undefined) return undefined;
  const why = misfit(schema, call.params['arguments'] ?? {}, (text) => cleanText(text, plane));
  return why === undefined
    ? undefined
    : { kind: 'deny', rule: 'built-in: arguments', reason: why, hidden: false };
}
