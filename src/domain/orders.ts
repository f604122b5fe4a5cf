import type { ArgumentTest, Condition } from './conditions.ts';
import type { Care } from './care.ts';
import type { Rate } from './decision.ts';
import type { Era } from './era.ts';
import type { Json } from './message.ts';
import type { WallSpec } from './wall.ts';

/** How much harm a call can do. Unclassified counts as `destructive`, and is denied. */
export type Risk = (typeof risks)[number];
/** From the mildest to the gravest. */
export const risks = ['read', 'write', 'destructive'] as const;

/** How far a server is rolled out. `observe`: decided and recorded, not enforced. */
export type Stage = (typeof stages)[number];
export const stages = ['observe', 'read-only', 'pilot', 'everyone'] as const;

/** Whether a verdict is carried out, or only recorded. */
export type Mode = 'enforce' | 'observe';

/** What of the protocol a rule may be limited to; the kinds of target it can speak about. */
export const surfaces = [
  'tool',
  'task',
  'resource',
  'subscription',
  'prompt',
  'completion',
  'upcall',
  'method',
] as const;
export type Surface = (typeof surfaces)[number];

/** Who may say yes. `caller`: the caller's own user, through its client. */
export type Channel =
  | { readonly kind: 'operator' }
  | { readonly kind: 'caller' }
  /** A second call that brings the ticket which the first was given. */
  | { readonly kind: 'ticket' }
  | { readonly kind: 'webhook'; readonly name: string };

/** How a rule asks. */
export type Asking = {
  /** Any of these may answer. */
  readonly channels: readonly Channel[];
  /** Different approvers that must say yes; 2 is dual control. */
  readonly approvals: number;
  readonly answerWithinMs: number;
  /** For how long a yes may be given for further calls that are alike; 0: for this one only. */
  readonly leaseMsMax: number;
  /** Dotted paths of the arguments that must be the same in those further calls. */
  readonly leaseSame: readonly string[];
};

/** Where something stands in the policy files, for people. */
export type Place = { readonly file: string; readonly line: number };

/** One policy rule as its owner wrote it, patterns not yet compiled. Names match the keys in the TOML. */
export type RuleText = {
  readonly name: string;
  readonly verdict: 'allow' | 'deny' | 'confirm';
  readonly mode: Mode;
  /** Names of callers; patterns allowed. Absent: every authenticated caller. */
  readonly callers: readonly string[] | undefined;
  /** Names of roles, as `[roles]` in mcpd.toml gives them to callers; one is enough. Absent: whatever the role. */
  readonly roles: readonly string[] | undefined;
  /** Absent: every surface that the targets speak of. */
  readonly surfaces: readonly Surface[] | undefined;
  readonly tools: readonly string[];
  /** Only tools of these classes. Absent: of every class. */
  readonly risk: readonly Risk[] | undefined;
  readonly resources: readonly string[];
  readonly prompts: readonly string[];
  /** Server-to-caller requests and notifications, by method: `sampling/createMessage`, `roots/list`, … */
  readonly upcalls: readonly string[];
  /** What MCP does not know and a client may say all the same, by method: an extension of the server's. */
  readonly methods: readonly string[];
  /** Conditions on the arguments, as written. All must hold. */
  readonly args: readonly Condition[];
  /** Wall clock, milliseconds since 1970, from which on the rule grants nothing. A denial does not run out. */
  readonly untilMs: number | undefined;
  /** Dotted paths into the arguments whose values the audit records, for example `path` or `issue.number`. */
  readonly record: readonly string[];
  /** Per caller and target, in addition to the server's limits. */
  readonly rates: readonly Rate[];
  /** For `confirm`. */
  readonly asking: Asking;
  readonly place: Place;
};

/** What the owner says about a tool, or about all tools that a pattern fits. The strictest of what fits counts. */
export type ToolText = {
  /** A name or a pattern. */
  readonly name: string;
  readonly risk: Risk;
  /** Its side effect, in a sentence. */
  readonly effect: string;
  /** What must hold for the arguments of every call, whatever rule allows it. */
  readonly args: readonly Condition[];
  /** Whether a call may be made again when it failed on the way; only for what is idempotent. */
  readonly retry: Retry | undefined;
  readonly breaker: Breaker | undefined;
  readonly returns: Returns;
  /** For the answer to one call; undefined: as long as its server is given. */
  readonly answerWithinMs: number | undefined;
  readonly place: Place;
};

/** Tries after the first, with exponential backoff and full jitter between these waits. */
export type Retry = { readonly times: number; readonly firstMs: number; readonly mostMs: number };

/** Opens after so many failures in a row within a span, rests, lets one call through, and closes when that succeeds. */
export type Breaker = { readonly failures: number; readonly withinMs: number; readonly restMs: number };

/** How much of a result its caller is given. */
export type Returns = {
  readonly mode: 'full' | 'snippet' | 'metadata';
  /** UTF-8 bytes of text in one result; what is cut is marked. For `snippet`, of each text. */
  readonly bytesMax: number;
};

/** One thing to take out of messages, and how. */
export type RedactText = {
  readonly name: string;
  /** Names of detectors or of groups: `secrets`, `pii`, `email`, `github-token`. */
  readonly what: readonly string[];
  /** The owner's own patterns: linear-time regular expressions. */
  readonly patterns: readonly string[];
  /** Dotted paths into structured content or arguments whose whole values are meant; `*` for every item. */
  readonly fields: readonly string[];
  /** Tools whose messages are meant; patterns. Absent: every message of the server. */
  readonly tools: readonly string[] | undefined;
  /** `in`: what callers send; `out`: what they are given. */
  readonly direction: 'in' | 'out' | 'both';
  readonly action: RedactAction;
  readonly place: Place;
};
export type RedactAction = (typeof redactActions)[number];
/**
 * `redact`: a marker in its place; `mask`: all but the last four characters; `hash`: a keyed digest, the same for the same
 * value; `block`: the whole message is refused; `report`: it goes through, and the audit says what was found.
 */
export const redactActions = ['redact', 'mask', 'hash', 'block', 'report'] as const;

/** A limit on calls. All limits that fit a call are charged, or none. */
export type LimitText = {
  readonly name: string;
  /** Each combination has a count of its own; nothing: one count for all. */
  readonly per: readonly ('caller' | 'tool')[];
  /** Patterns of tools. Absent: whatever is called. */
  readonly tools: readonly string[] | undefined;
  readonly rates: readonly Rate[];
  /** A bound on what the calls of a span sum up to. */
  readonly budget: Budget | undefined;
  /** Calls under way at once. */
  readonly concurrency: number | undefined;
  /** How many more may stand in line for that, instead of being refused. */
  readonly waiting: number;
};

/** `sum(args.amount) <= 500/day`. A call whose argument is missing, negative or no number is refused. */
export type Budget = {
  readonly path: readonly string[];
  readonly most: number;
  readonly perMs: number;
  readonly text: string;
};

/** A package that a command such as npx fetches and runs, as far as the server's file tells. */
export type FetchedPackage = {
  /** What fetches it: `npx` (also for `npm exec`), `uvx`, `docker`, … */
  readonly by: string;
  /** As they are asked for, the one whose program is run first: `@scope/server@1.2.3`. */
  readonly specs: readonly string[];
  /** Undefined where the name cannot be told from the first of them. */
  readonly name: string | undefined;
  /** The exact version that the first of them asks for; undefined where somebody else decides. */
  readonly version: string | undefined;
  /** Where npm is told to keep what it fetched. Absolute. */
  readonly cache: string | undefined;
  /** What the owner says it must be. */
  readonly pin: PackagePin | undefined;
};

/** Which package may run. The texts are compared as they are. */
export type PackagePin = {
  readonly version: string;
  /** What npm calls integrity: `sha512-` and base64, of the package's archive. */
  readonly integrity: string | undefined;
  /** SHA-256 over all that is installed with it, 64 hex digits; `mcpd ctl status --json` shows it. */
  readonly tree: string | undefined;
};

/** How to run one third-party server. */
export type ServerSpec = {
  readonly name: string;
  /** Absolute path of the program. Resolved when the file was read; nothing at run time changes it. */
  readonly command: string;
  /** SHA-256 of the program's file, 64 hex digits, where the owner gave it: another file is not started. */
  readonly sha256?: string;
  /** Where the command is one that fetches what it runs. */
  readonly fetched?: FetchedPackage;
  readonly args: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Variable → where its value is. Values exist only inside the child's environment. */
  readonly secrets: Readonly<Record<string, SecretUse>>;
  readonly sharing: 'session' | 'principal' | 'all';
  /** Which era its children speak; `auto`: found out by asking. */
  readonly protocol: 'auto' | Era;
  /** A shared child that nobody has used for so long is stopped, and started again when it is needed. */
  readonly idleMs: number;
  /** Children kept ready for the next session. */
  readonly spare: number;
  /** Calls in flight in one child; the rest wait in a bounded line. */
  readonly concurrency: number;
  /** Calls that may wait in that line. */
  readonly waitingMax: number;
  /** For the answer to one request, where the tool says nothing else. */
  readonly answerWithinMs: number;
  /** No call takes longer, whatever its tool says or progress it reports. */
  readonly answerWithinMsMax: number;
  readonly care: Care;
  /** For `initialize`. */
  readonly startWithinMs: number;
  /** Children of this server alive at once. */
  readonly childrenMax: number;
  /** One line from the child. */
  readonly lineBytesMax: number;
  /** What it is kept from. */
  readonly wall: WallSpec;
};

/** A secret that a server is given. */
export type SecretUse = {
  /** Such as `keychain:github-token`; paths are absolute. */
  readonly reference: string;
  /** The value is fetched again after so long, and the server started anew when it has changed; undefined: with each start. */
  readonly ttlMs: number | undefined;
};

/** What the owner promises about a server. */
export type Contract = {
  readonly purpose: string | undefined;
  readonly owner: string | undefined;
  readonly outOfScope: string | undefined;
  readonly stage: Stage;
  /** For stage `pilot`: names of callers or patterns, and roles as `role:NAME`. */
  readonly pilots: readonly string[];
  readonly mode: Mode;
  /** `first`: the first listing counts as approved; `approved`: nothing does until somebody pins it; `off`: no pinning. */
  readonly pins: 'first' | 'approved' | 'off';
  /** Whether arguments are held against the tool's own schema before a call goes out. */
  readonly checkArguments: boolean;
};

/** An example beside the rules: what must be decided about a call. */
export type CaseText = {
  readonly name: string;
  readonly caller: string;
  readonly roles: readonly string[];
  readonly target:
    | { readonly kind: 'tool'; readonly name: string }
    | { readonly kind: 'resource'; readonly uri: string }
    | { readonly kind: 'prompt'; readonly name: string }
    | { readonly kind: 'upcall'; readonly method: string }
    | { readonly kind: 'method'; readonly method: string };
  readonly args: { readonly [key: string]: Json } | undefined;
  /** Wall clock, milliseconds since 1970; undefined: now. */
  readonly atMs: number | undefined;
  readonly expect: 'allow' | 'confirm' | 'deny';
  /** The rule that must be named as the reason. */
  readonly rule: string | undefined;
  readonly place: Place;
};

/** One `policies/servers/<name>.toml`, read and checked; what it extends is merged in. */
export type ServerFile = {
  readonly spec: ServerSpec;
  readonly contract: Contract;
  readonly tools: readonly ToolText[];
  readonly rules: readonly RuleText[];
  readonly limits: readonly LimitText[];
  readonly redact: readonly RedactText[];
  readonly cases: readonly CaseText[];
  /** Whether the audit keeps arguments and results in full (redacted), or only their sizes. */
  readonly recordPayloads: boolean;
  readonly file: string;
};

/** Where questions go and signed answers come from: `[webhooks.NAME]` in mcpd.toml. */
export type Webhook = {
  readonly name: string;
  readonly url: string;
  /** Reference to the secret both sides sign with. */
  readonly secret: string;
};

/** The operator's switches. They outlive restarts, and no policy overrules them. */
export type Switches = {
  /** `server/tool` → when and why it was switched off. */
  readonly tools: ReadonlyMap<string, SwitchedOff>;
  readonly servers: ReadonlyMap<string, SwitchedOff>;
  readonly callers: ReadonlyMap<string, SwitchedOff>;
  readonly lockdown: SwitchedOff | undefined;
};
export type SwitchedOff = { readonly at: number; readonly by: string; readonly reason: string };

/** Leave that an operator gave for a time. It works as a rule that allows: a rule that denies or asks is stronger. */
export type Grant = {
  readonly id: string;
  readonly caller: string;
  readonly server: string;
  /** A name; no pattern. */
  readonly tool: string;
  readonly at: number;
  readonly untilMs: number;
  readonly by: string;
  readonly reason: string;
};

/** A compiled name pattern: exact text or a glob. Linear in the length of what it tests. */
export type Pattern = { readonly text: string; readonly test: (value: string) => boolean };

/** One rule, ready to be asked. */
export type Rule = {
  readonly text: RuleText;
  /** Undefined: every authenticated caller. */
  readonly callers: readonly Pattern[] | undefined;
  readonly tools: readonly Pattern[];
  readonly resources: readonly Pattern[];
  readonly prompts: readonly Pattern[];
  readonly upcalls: readonly Pattern[];
  readonly methods: readonly Pattern[];
  readonly args: readonly ArgumentTest[];
};

export type ToolClass = {
  readonly text: ToolText;
  readonly pattern: Pattern;
  readonly args: readonly ArgumentTest[];
};

/** A limit, ready to be charged. `server` is undefined for those over all servers. */
export type Limit = {
  readonly text: LimitText;
  readonly server: string | undefined;
  readonly tools: readonly Pattern[] | undefined;
};

export type ServerOrders = {
  readonly spec: ServerSpec;
  readonly contract: Contract;
  readonly pilots: { readonly callers: readonly Pattern[]; readonly roles: readonly string[] };
  readonly tools: readonly ToolClass[];
  readonly rules: readonly Rule[];
  readonly limits: readonly Limit[];
  readonly redact: readonly RedactText[];
  readonly recordPayloads: boolean;
};

/** Everything the data plane obeys. Frozen; replaced whole, never edited. */
export type Orders = {
  /** Names this value in every audit record: a digest of the policy files, and a count of changes by the operator. */
  readonly version: string;
  readonly servers: ReadonlyMap<string, ServerOrders>;
  readonly switches: Switches;
  readonly grants: readonly Grant[];
  /** Role → the callers that have it. */
  readonly roles: ReadonlyMap<string, readonly Pattern[]>;
  /** Across all servers. */
  readonly limits: readonly Limit[];
};
