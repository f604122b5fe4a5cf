/** Calls of modern clients, as the story hands them on. */
import type { Call, Target } from '../../src/domain/call.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { JsonObject, Message } from '../../src/domain/message.ts';
import { Pass } from '../../src/domain/pass.ts';
import { encode, readMessage } from '../../src/protocol/codec.ts';
import { metaKeys } from '../../src/protocol/era.ts';

let calls = 0;

export type Asking = {
  readonly caller?: string;
  readonly server?: string;
  readonly method?: string;
  readonly params?: JsonObject;
  /** The whole of the params as text; instead of `params`, and without a `_meta` of ours. */
  readonly text?: string;
  readonly id?: string | number;
  readonly capabilities?: JsonObject;
  readonly client?: JsonObject;
  readonly logLevel?: string;
  readonly meta?: JsonObject;
  readonly resumes?: string | undefined;
  readonly target?: Target;
  readonly era?: 'legacy' | 'modern';
  readonly sessionId?: string;
  readonly stands?: () => boolean;
};

export type Asked = { readonly call: Call; readonly pass: Pass; readonly halt: Halt };

/** One request of a modern client, and leave to forward it. */
export function modern(asking: Asking = {}): Asked {
  const { caller = 'ann', server = 'fx', method = 'tools/call', id = 1, era = 'modern' } = asking;
  const meta: JsonObject = {
    [metaKeys.version]: '2026-07-28',
    [metaKeys.capabilities]: asking.capabilities ?? {},
    ...(asking.client === undefined ? {} : { [metaKeys.client]: asking.client }),
    ...(asking.logLevel === undefined ? {} : { [metaKeys.logLevel]: asking.logLevel }),
    ...asking.meta,
  };
  const params =
    asking.text ?? encode({ ...(asking.params ?? { name: 'echo', arguments: {} }), _meta: meta });
  const message: Message = readMessage(
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)},"params":${params}}`,
    { bytesMax: 16_000_000, depthMax: 64 },
  );
  const principal = { name: caller };
  const halt = new Halt();
  const parsed = JSON.parse(message.kind === 'request' ? (message.params ?? '{}') : '{}') as JsonObject;
  const callId = `m-${++calls}`;
  const call: Call = {
    id: callId,
    at: 0,
    remote: '127.0.0.1',
    principal,
    session: {
      id: asking.sessionId ?? callId,
      principal,
      server,
      era,
      agreed: {
        protocolVersion: '2026-07-28',
        client: { name: '', version: '' },
        clientCapabilities: Object.keys(asking.capabilities ?? {}),
      },
    },
    server,
    target: asking.target ?? targetOf(method, parsed),
    message,
    params: parsed,
    userAgent: undefined,
    outlet: { send: () => 'gone' },
    halt,
    mirror: undefined,
    resumes: asking.resumes,
  };
  const permit = { kind: 'allow', rule: 'test', record: [], rates: [], would: undefined } as const;
  const approval = { kind: 'approved', by: 'nobody had to be asked' } as const;
  const stands = asking.stands ?? (() => true);
  const receipt = { kind: 'paid', done: () => undefined, would: undefined } as const;
  const grounds = { call, permit, receipt, approval, ordersVersion: '1', attempt: 1, stands };
  return { call, pass: Pass.issue(grounds), halt };
}

function targetOf(method: string, params: JsonObject): Target {
  if (method === 'tools/call') return { kind: 'tool', name: params['name'] as string };
  if (method === 'prompts/get') return { kind: 'prompt', name: params['name'] as string };
  if (method === 'resources/read') return { kind: 'resource', uri: params['uri'] as string };
  if (method === 'tools/list') return { kind: 'listing', of: 'tools' };
  if (method === 'tasks/list') return { kind: 'listing', of: 'tasks' };
  if (method.startsWith('tasks/')) return { kind: 'task', id: params['taskId'] as string, tool: 'echo' };
  if (method === 'subscriptions/listen') {
    const filter = (params['notifications'] ?? {}) as JsonObject;
    return { kind: 'subscription', uris: (filter['resourceSubscriptions'] ?? []) as string[] };
  }
  return { kind: 'protocol', method };
}
