import { usualCare } from '../../src/domain/care.ts';
import type { Target } from '../../src/domain/call.ts';
import type { Check, Condition } from '../../src/domain/conditions.ts';
import type { Facts, ToolFacts } from '../../src/domain/decision.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import type {
  Asking,
  Contract,
  Grant,
  Orders,
  RuleText,
  ServerFile,
  Switches,
  ToolText,
} from '../../src/domain/orders.ts';
import { compile, type DaemonTexts } from '../../src/policy/compile.ts';
import type { Judged } from '../../src/policy/decide.ts';

export const noSwitches: Switches = {
  tools: new Map(),
  servers: new Map(),
  callers: new Map(),
  lockdown: undefined,
};

export const asking: Asking = {
  channels: [{ kind: 'operator' }],
  approvals: 1,
  answerWithinMs: 60_000,
  leaseMsMax: 0,
  leaseSame: [],
};

export function rule(name: string, verdict: RuleText['verdict'], more: Partial<RuleText> = {}): RuleText {
  return {
    name,
    verdict,
    mode: 'enforce',
    callers: undefined,
    roles: undefined,
    surfaces: undefined,
    tools: [],
    risk: undefined,
    resources: [],
    prompts: [],
    upcalls: [],
    methods: [],
    args: [],
    untilMs: undefined,
    record: [],
    rates: [],
    asking,
    place: { file: 'policies/servers/fx.toml', line: 1 },
    ...more,
  };
}

/** What the owner says about tools of that name. */
export function classed(name: string, risk: ToolText['risk'], args: readonly Condition[] = []): ToolText {
  return {
    name,
    risk,
    effect: 'does what it says',
    args,
    retry: undefined,
    breaker: undefined,
    returns: { mode: 'full', bytesMax: 16 * 1024 * 1024 },
    answerWithinMs: undefined,
    place: { file: 'policies/servers/fx.toml', line: 1 },
  };
}

/** A condition on one argument; `path` as an owner writes it. */
export function condition(at: string, checks: readonly Check[], more: Partial<Condition> = {}): Condition {
  return { path: at.split('.'), at, optional: false, absent: false, checks, ...more };
}

export const contract: Contract = {
  purpose: 'to be tested',
  owner: 'the tests',
  outOfScope: undefined,
  stage: 'everyone',
  pilots: [],
  mode: 'enforce',
  pins: 'first',
  checkArguments: true,
};

/** A server's file; every tool is classed `read` unless `more` says otherwise. */
export function serverFile(
  name: string,
  rules: readonly RuleText[],
  more: Partial<ServerFile> = {},
): ServerFile {
  return {
    file: `policies/servers/${name}.toml`,
    contract,
    tools: [classed('*', 'read')],
    rules,
    limits: [],
    redact: [],
    cases: [],
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
      answerWithinMsMax: 3_600_000,
      care: usualCare,
      answerWithinMs: 1000,
      startWithinMs: 1000,
      childrenMax: 1,
      lineBytesMax: 1024,
      wall: {
        sandbox: 'off',
        network: false,
        read: [],
        write: [],
        resources: {
          memoryBytesMax: 2 ** 31,
          tmpBytesMax: 2 ** 28,
          openFilesMax: 4096,
          processesMax: 1024,
          cpuMsMax: 86_400_000,
          output: { bytesMax: 2 ** 32, perMs: 60_000 },
        },
      },
    },
    ...more,
  };
}

export const noDaemon: DaemonTexts = { limits: [], roles: [], webhooks: [] };

export function ordersFor(rules: readonly RuleText[], switches: Switches = noSwitches): Orders {
  return ordersWith(rules, {}, { switches });
}

/** Orders for one server `fx`, with whatever else there is to say. */
export function ordersWith(
  rules: readonly RuleText[],
  more: Partial<ServerFile> = {},
  around: {
    readonly switches?: Switches;
    readonly grants?: readonly Grant[];
    readonly roles?: DaemonTexts['roles'];
    readonly webhooks?: readonly string[];
  } = {},
): Orders {
  const compiled = compile(
    [serverFile('fx', rules, more)],
    { limits: [], roles: around.roles ?? [], webhooks: around.webhooks ?? [] },
    { switches: around.switches ?? noSwitches, grants: around.grants ?? [] },
    'v1',
  );
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.complaints));
  return compiled.orders;
}

/** Leave for `me` to use one tool of `fx`, from 0 to 1000 on the clock of `facts`. */
export function grant(tool: string, more: Partial<Grant> = {}): Grant {
  return { id: 'g1', caller: 'me', server: 'fx', tool, at: 0, untilMs: 1000, by: 'op', reason: '', ...more };
}

/** A world in which it is 500, nothing is known of any tool, and every absolute path is real as it stands. */
export const facts: Facts = {
  nowMs: () => 500,
  tool: () => undefined,
  realPath: (path) => (path.startsWith('/') ? path : undefined),
};

export function knowing(tools: Readonly<Record<string, Partial<ToolFacts>>>): Facts {
  const known = new Map(Object.entries(tools));
  const nothing: ToolFacts = { admits: undefined, quarantined: undefined };
  return {
    ...facts,
    tool: (_server, name) => (known.has(name) ? { ...nothing, ...known.get(name) } : undefined),
  };
}

export const me = { name: 'me' };

/** A question about a call with these arguments; `undefined` asks as a listing does. */
export function asks(
  target: Target,
  server = 'fx',
  principal = me,
  args: JsonObject | undefined = {},
): Judged {
  return { server, principal, target, args };
}

export const listed = (target: Target): Judged => ({ server: 'fx', principal: me, target, args: undefined });

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
