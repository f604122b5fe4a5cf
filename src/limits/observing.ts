import type { Call } from '../domain/call.ts';
import type { Orders } from '../domain/orders.ts';

/** Whether the owner only wants to see what would be refused on this server. */
export function isObserving(orders: Orders, { server }: Call): boolean {
  const contract = orders.servers.get(server)?.contract;
  return contract?.mode === 'observe' || contract?.stage === 'observe';
}
