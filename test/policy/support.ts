import type { Target } from '../../src/domain/call.ts';
import type { Orders, RuleText, ServerFile, Switches } from '../../src/domain/orders.ts';
import { compile } from '../../src/policy/compile.ts';

export const noSwitches: Switches = {
  tools: new Map(),
  servers: new Map(),
  callers: new Map(),
  lockdown: undefined,
};

export function rule(name: string, verdict: RuleText['verdict'], more: Partial<RuleText> = {}): RuleText {
  return {
    name,
    verdict,
    callers: undefined,
    tools: [],
    resources: [],
    prompts: [],
    upcalls: [],
    methods: [],
    record: [],
    rate: undefined,
    answerWithinMs: 60_000,
    ...more,
  };
}

export function serverFile(name: string, rules: readonly RuleText[]): ServerFile {
  return {
    file: `policies/servers/${name}.toml`,
    rules,
    limits: { perCaller: undefined, perTool: undefined },
    recordPayloads: false,
    spec: {
      name,
      command: '/bin/true',
      args: [],
      cwd: '/',
      env: {},
      secrets: {},
      sharing: 'session',
      protocol: 'legacy',
      idleMs: 1,
      spare: 0,
      concurrency: 1,
      waitingMax: 1,
      answerWithinMs: 1000,
      startWithinMs: 1000,
      childrenMax: 1,
      lineBytesMax: 1024,
    },
  };
}

export function ordersFor(rules: readonly RuleText[], switches: Switches = noSwitches): Orders {
  const compiled = compile([serverFile('fx', rules)], switches, undefined, 'v1');
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.complaints));
  return compiled.orders;
}

export const me = { name: 'me' };

export function asks(
  target: Target,
  server = 'fx',
  principal = me,
): { server: string; principal: { name: string }; target: Target } {
  return { server, principal, target };
}

export const tool = (name: string): Target => ({ kind: 'tool', name });
export const resource = (uri: string): Target => ({ kind: 'resource', uri });
export const prompt = (name: string): Target => ({ kind: 'prompt', name });

/** The policy that the public test data is written against. */
export const referenceRules: readonly RuleText[] = [
  rule('reads', 'allow', {
    tools: ['read_file', 'list_dir', 'echo', 'slow'],
    resources: ['file:///ok.txt', 'file:///pub/**'],
    prompts: ['hello'],
  }),
  rule('writes', 'confirm', { tools: ['write_file'] }),
  rule('never', 'deny', { tools: ['delete_file'], resources: ['file:///secret.txt'], prompts: ['danger'] }),
];
